"""What will be run, cell by cell, and what each cell's identity is: all of it known before the first token."""
