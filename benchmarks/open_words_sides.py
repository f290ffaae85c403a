"""What `open_words.py` runs: the two sides of its comparison, each in a Python of its own.

    python benchmarks/open_words_sides.py make FOLDER FEATURES.npy                         write the random files that both sides load
    python benchmarks/open_words_sides.py wordbox|ultralytics FOLDER FEATURES.npy          run the cases named on standard input
    python benchmarks/open_words_sides.py detect FOLDER FEATURES.npy PHOTO COPIES WORDS    detect once and print the number of boxes

FOLDER holds the files; FEATURES.npy (1203, 512) are vectors of words.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORLDS = {"v1": "yolov8s-world", "v2": "yolov8s-worldv2"}
COUNTS = (80, 1203)
FEW = 80
Cases = dict[str, Callable[[], int]]
"""By name, what runs it and gives the count of numbers in its largest output."""


def main() -> None:
    match sys.argv[1:]:
        case ["make", folder, features]:
            make(Path(folder), Path(features))
        case ["wordbox", folder, features]:
            answer(lambda: wordbox_cases(Path(folder), Path(features)))
        case ["ultralytics", folder, features]:
            answer(lambda: peer_cases(Path(folder), Path(features)))
        case ["detect", folder, features, photo, copies, words]:
            print(boxes(Path(folder), Path(features), photo, int(copies), int(words)))
        case _:
            sys.exit(__doc__)


def answer(prepare: Callable[[], Cases]) -> None:
    """Say that all is loaded, then run a case for each line, and answer what it took."""
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    cases = prepare()
    print("ready", file=reply, flush=True)
    for line in sys.stdin:
        run = cases[line.strip()]
        begun, spent = time.perf_counter(), time.process_time()
        out = run()
        seconds, processor = time.perf_counter() - begun, time.process_time() - spent
        print(json.dumps({"seconds": seconds, "processor": processor, "out": out}), file=reply, flush=True)


def make(folder: Path, features: Path) -> None:
    """A random network a file, saved by the ultralytics package."""
    import shims  # type: ignore[import-not-found]  # noqa: F401 # of tests/peers, as the next two
    import torch
    import twins  # type: ignore[import-not-found]
    import world_twins  # type: ignore[import-not-found]

    torch.manual_seed(0)
    for name in WORLDS.values():
        twins.save(world_twins.drawn(f"{name}.yaml", world_twins.of_length_one(features)), "ultralytics", "", folder / f"{name}.pt")
    plain = twins.drawn(twins.TWINS["yolov8s"])
    twins.randomise(plain)
    twins.save(plain, "ultralytics", "", folder / "yolov8s.pt")


def wordbox_cases(folder: Path, features: Path) -> Cases:
    """Wordbox's engine on ONNX Runtime, from a canvas to its shortlist."""
    import wordbox

    words = vectors(features, max(COUNTS))
    shared = {"images": picture(), "conf": np.array(0.1, np.float32), "max_candidates": np.array([1000])}

    def through(detector: Any, **more: NDArray[Any]) -> Callable[[], int]:
        return lambda: max(value.size for value in detector.engine.run(shared | more).values())

    cases = {"YOLOv8s": through(wordbox.load(folder / "yolov8s.pt", engine="onnxruntime"))}
    for version, name in WORLDS.items():
        detector = wordbox.load(folder / f"{name}.pt", engine="onnxruntime")
        cases[f"{version}, {FEW} words, baked"] = through(wordbox.bake(detector, vocabulary(detector, words[:FEW])))
        for count in COUNTS:
            more = {"words": words[None, :count], "words_mask": np.ones((1, count), np.bool_)}
            cases[f"{version}, {count} words"] = through(detector, **more)
    return cases


def peer_cases(folder: Path, features: Path) -> Cases:
    """The package's network alone, as its `predict` has made it ready, with the number of threads that it chose."""
    import shims  # noqa: F401
    import torch
    from ultralytics import YOLO  # type: ignore[import-not-found]

    words = torch.from_numpy(vectors(features, max(COUNTS)))[None]
    images = torch.from_numpy(picture()).permute(0, 3, 1, 2).float() / 255
    cases = {}
    for version, name in WORLDS.items():
        model = YOLO(folder / f"{name}.pt")
        model.predict(picture()[0], conf=0.999999, verbose=False)
        for count in COUNTS:
            for threads, suffix in ((torch.get_num_threads(), ""), (os.cpu_count() or 1, ", all threads")):
                run = _forward(model.predictor.model.model, images, words[:, :count], threads)
                cases[f"{version}, {count} words, ultralytics{suffix}"] = run
    return cases


def _forward(network: Any, images: Any, words: Any, threads: int) -> Callable[[], int]:
    import torch

    def run() -> int:
        torch.set_num_threads(threads)
        network.txt_feats = words
        network.model[-1].nc = words.shape[1]  # the head counts its outputs by it
        with torch.inference_mode():
            found = network(images)
        return max(value.numel() for value in found if isinstance(value, torch.Tensor))

    return run


def boxes(folder: Path, features: Path, photo: str, copies: int, words: int) -> int:
    """How many boxes Wordbox finds in as many copies of a photo."""
    import wordbox

    detector = wordbox.load(folder / f"{WORLDS['v2']}.pt", engine="onnxruntime")
    found = detector.detect([photo] * copies, words=vocabulary(detector, vectors(features, words)))
    return sum(map(len, found))


def vocabulary(detector: Any, words: NDArray[Any]) -> Any:
    """`words` (K, D) as a detector takes them."""
    from wordbox.vocabulary.words import of_vectors

    return of_vectors([f"word {i}" for i in range(len(words))], words, detector.manifest.words_from)


def vectors(features: Path, count: int) -> NDArray[Any]:
    """(K, D) of unit length: those of the file, or random ones where there are not as many."""
    found = np.load(features).astype(np.float32)
    if count > len(found):
        found = np.random.default_rng(0).normal(size=(count, found.shape[1])).astype(np.float32)
    unit: NDArray[Any] = found[:count] / np.linalg.norm(found[:count], axis=1, keepdims=True)
    return unit


def picture() -> NDArray[Any]:
    """Noise on patches, uint8 (1, 640, 640, 3)."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (20, 20, 3)).repeat(32, 0).repeat(32, 1)
    return np.clip(patches + rng.normal(0, 40, patches.shape), 0, 255).astype(np.uint8)[None]


if __name__ == "__main__":
    main()
