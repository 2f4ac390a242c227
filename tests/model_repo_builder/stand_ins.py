"""Programs in the place of tritonserver and mpirun, for what the launcher does around them.

The tritonserver knows a handful of flags: it listens on its HTTP port, is ready at once, and does what the file
``behaviour`` beside it says. The mpirun runs each segment of its command in a session of its own, as Open MPI does,
and ends in an error when it is asked to end, as that does too. They know nothing of the launcher.
"""

import sys
from pathlib import Path

_TRITONSERVER = r"""#!{python}
import http.server, json, os, pathlib, signal, sys
here = pathlib.Path(__file__).parent
flags = dict(word.partition("=")[::2] for word in sys.argv[1:] if "=" in word)
pairs = dict(zip(sys.argv[1:], sys.argv[2:]))
value = lambda name: flags.get(name) or pairs.get(name)
rank = "later" if flags.get("--model-control-mode") == "explicit" else "first"
with (here / "calls.jsonl").open("a") as calls:
    environment = {{name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "TRTLLM_ORCHESTRATOR")}}
    call = {{"pid": os.getpid(), "rank": rank, "argv": sys.argv[1:], "environment": environment}}
    calls.write(json.dumps(call) + "\n")
behaviour = (here / "behaviour").read_text() if (here / "behaviour").exists() else ""
if behaviour == "fails":
    print("E1122 15:32:47.0 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: no GPU\"", flush=True)
    sys.exit(1)
prefix = value("--backend-config").partition("shm-region-prefix-name=")[2]
pathlib.Path("/dev/shm", prefix + "region").touch()
signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour in ("deaf", "crashes") else lambda *_: os._exit(0))
if behaviour == "crashes":  # and hangs then, as the real one may
    signal.signal(signal.SIGUSR1, lambda *_: print("double free or corruption (out)\nSignal (6) received.", flush=True))
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if behaviour == "slow" else 200)
        self.end_headers()
    def log_message(self, *_):
        pass
if rank == "later":
    while True:
        signal.pause()
http.server.ThreadingHTTPServer(("127.0.0.1", int(value("--http-port"))), Ready).serve_forever()
"""
_MPIRUN = r"""#!{python}
import os, signal, subprocess, sys
words, segments = sys.argv[1:], []
while ":" in words:
    end = words.index(":")
    segment, words = words[:end], words[end + 1 :]
    segments.append(segment[segment.index("-n") + 2 :])
ranks = [subprocess.Popen(segment, start_new_session=True) for segment in segments]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
codes = [rank.wait() for rank in ranks[:1]]
for rank in ranks[1:]:
    rank.terminate()
    codes.append(rank.wait())
sys.exit(max(abs(code) for code in codes))
"""


def write_tritonserver(folder: Path, behaviour: str = "") -> Path:
    if behaviour:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "behaviour").write_text(behaviour)
    return _program(folder / "tritonserver", _TRITONSERVER)


def write_mpirun(folder: Path) -> Path:
    return _program(folder / "mpirun", _MPIRUN)


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return path
