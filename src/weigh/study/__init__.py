"""Studies: the only code that knows libraries under study.

A *profile* teaches weigh one library: what its revisions are, how one is installed, which tiers of help there are, the
tasks and the markers. From a revision and a tier comes a `Workspace` (`weigh.records.workspace`), which is all that the
rest of the house sees.
"""
