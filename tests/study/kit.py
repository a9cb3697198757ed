"""A small library of our own with two releases in git, and a scripted model that uses its command."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from pathlib import Path

BACKEND = '''
"""Builds a wheel with nothing but the standard library, so that tests need no package index."""
import pathlib, zipfile

VERSION = pathlib.Path("greet.py").read_text().split('"')[1]

def get_requires_for_build_wheel(settings=None):
    return []

def build_wheel(folder, settings=None, metadata=None):
    name = f"greet-{VERSION}-py3-none-any.whl"
    info = f"greet-{VERSION}.dist-info"
    files = {
        "greet.py": pathlib.Path("greet.py").read_text(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: greet\\nVersion: {VERSION}\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: kit\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\ngreet = greet:main\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{n},,\\n" for n in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
'''

FIRST = """VERSION = "1.0.0"
import sys

def main():
    print("hello " + sys.argv[1])
"""

SECOND = """VERSION = "1.1.0"
import sys

def main():
    words = [w for w in sys.argv[1:] if w != "--shout"]
    text = "hello " + words[0]
    print(text.upper() if "--shout" in sys.argv else text)
"""

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'

SKILL = "---\nname: greet\ndescription: Greets.\n---\nRun `greet NAME`.\n"


def git(folder: Path, *words: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_library(folder: Path) -> Path:
    """A repository with tags v1.0.0 and v1.1.0; only the second has a Skill in it and `--shout`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / ".gitattributes").write_text("README.md export-ignore\n")
    (folder / "README.md").write_text("greet greets\n")
    (folder / "greet.py").write_text(FIRST)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "v1.0.0")
    (folder / "greet.py").write_text(SECOND)
    (folder / "skill").mkdir()
    (folder / "skill" / "SKILL.md").write_text(SKILL)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "second")
    git(folder, "tag", "v1.1.0")
    return folder


PROFILE = """
name: greet
repository: {library}
module: greet
command: greet
install: {{tool: {tool}}}
skill: {{source: skill}}
tiers:
  notes:
    files: {{NOTES.md: {{text: "try --shout"}}}}
    instructions: Read NOTES.md.
  made: {{function: "made.py:made"}}
tasks:
  - name: shout
    prompt: Greet Ada loudly.
    target: HELLO ADA
    score: {{by: contains, ignore_case: false}}
  - name: tell
    prompt: Greet Ada.
    kind: plain
    target: hello Ada
  - name: file
    prompt: Write the greeting of who.txt to out.txt.
    files: {{who.txt: {{text: "Ada\\n"}}, data.bin: data.bin}}
    score: [{{by: state, files: [{{path: out.txt, contains: hello}}], command: "test -s out.txt"}}]
"""

STUDY = """
name: greeting
profile: profile.yaml
agents: [coder]
models:
  - {model: "scripted/answers.py:answer", name: small, size: 0.5}
revisions: [v1.0.0, v1.1.0]
tiers: [bare, skill]
epochs: 2
store: store
harness: {sandbox: bubblewrap}
"""

MADE = """
from weigh.study.tiers import TierContent

async def made(context):
    source = await context.source()
    return TierContent(files={"COPY.md": (source / "README.md").read_bytes()}, env={"GREETING": context.revision.name})
"""

ANSWERS = """
from weigh.records.request import Output, ToolCall

COMMAND = "greet Ada --shout 2>&1; greet Ada | tee out.txt; ls; cat *.md; echo $GREETING"

def answer(request):
    if request.messages[-1].role == "tool":
        return request.messages[-1].content
    return Output(text="", tool_calls=(ToolCall(id="1", name="bash", arguments={"command": COMMAND}),))
"""


def make_study(folder: Path, library: Path, changes: dict[str, str] | None = None) -> Path:
    """A folder with a study of the library; `changes` replace texts of the study file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.yaml").write_text(PROFILE.format(library=library, tool="uv" if shutil.which("uv") else "pip"))
    (folder / "made.py").write_text(textwrap.dedent(MADE))
    (folder / "data.bin").write_bytes(bytes(range(256)) * 500)
    (folder / "answers.py").write_text(ANSWERS)
    text = STUDY.replace("answers.py", str(folder / "answers.py"))
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "study.yaml").write_text(text)
    return folder / "study.yaml"
