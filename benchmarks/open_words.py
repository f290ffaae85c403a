"""Words as an input and words folded in: YOLO-World-s of one random file, in Wordbox and in the ultralytics package, on two cores.

    python benchmarks/open_words.py [--rounds 9] [--features FILE.npy] [--photo FILE] [--wordbox EXECUTABLE] [--peers FOLDER]

A process of each side (`open_words_sides.py`) has loaded the same files, which the package saved: YOLO-World-s of both versions, and a
YOLOv8s. They take turns, case by case: a picture of 640x640 and 80 or 1,203 words (CLIP's features) through Wordbox's engine up to its
shortlist, on ONNX Runtime, and through the package's network alone, fused as its own `predict` does, with its own choice of threads, and
once more with as many as there are cores. An idle one waits for its next line and has rested before the other begins. Every second round
goes backwards; ratios are taken within a round. The most numbers that left the engine in one output show whether scores of all words did.

Memory is the largest resident set of a process of its own that loads the file and detects in copies of one photo.

Exits with 1 where a median is past its bound, or all scores left the engine. `tests/peers/environment.sh` builds the package's environment.
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

from closed import CORES, REST, Side, asked, started
from whole_process import (
    Bound,
    Command,
    costs_of,
    machine,
    own_environment,
    parser_with_places,
    peer_environment,
    places_exist,
    print_costs,
    shared_data,
    spread,
)

SIDES = Path(__file__).with_name("open_words_sides.py")
MOST_OUT = 4 * 1000
"""Numbers in the largest output of a shortlist of 1,000 boxes; the scores of 80 words are 672,000."""


@dataclass
class Case:
    """What one side does in a turn, what it is compared with and the most that the ratio may be, and what it took."""

    side: str
    name: str
    against: str = ""
    most: float | None = None
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    out: int = 0


def cases() -> list[Case]:
    """In the order of the table."""
    found = [Case("wordbox", "YOLOv8s"), Case("wordbox", "v2, 80 words, baked", "YOLOv8s", 1.15)]
    for version, bounds in (("v2", {80: 0.45, 1203: 0.4}), ("v1", {80: None, 1203: None})):
        for count, most in bounds.items():
            name = f"{version}, {count} words"
            found += [
                Case("wordbox", name, f"{name}, ultralytics", most),
                Case("ultralytics", f"{name}, ultralytics"),
                Case("ultralytics", f"{name}, ultralytics, all threads"),
            ]
    return [*found, Case("wordbox", "v1, 80 words, baked", "YOLOv8s")]


MEMORY = (
    Bound(ours="16 photos, 1203 words", peer="16 photos, 80 words", memory=1.1),
    Bound(ours="1 photo, 10000 words", peer="1 photo, 80 words", memory=3),
)


def main() -> int:
    options = _options()
    if not places_exist(options, options.peers / "bin" / "python", options.features, options.photo):
        return 2
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # for all that is started from here
    for name in ("wordbox", "peers", "features", "photo"):
        setattr(options, name, getattr(options, name).absolute())
    with tempfile.TemporaryDirectory() as folder:
        python, environment = str(options.peers / "bin" / "python"), peer_environment(options.peers)
        subprocess.run([python, str(SIDES), "make", folder, str(options.features)], env=environment, stdout=sys.stderr, check=True)
        turns = cases()
        take_turns(turns, options, folder)
        held = print_turns(turns)
        print()
        held &= print_costs(costs_of(_commands(options, folder), max(options.rounds // 3, 1)), MEMORY)
    print(f"\n{options.rounds} rounds, {CORES} cores used, {machine()}.")
    return 0 if held else 1


def _options() -> argparse.Namespace:
    data, parser = shared_data(), parser_with_places(__doc__)
    parser.set_defaults(rounds=9)
    features = data / "text_embeddings" / "detic_lvis_v1_clip_a+cname.npy"
    parser.add_argument("--features", type=Path, default=features, help="(1203, 512) the vectors of words")
    parser.add_argument("--photo", type=Path, default=data / "photos" / "bus.jpg", help="in which memory is measured")
    return parser.parse_args()


def _commands(options: argparse.Namespace, folder: str) -> list[Command]:
    python, environment = str(options.wordbox.parent / "python"), own_environment()
    fixed = [python, str(SIDES), "detect", folder, str(options.features), str(options.photo)]
    asks = [(16, 80), (16, 1203), (1, 80), (1, 10_000)]
    return [
        Command(
            name=f"{photos} photo{'s' if photos > 1 else ''}, {words} words",
            arguments=[*fixed, str(photos), str(words)],
            environment=environment,
            did_it=lambda text: int(text.split()[-1]) > 0,
        )
        for photos, words in asks
    ]


def take_turns(turns: list[Case], options: argparse.Namespace, folder: str) -> None:
    """Run every case once a round, the sides of a comparison one after the other; fills in what they took. The first round only warms."""
    given = [str(SIDES), "wordbox", folder, str(options.features)]
    theirs = [str(SIDES), "ultralytics", folder, str(options.features)]
    sides = [
        Side("wordbox", [str(options.wordbox.parent / "python"), *given], own_environment()),
        Side("ultralytics", [str(options.peers / "bin" / "python"), *theirs], peer_environment(options.peers)),
    ]
    log = Path(folder) / "said.txt"
    with log.open("w") as said:
        workers = {side.name: (side, started(side, said, folder)) for side in sides}
        try:
            for turn in range(options.rounds + 1):
                for case in turns if turn % 2 else reversed(turns):
                    time.sleep(REST)
                    answer = json.loads(asked(*workers[case.side], case.name, log))
                    if turn:
                        case.seconds.append(answer["seconds"])
                        case.processor.append(answer["processor"])
                        case.out = answer["out"]
        finally:
            for _, worker in workers.values():
                worker.kill()
                worker.communicate()


def print_turns(turns: list[Case]) -> bool:
    """Print what the cases took and their ratios; whether the medians keep the bounds and no engine gave all scores away."""
    held, by_name = True, {case.name: case for case in turns}
    print("| case | ms | processor ms | numbers in the largest output | beside | ratio | bound |\n" + "|---" * 7 + "|")
    for case in turns:
        ratios = [a / b for a, b in zip(case.seconds, by_name[case.against].seconds, strict=True)] if case.against else []
        taken = [spread([1e3 * seconds for seconds in column]) for column in (case.seconds, case.processor)]
        cells = [*taken, f"{case.out:,}", case.against]
        print(" | ".join([f"| {case.name}", *cells, spread(ratios) if ratios else "", f"{case.most or ''}"]) + " |")
        held &= case.most is None or statistics.median(ratios) <= case.most
        held &= case.side != "wordbox" or case.out <= MOST_OUT
    return held


if __name__ == "__main__":
    sys.exit(main())
