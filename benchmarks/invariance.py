"""A picture's boxes do not depend on its company: random batches beside the same pictures one by one.

    python benchmarks/invariance.py [--batches 1000] [--weights FILE] [--engine NAME] [--photos DIR] [--seed 0]

A batch is 1 to 12 random crops of photos at random scales, some of one size so that they run together, some twice, in a random order,
with a random size of canvas and random thresholds, on 1, 2 or 4 threads. It is compared with each picture alone on one thread: the same
boxes within 1e-3 pixels of the canvas and 1e-4 in score, near ties in any order. Left out, and counted, is what stands within those
tolerances of a threshold: a score at `conf`, an overlap at `iou`, or two boxes over each other whose scores tie, so that either may hide
the other. Every second batch or so runs with an `iou` of 1, where no box hides another. Exits with 1 where anything else differs.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import wordbox
from wordbox.geometry.boxes import overlaps
from wordbox.images.letterbox import place
from wordbox.images.sources import find
from wordbox.manifest import Manifest

PIXELS = 1e-3  # what docs/promises.md says of batches: canvas pixels, and score
SCORE = 1e-4
APART = 1.0  # canvas pixels between two different boxes: nearer ones are one box that has moved
THREADS = (1, 2, 4)
NO_CAP = 5000  # candidates and detections: what stands at a cap differs by right
Picture = NDArray[np.uint8]


@dataclass
class Findings:
    """What the batches showed so far."""

    pictures: int = 0
    boxes: int = 0
    pixels: float = 0.0
    """Largest difference of two boxes that belong together."""
    score: float = 0.0
    left_out: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Side:
    """One answer for a picture: boxes (N, 4) xyxy in canvas pixels, scores (N,), labels (N,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Pictures to run together, and how."""

    pictures: list[Picture]
    threads: int
    size: int
    conf: float
    iou: float


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--weights", help="default: the packaged model")
    parser.add_argument("--engine", default="auto")
    photos = Path(__file__).resolve().parents[1] / "docs"
    parser.add_argument("--photos", type=Path, default=photos, help="a folder; default: the photos of the documentation")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pictures = [source.read().pixels[..., ::-1] for source in find(options.photos).items]
    detectors = {threads: wordbox.load(options.weights, engine=options.engine, threads=threads) for threads in THREADS}
    found = compared(detectors, pictures, options.batches, options.seed, _say)
    print(
        f"{options.batches} batches of {found.pictures} pictures, {found.boxes} boxes: the largest differences are {found.pixels:.1e} "
        f"pixels and {found.score:.1e} in score; {found.left_out} boxes stood within tolerance of a threshold; "
        f"{len(found.differences)} differ"
    )
    print("\n".join(found.differences[:20]))
    return 1 if found.differences else 0


def _say(done: int) -> None:
    if done % 100 == 0:
        print(f"{done} batches", file=sys.stderr, flush=True)


def compared(
    detectors: Mapping[int, wordbox.Detector],
    photos: Sequence[Picture],
    batches: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Findings:
    """Run random batches of `photos`, uint8 (H, W, 3) BGR, on the detectors, by their number of threads, and each picture alone."""
    found = Findings()
    manifest = detectors[1].manifest
    for number, batch in enumerate(drawn(photos, manifest, batches, seed)):
        together = _answers(detectors[batch.threads], batch.pictures, batch)
        for position, (picture, mine) in enumerate(zip(batch.pictures, together, strict=True)):
            (alone,) = _answers(detectors[1], [picture], batch)
            placement = place((picture.shape[0], picture.shape[1]), batch.size, manifest.preprocessing.stride)
            sides = [Side(placement.to_canvas(each.boxes), each.scores, each.labels) for each in (alone, mine)]
            where = f"batch {number}, picture {position} of {len(together)}, {batch.threads} threads, size {batch.size}"
            note_differences(found, *sides, conf=batch.conf, iou=batch.iou, where=where)
        progress(number + 1)
    return found


def _answers(detector: wordbox.Detector, pictures: list[Picture], batch: Batch) -> list[wordbox.Detections]:
    found = detector.detect(pictures, size=batch.size, conf=batch.conf, iou=batch.iou, max_candidates=NO_CAP, max_detections=NO_CAP)
    assert isinstance(found, list)
    return found


def drawn(photos: Sequence[Picture], manifest: Manifest, batches: int, seed: int) -> Iterator[Batch]:
    """Random batches, each from (seed, number) alone. A canvas of one fixed size stays as it is."""
    own = manifest.preprocessing.size
    for number in range(batches):
        rng = np.random.default_rng((seed, number))
        shapes = rng.integers(40, 700, (rng.integers(1, 4), 2))
        several = int(rng.choice([1, 2, 3, 4, 10]))  # the last is more than a detector runs at once
        pictures = [_crop(rng, photos[int(rng.integers(len(photos)))], *map(int, rng.choice(shapes))) for _ in range(several)]
        pictures += [pictures[int(i)] for i in rng.integers(0, several, rng.integers(0, 3))]
        pictures = [pictures[int(i)] for i in rng.permutation(len(pictures))]
        size = max(own) if isinstance(own, tuple) else int(rng.choice([own, own // 2, own // 64 * 32 + 32]))
        iou = float(rng.choice([manifest.thresholds.iou, 1.0]))
        yield Batch(pictures, int(rng.choice(THREADS)), size, float(rng.choice([0.05, 0.25])), iou)


def _crop(rng: np.random.Generator, photo: Picture, rows: int, columns: int) -> Picture:
    """A random part of a photo at a random scale, (rows, columns, 3)."""
    height, width = photo.shape[:2]
    h, w = int(rng.integers(height // 3, height + 1)), int(rng.integers(width // 3, width + 1))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return np.asarray(cv2.resize(photo[top : top + h, left : left + w], (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def note_differences(found: Findings, alone: Side, together: Side, *, conf: float, iou: float, where: str) -> None:
    """Match the boxes of two answers, and note in `found` how far apart they are and which have no partner."""
    found.pictures += 1
    found.boxes += len(alone.boxes)
    pixels = np.abs(alone.boxes[:, None] - together.boxes[None]).max(-1, initial=0)  # (N, M)
    scores = np.abs(alone.scores[:, None] - together.scores[None])
    fits = (alone.labels[:, None] == together.labels[None]) & (pixels <= PIXELS) & (scores <= SCORE)
    lone = []
    free = np.ones(len(together.boxes), np.bool_)
    for i, fit in enumerate(fits):
        partners = np.flatnonzero(fit & free)
        if not len(partners):
            lone.append((alone, i, together))
            continue
        j = partners[0]
        free[j] = False
        found.pixels, found.score = max(found.pixels, float(pixels[i, j])), max(found.score, float(scores[i, j]))
    lone += [(together, int(j), alone) for j in np.flatnonzero(free)]
    for side, i, other in lone:
        if at_a_threshold(side, i, other, conf, iou):
            found.left_out += 1
        else:
            found.differences.append(f"{where}: label {side.labels[i]}, score {side.scores[i]:.4f}, box {side.boxes[i]} is on one side")


def at_a_threshold(side: Side, i: int, other: Side, conf: float, iou: float) -> bool:
    """Whether box `i` of `side` may be missing from the `other` answer: its score is at `conf`, or a box there may hide it."""
    if side.scores[i] <= conf + SCORE:
        return True
    if iou == 1:
        return False  # nothing hides anything
    rivals = np.flatnonzero(other.labels == side.labels[i])
    shared = overlaps(side.boxes[[i]], other.boxes[rivals])[0]
    shortest = np.minimum(_shortest(side.boxes[[i]]), _shortest(other.boxes[rivals]))
    tolerance = 4 * PIXELS / np.maximum(shortest, PIXELS)  # what moving each border by PIXELS does to an overlap, at most
    apart = np.abs(other.boxes[rivals] - side.boxes[i]).max(-1, initial=0) >= APART
    ties = apart & (np.abs(other.scores[rivals] - side.scores[i]) <= 2 * SCORE)
    return bool(np.any((np.abs(shared - iou) <= tolerance) | ((shared > iou - tolerance) & ties)))


def _shortest(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The shorter side of each box."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).min(-1))


if __name__ == "__main__":
    sys.exit(main())
