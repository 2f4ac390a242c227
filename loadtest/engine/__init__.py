"""The scripted engine: files of a Triton Python model that does what a prompt says, and what reads its journal.

``script``, ``journal`` and ``control`` are shared by the engine and by what drives it; ``model`` and ``run`` import
only inside Triton.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
