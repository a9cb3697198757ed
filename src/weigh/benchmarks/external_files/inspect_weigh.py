# mypy: ignore-errors
"""Starts `inspect` with the gateway as its model server. Runs in Inspect's own environment."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.environ["WEIGH_BASE_URL"] = os.environ["OPENAI_BASE_URL"]
    os.environ["WEIGH_API_KEY"] = os.environ["OPENAI_API_KEY"]

    from inspect_ai._cli.main import main

    sys.exit(main())
