"""Cells in, trials out: the pool, the harness, and everything that can answer or run something."""
