"""The same network on both sides: YOLOv8n of one file, in Wordbox and in the ultralytics package, on two cores.

    python benchmarks/closed.py [--rounds 7] [--weights FILE.pt] [--photos DIR] [--photo FILE] [--wordbox EXECUTABLE] [--peers FOLDER]

A loop over photos: a process of each side has loaded its model, and they take turns, photo by photo; an idle one waits for its next line
and has rested before the other begins. Wordbox calls `detector.detect(photo)`, the peer `model.predict(photo)`, each with its own
defaults: the `.pt` as shipped (with its own choice of threads; once more with as many as there are cores), and the ONNX file that it
exported itself. A round is a pass over 24 photos; ratios are taken within a round. A whole process: `wordbox detect PHOTO --weights
FILE.pt`, with nothing kept from an earlier run, beside `YOLO(FILE).predict(PHOTO)` of both files. Exits with 1 where a median is past
its bound.

The peer's operators of torchvision come from `tests/peers/shims.py` where a CPU build lacks them: a millisecond or two a photo.
`tests/peers/environment.sh` builds its environment and its ONNX file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from whole_process import (
    PREDICT,
    Bound,
    Command,
    costs_of,
    counted_some,
    found_some,
    machine,
    own_environment,
    parser_with_places,
    peer_environment,
    places_exist,
    print_costs,
    shared_data,
    spread,
)

PHOTOS = 24
CORES = 2
REST = 0.1
"""Seconds between turns: threads of a runtime that has just finished may spin for a while, and would steal from the other side."""

# A worker answers each photo's path with what it took and how many boxes it found, and says what it spent while it was idle.
WORKER = """
import json, os, sys, time
reply = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
{prepare}
print("ready", file=reply, flush=True)
spent = time.process_time()
for line in sys.stdin:
    idle = time.process_time() - spent
    photo = line.strip()
    begun, spent = time.perf_counter(), time.process_time()
    boxes = {found}
    seconds, processor = time.perf_counter() - begun, time.process_time() - spent
    print(json.dumps(dict(seconds=seconds, processor=processor, boxes=boxes, idle=idle)), file=reply, flush=True)
    spent = time.process_time()
"""
OURS = WORKER.format(prepare="import wordbox\ndetector = wordbox.load(sys.argv[1])", found="len(detector.detect(photo))")
PEER = "import shims\nfrom ultralytics import YOLO\nmodel = YOLO(sys.argv[1], task='detect')"
THEIRS = WORKER.format(prepare=PEER, found="len(model.predict(photo)[0].boxes)")
ALL_THREADS = f"{PEER}\nmodel.predict(sys.argv[2])\nimport torch\ntorch.set_num_threads(os.cpu_count())"  # its first call sets its own
THEIRS_WIDE = WORKER.format(prepare=ALL_THREADS, found="len(model.predict(photo)[0].boxes)")


BOUNDS = (
    Bound(ours="wordbox detect", peer="YOLO(.pt).predict", seconds=0.25),
    Bound(ours="wordbox detect", peer="YOLO(.onnx).predict", seconds=0.35, memory=0.5),
)


@dataclass
class Side:
    """One process of the loop, and what it took: the seconds, processor seconds and boxes of each round, and what it spent while idle."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    bound: float | None = None
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


def main() -> int:
    options = _options()
    model = options.peers / "models" / "yolov8n-hybrid.onnx"
    if not places_exist(options, model, options.weights, options.photos, options.photo):
        return 2
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # for all that is started from here
    for name in ("wordbox", "peers", "weights", "photo"):
        setattr(options, name, getattr(options, name).absolute())
    model = model.absolute()
    photos = sorted(str(path.absolute()) for path in options.photos.iterdir())[:PHOTOS]
    sides = _sides(options, model, photos[0])
    loop(sides, photos, options.rounds)
    held = print_loop(sides, len(photos))
    print()
    held &= print_costs(costs_of(_commands(options, model), options.rounds), BOUNDS)
    print(f"\n{options.rounds} rounds, {CORES} cores used, {machine()}.")
    return 0 if held else 1


def _options() -> argparse.Namespace:
    data = shared_data()
    parser = parser_with_places(__doc__)
    parser.add_argument("--weights", type=Path, default=data / "weights" / "yolov8n-hybrid.pt", help="the file that both sides load")
    parser.add_argument("--photos", type=Path, default=data / "coco-val-400" / "images", help=f"the first {PHOTOS} of this folder")
    parser.add_argument("--photo", type=Path, default=data / "photos" / "bus.jpg", help="of the whole processes")
    return parser.parse_args()


