"""Which line of what an agent wrote says why it ended."""

from __future__ import annotations

import pytest

from weigh.execute.scaffolds.agent_trial import gist

NODE = """node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module 'cli.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)

Node.js v20.20.2"""
PYTHON = """Traceback (most recent call last):
  File "x.py", line 1, in <module>
json.decoder.JSONDecodeError: Expecting value"""


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        (NODE, "Error: Cannot find module 'cli.js'"),
        (PYTHON, "json.decoder.JSONDecodeError: Expecting value"),
        ("loading\nUnknown option: --x\n", "Unknown option: --x"),
        ("", ""),
    ],
)
def test_the_line_that_says_why(stderr: str, line: str) -> None:
    assert gist(stderr) == line
