"""What does weigh add to an agent? `python perf/agents.py [--trials 300] [--concurrency 8] [--alone]`

The same scripted conversation, the same pi, the same command line: once as a run of weigh (each trial in a sandbox of
its own, metered, stored), once as so many plain commands under `xargs -P`, without any sandbox, against one scripted
gateway. Bars: wall time within 1.3 x, memory that does not grow with the trials, no zombie, process or folder left.
With `--alone` nothing is timed: it says what a run leaves behind, on a machine that does other things meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from weigh.execute.agents.agent import Assignment
from weigh.execute.agents.install import find_agent
from weigh.execute.agents.pi import AGENT
from weigh.execute.gateway.server import Gateway
from weigh.execute.providers.script import load_script
from weigh.execute.providers.scripted import ScriptedProvider

BAR = 1.3
GROWTH_MB = 30.0
"""What the process may grow by after a quarter of the time."""
TASK = """
from weigh import AccuracyMetric, ChatFormatter, DataSource, Instance, SubstringScorer, Task, register

@register("agents_perf")
class AgentsPerf(Task):
    data_source = DataSource(path="agents_perf.jsonl")
    formatter = ChatFormatter()
    metrics = (AccuracyMetric(scorer=SubstringScorer),)

    def instance(self, row, index):
        return Instance(id=row["id"], question=row["q"], gold_answer="done")
