"""Where tokens come from: one adapter a file, found by name in `registry`."""
