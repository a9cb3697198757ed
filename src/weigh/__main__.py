"""`python -m weigh` is the command `weigh`."""

from weigh.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
