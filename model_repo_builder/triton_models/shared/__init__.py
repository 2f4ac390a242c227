"""Modules that several of the Python models share; the builder copies each beside the model.py that imports it."""
