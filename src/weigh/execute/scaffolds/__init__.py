"""The loops that drive a model from a rendered request to a trajectory."""
