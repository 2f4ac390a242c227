"""A watch on Triton's Python processes: one ends, and says why, that lets go of objects without the interpreter's lock.

It knows how the watch is built and what it says. It must not know which models are watched.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.absent import absent

WORDS = "LOCK WATCH: an object was let go without the interpreter's lock"
_SOURCE = Path(__file__).with_name("watch.c")


def lock_watch(folder: Path) -> Mapping[str, str]:
    """What a server's environment needs, with the watch built in ``folder``."""
    compiler = shutil.which("cc")
    if compiler is None:
        absent("cc is not on PATH: apt-get install gcc libc6-dev")
    library = folder / "watch.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}
