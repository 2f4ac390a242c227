"""The engine for load: files of a Triton Python model that makes tokens at as little cost as such a model can.

``model`` imports only inside Triton, beside ``script`` of the scripted engine, whose scripts tell it the pace.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
