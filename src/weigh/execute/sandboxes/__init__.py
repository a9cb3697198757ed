"""Where commands run: `bubblewrap` (the default), `local` (trusted, only by name), `container`, `memory` (a fake).

`spec` says what a sandbox allows, `open` makes one, `pool` keeps some ready, `probe` finds out what works here.
"""
