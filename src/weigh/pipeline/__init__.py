"""The only code that sees every stage: run, rescore, compare; one file each."""
