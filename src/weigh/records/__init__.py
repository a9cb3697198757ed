"""Values only, no I/O: what the stages hand to one another."""
