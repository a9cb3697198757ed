# mypy: ignore-errors
"""Asks reasoning-gym's questions and lets reasoning-gym score the answers. Runs in its own environment."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import reasoning_gym


def ask(question, name):
    body = {"messages": [{"role": "system", "content": "Give your final answer within <answer></answer> tags."},
                         {"role": "user", "content": question}],
            "temperature": 0.0, "max_tokens": 256}  # fmt: skip
    head = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json",
            "X-Weigh-Question": name}  # fmt: skip
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), head)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]["content"] or ""


def solve(row):
    data = reasoning_gym.create_dataset(row["dataset"], seed=row["seed"], size=row["index"] + 1)
    entry = data[row["index"]]
    try:
        text = ask(entry["question"], row["id"])
    except urllib.error.HTTPError as error:
        return {"id": row["id"], "error": f"the model's server answered {error.code}"}
    found = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    answer = found[-1].strip() if found else text.strip()
    return {"id": row["id"], "answer": answer, "scores": {"score": data.score_answer(answer, entry)}}


if __name__ == "__main__":
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    with ThreadPoolExecutor(16) as pool, (Path(sys.argv[2]) / "results.jsonl").open("w") as out:
        for result in pool.map(solve, rows):
            print(json.dumps(result), file=out, flush=True)
