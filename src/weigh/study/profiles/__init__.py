"""Profiles that come with weigh: a folder each, with a `profile.yaml` or a `profile.py` and the files they name."""
