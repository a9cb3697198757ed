"""Content: one benchmark per file. Importing a file only registers names; data is loaded when a task is prepared."""
