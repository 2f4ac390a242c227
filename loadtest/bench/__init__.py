"""Measuring parts of the gateway alone, one beside the other in one run."""
