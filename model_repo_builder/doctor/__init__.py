"""Checks of a model repository: what would fail or disappoint, why, and what to change."""
