"""The checker of console blocks: a lie is found, varying numbers are not lies, `--write` mends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = Path(__file__).parents[2] / "docs" / "check.py"
PAGE = """# Page

<!-- check: file hello.py -->
```python
print("hello", 0.25, "s")
```

<!-- check: run -->
```console
$ python3 hello.py
{said} 1.5 s
$ echo one \\
two
one two
```

```console
$ never run
```
"""


def check(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(CHECK), str(page), *flags], capture_output=True, text=True, check=False)


def test_what_a_page_says_is_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(said="hello"))
    done = check(page)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_lie_is_found_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(said="goodbye"))
    done = check(page)
    assert done.returncode == 1
    assert "-goodbye TIME" in done.stdout
    assert "+hello TIME" in done.stdout
    assert check(page, "--write").returncode == 0
    assert "hello 0.25 s\n\n$ echo one \\\ntwo\none two\n```" in page.read_text()
    assert "$ never run" in page.read_text()
    assert check(page).returncode == 0