"""
TURNS = {
    "Count": [
        {"text": "I look.", "tool_calls": [{"name": "bash", "arguments": {"command": "ls; echo one"}}]},
        {"tool_calls": [{"name": "write", "arguments": {"path": "n.txt", "content": "1\n2\n3\n"}}]},
        {"tool_calls": [{"name": "read", "arguments": {"path": "n.txt"}}]},
        "It is done.",
    ]
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--alone", action="store_true", help="without xargs, and so without a ratio")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perf-agents-") as name:
        folder = Path(name)
        (folder / "agents_perf.py").write_text(TASK)
        rows = [{"id": f"t{i}", "q": f"Count to three, please ({i})."} for i in range(args.trials)]
        (folder / "agents_perf.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        (folder / "turns.json").write_text(json.dumps(TURNS))
        plain = None
        if not args.alone:
            plain = asyncio.run(under_xargs(folder, args.trials, args.concurrency))
            print(f"xargs -P{args.concurrency}: {plain:.1f} s, {1000 * plain / args.trials:.0f} ms a trial", flush=True)
        return under_weigh(folder, args.trials, args.concurrency, plain)


async def under_xargs(folder: Path, trials: int, concurrency: int) -> float:
    """Seconds of the plain commands."""
    program = find_agent(AGENT)
    if program is None:
        raise SystemExit("pi is not installed: weigh agents install pi")
    provider = ScriptedProvider(load_script(str(folder / "turns.json")))
    async with Gateway() as gateway:
        session = gateway.open(provider)
        lines = []
        for index in range(trials):
            place = folder / "plain" / str(index)
            launch = AGENT.launch(
                program,
                Assignment(
                    prompt=f"Count to three, please ({index}).", model="perf", url=gateway.url, token=session.token,
                    home=str(place / "home"), workspace=str(place / "work"), max_tokens=4096, context_window=32768,
                ),
            )  # fmt: skip
            (place / "work").mkdir(parents=True)
            for path, text in launch.files.items():
                file = place / "home" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            start = place / "start.json"
            start.write_text(json.dumps({"command": launch.command, "env": launch.env, "place": str(place)}))
            lines.append(str(start))
        runner = (
            "import json, os, sys; s = json.load(open(sys.argv[1])); os.chdir(s['place'] + '/work'); "
            "os.dup2(os.open(os.devnull, os.O_RDONLY), 0); os.dup2(os.open('../out', os.O_WRONLY | os.O_CREAT), 1); "
            "env = {'PATH': os.environ['PATH'], 'HOME': s['place'] + '/home', **s['env']}; "
            "os.execve(s['command'][0], s['command'], env)"
        )
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            "xargs", f"-P{concurrency}", "-n1", sys.executable, "-I", "-S", "-c", runner, stdin=asyncio.subprocess.PIPE
        )
        await process.communicate("\n".join(lines).encode())
        took = time.monotonic() - began
        done = sum(b"It is done." in (folder / "plain" / str(i) / "out").read_bytes() for i in range(trials))
        if process.returncode != 0 or done != trials or session.meter.usage.calls != 4 * trials:
            raise SystemExit(f"plain commands: exit {process.returncode}, {done} of {trials} done")
    shutil.rmtree(folder / "plain")
    return took


def under_weigh(folder: Path, trials: int, concurrency: int, plain: float | None) -> int:
    """Run the same by weigh, watch it, and say what came of it; the exit code."""
    temp = folder / "tmp"
    temp.mkdir()
    command = [
        sys.executable, "-m", "weigh", "run", "-m", f"scripted/{folder}/turns.json",
        "-t", f"{folder}/agents_perf.py:agents_perf", "--harness", "pi", "--concurrency", str(concurrency),
        "--store", str(folder / "store"),
    ]  # fmt: skip
    began = time.monotonic()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, "TMPDIR": str(temp)}
        )
        memory: list[tuple[float, float]] = []
        zombies = 0
        while process.poll() is None:
            memory.append((time.monotonic() - began, resident_mb(process.pid)))
            zombies = max(zombies, lasting_zombies(process.pid))
            time.sleep(0.5)
    took = time.monotonic() - began
    if process.returncode != 0 or f"{trials} run, 0 reused" not in (folder / "said").read_text().replace("runs", "run"):
        print((folder / "said").read_text()[-2000:])
        raise SystemExit(f"weigh ended with {process.returncode}")
    early = max(mb for at, mb in memory if at <= max(took / 4, memory[0][0]))
    late = max(mb for at, mb in memory if at <= 0.9 * took)  # then the journal becomes Parquet, whatever its size
    left = sorted(p.name for p in temp.iterdir())
    alive = [p for p in Path("/proc").glob("[0-9]*/environ") if str(temp).encode() in readable(p)]
    ratio = None if plain is None else took / plain
    kept = sum(f.stat().st_size for f in (folder / "store").rglob("*") if f.is_file())
    beside = "" if ratio is None else f"; {ratio:.2f} x xargs (bar {BAR})"
    print(f"weigh run:   {took:.1f} s, {1000 * took / trials:.0f} ms a trial{beside}")
    print(f"memory:      {early:.0f} MB after a quarter, {late:.0f} MB later (bar +{GROWTH_MB:.0f} MB)")
    print(f"left behind: {zombies} zombies, {len(alive)} processes, {len(left)} folders {' '.join(left)}".rstrip())
    print(f"stored:      {kept / trials / 1000:.0f} kB a trial")
    good = (ratio is None or ratio <= BAR) and late - early <= GROWTH_MB and not (zombies or alive or left)
    print("pass" if good else "FAIL")
    return 0 if good else 1


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in readable(Path(f"/proc/{pid}/status")).decode().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def lasting_zombies(pid: int) -> int:
    """Children of a process that are dead and stay so for ten seconds: a busy process reaps late."""
    lasting = zombies_of(pid)
    end = time.monotonic() + 10
    while lasting and time.monotonic() < end:
        time.sleep(0.1)
        lasting &= zombies_of(pid)
    return len(lasting)


def zombies_of(pid: int) -> set[str]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        name, _, rest = readable(stat).decode(errors="replace").rpartition(") ")
        words = rest.split()
        if len(words) > 1 and words[0] == "Z" and words[1] == str(pid):
            found.add(name.split()[0])
    return found


def readable(path: Path) -> bytes:
    """A file's content; nothing for one that has gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main())
