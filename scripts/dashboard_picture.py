"""Draws the dashboard's panels from a real Prometheus' answers over three minutes: deploy/grafana/dashboard.png

    python -m scripts.dashboard_picture

Load doubles after a minute; one of two Tritons is killed for half a minute. It needs Prometheus and matplotlib. It
knows how a picture is laid out; what a panel asks stands in the dashboard.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.engine.script import Script
from tests.deploy.observed import Observed, filled_in, observed, panels

PATH = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboard.png"
SECONDS = 180
STEP = 2
WINDOW = "15s"
SHOWN = (
    "Requests by outcome",
    "HTTP answers by status",
    "Time to first token",
    "Time between tokens",
    "Time in the queue",
    "Tokens",
    "Under way and waiting",
    "Usable Tritons",
    "Errors and fail-overs",
    "Requests in flight",
    "Event loop lag",
    "CPU",
)
SETTINGS = "[balance]\nmax_requests = 6\n"


def client(stage: Observed, stop: threading.Event) -> None:
    """Asks one thing after another."""
    chance = random.Random(threading.get_ident())
    while not stop.is_set():
        tokens = chance.randrange(20, 120)
        script = Script(text="word " * tokens, first_delay_ms=chance.uniform(50, 400), delay_ms=chance.uniform(10, 40))
        stage.chat(script, max_tokens=tokens)
        stop.wait(chance.uniform(0, 0.5))


def play(stage: Observed) -> tuple[float, float]:
    """The run. When it began and ended."""
    stop, began = threading.Event(), time.time()
    threads = [threading.Thread(target=client, args=(stage, stop)) for _ in range(16)]
    scenes: list[tuple[float, Callable[[], Any]]] = [
        (0, lambda: [thread.start() for thread in threads[:8]]),
        (60, lambda: [thread.start() for thread in threads[8:]]),
        (90, stage.tritons[1].kill),
        (120, stage.tritons[1].start),
    ]
    for at, scene in scenes:
        time.sleep(max(0.0, began + at - time.time()))
        scene()
    time.sleep(max(0.0, began + SECONDS - time.time()))
    ended = time.time()
    stop.set()
    for thread in threads:
        thread.join()
    return began, ended


def draw(stage: Observed, began: float, ended: float) -> None:
    from matplotlib.figure import Figure
    from PIL import Image

    names = {triton.address: f"triton-{number}" for number, triton in enumerate(stage.tritons)}
    names[f"127.0.0.1:{stage.gateway.port}"] = "gateway"
    figure = Figure(figsize=(13, 13), dpi=70, layout="constrained")
    for axes, title in zip(figure.subplots(4, 3).flat, SHOWN, strict=True):
        (panel,) = [each for each in panels() if each["title"] == title]
        for target in panel["targets"]:
            query = filled_in(target["expr"], WINDOW)
            for series in stage.prometheus.query_range(query, began, ended, STEP):
                label = target["legendFormat"]
                for name, value in series["metric"].items():
                    label = label.replace(f"{{{{{name}}}}}", names.get(value, value))
                points = [(float(at) - began, float(value)) for at, value in series["values"] if value != "NaN"]
                axes.plot([at for at, _ in points], [value for _, value in points], label=label, linewidth=1.3)
        axes.set_title(f"{title} ({panel['fieldConfig']['defaults']['unit']})", fontsize=10)
        axes.set_xlim(0, SECONDS)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7, loc="upper left", framealpha=0.6)
    figure.savefig(PATH)
    with Image.open(PATH) as picture:
        picture.convert("RGB").quantize(64).save(PATH, optimize=True)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, observed(Path(folder), more=SETTINGS) as stage:
        began, ended = play(stage)
        draw(stage, began, ended)
    print(PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