def _sides(options: argparse.Namespace, model: Path, photo: str) -> list[Side]:
    mine, theirs = own_environment(), peer_environment(options.peers)
    python, peer, pt = str(options.wordbox.parent / "python"), str(options.peers / "bin" / "python"), str(options.weights)
    return [
        Side("wordbox", [python, "-c", OURS, pt], mine),
        Side("ultralytics, .pt", [peer, "-c", THEIRS, pt], theirs, 0.5),
        Side("ultralytics, .pt, all threads", [peer, "-c", THEIRS_WIDE, pt, photo], theirs),
        Side("ultralytics, its .onnx", [peer, "-c", THEIRS, str(model)], theirs, 0.92),
    ]


def _commands(options: argparse.Namespace, model: Path) -> list[Command]:
    mine, theirs = own_environment(), peer_environment(options.peers)
    peer, pt, photo = str(options.peers / "bin" / "python"), str(options.weights), str(options.photo)
    detect = [str(options.wordbox), "detect", photo, "--weights", pt, "--json", "-"]
    return [
        Command(name="wordbox detect", arguments=detect, environment=mine, did_it=found_some),
        Command(name="YOLO(.pt).predict", arguments=[peer, "-c", PREDICT, pt, photo], environment=theirs, did_it=counted_some),
        Command(name="YOLO(.onnx).predict", arguments=[peer, "-c", PREDICT, str(model), photo], environment=theirs, did_it=counted_some),
    ]


def loop(sides: list[Side], photos: list[str], rounds: int) -> None:
    """Let the sides take turns over the photos, a photo each; fills in what they took. The first round only warms."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "said.txt"
        with log.open("w") as said:
            workers = [started(side, said, folder) for side in sides]
            try:
                for turn in range(rounds + 1):
                    answers: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}
                    for i, photo in enumerate(photos):
                        both = list(zip(sides, workers, strict=True))
                        for side, worker in both if (turn + i) % 2 else reversed(both):
                            time.sleep(REST)
                            answers[side.name].append(json.loads(asked(side, worker, photo, log)))
                    for side in sides if turn else ():
                        found = answers[side.name]
                        side.seconds.append(sum(answer["seconds"] for answer in found))
                        side.processor.append(sum(answer["processor"] for answer in found))
                        side.boxes.append(int(sum(answer["boxes"] for answer in found)))
                        side.idle += [answer["idle"] for answer in found]
            finally:
                for worker in workers:
                    worker.kill()
                    worker.communicate()


def started(side: Side, said: IO[str], folder: str) -> "subprocess.Popen[str]":
    """The process of a side, its model loaded."""
    pipe = subprocess.PIPE
    worker = subprocess.Popen(side.arguments, stdin=pipe, stdout=pipe, stderr=said, text=True, env=side.environment, cwd=folder)
    asked(side, worker, None, Path(said.name))
    return worker


def asked(side: Side, worker: "subprocess.Popen[str]", photo: str | None, log: Path) -> str:
    """A worker's next line, after it was told a photo; ends this program with the log's last line where there is none."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    if photo is not None:
        worker.stdin.write(photo + "\n")
        worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        sys.exit(f"{side.name} ended with code {worker.wait()}; it said last: {(log.read_text().strip() or 'nothing').splitlines()[-1]}")
    return line


def print_loop(sides: list[Side], photos: int) -> bool:
    """Print what the sides took in the loop, and the ratios; whether their medians keep the bounds."""
    held = True
    print("| loop | ms a photo | processor ms | ... while idle | boxes in all | wordbox / this | bound |\n" + "|---" * 7 + "|")
    for side in sides:
        taken = [[1e3 * seconds / photos for seconds in column] for column in (side.seconds, side.processor)]
        cells = [*map(spread, taken), spread([1e3 * idle for idle in side.idle]), str(side.boxes[0])]
        ratios = [a / b for a, b in zip(sides[0].seconds, side.seconds, strict=True)]
        print(" | ".join([f"| {side.name}", *cells, spread(ratios), f"{side.bound or ''}"]) + " |")
        held &= side.bound is None or statistics.median(ratios) <= side.bound
    return held


if __name__ == "__main__":
    sys.exit(main())
