"""A picture's boxes do not depend on its company: a slice of `benchmarks/invariance.py`."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wordbox
from wordbox.images.read import read_file


@pytest.fixture(scope="module")
def invariance(root: Path) -> ModuleType:
    path = root / "benchmarks" / "invariance.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_random_batches_answer_as_their_pictures_alone(invariance: ModuleType, photo: Path) -> None:
    detectors = {threads: wordbox.load(threads=threads) for threads in invariance.THREADS}
    pixels = read_file(photo, name="photo").pixels[..., ::-1]
    found = invariance.compared(detectors, [pixels], 15, seed=1)
    assert found.differences == []
    assert found.boxes > 100
    assert found.left_out <= 0.01 * found.boxes


class Swayed:
    """A detector whose answers depend on company: each picture shifts the boxes of the next."""

    def __init__(self, detector: wordbox.Detector) -> None:
        self.detector, self.manifest = detector, detector.manifest

    def detect(self, images: list[Any], **settings: Any) -> list[wordbox.Detections]:
        found = self.detector.detect(images, **settings)
        return [replace(one, boxes=one.boxes + np.float32(0.1 * (i > 0))) for i, one in enumerate(found)]


def test_company_that_moves_boxes_is_seen(invariance: ModuleType, photo: Path) -> None:
    detectors = dict.fromkeys(invariance.THREADS, Swayed(wordbox.load(threads=1)))
    pixels = read_file(photo, name="photo").pixels[..., ::-1]
    found = invariance.compared(detectors, [pixels], 3, seed=1)
    assert len(found.differences) > 0.5 * found.boxes


def _side(invariance: ModuleType, boxes: list[list[float]], scores: list[float]) -> object:
    return invariance.Side(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.zeros(len(scores), np.int64))


@pytest.mark.parametrize(
    ("boxes", "scores", "iou", "differences", "left_out"),
    [
        ([[0, 0, 10, 10], [50, 50, 90, 90]], [0.9, 0.5], 0.5, 0, 0),
        ([[50, 50, 90, 90], [0, 0, 10, 10]], [0.5, 0.9], 0.5, 0, 0),  # any order
        ([[0, 0, 10, 10.01], [50, 50, 90, 90]], [0.9, 0.5], 0.5, 2, 0),  # a box that moved
        ([[0, 0, 10, 10], [50, 50, 90, 92]], [0.9, 0.5], 0.5, 0, 2),  # a tie: either of the two may hide the other
        ([[0, 0, 10, 10], [50, 50, 90, 92]], [0.9, 0.5], 1.0, 2, 0),  # where neither hides the other
        ([[0, 0, 10, 10], [50, 50, 90, 90]], [0.9, 0.501], 0.5, 2, 0),
        ([[0, 0, 10, 10]], [0.9], 0.5, 1, 0),
        ([[0, 0, 10, 10], [50, 50, 90, 90], [20, 0, 30, 10]], [0.9, 0.5, 0.2500001], 0.5, 0, 1),  # at conf
        ([[0, 0, 10, 10], [50, 50, 90, 90], [0, 0, 10, 5.001]], [0.9, 0.5, 0.4], 0.5, 0, 1),  # an overlap at iou
    ],
)
def test_a_difference_is_seen(
    invariance: ModuleType, boxes: list[list[float]], scores: list[float], iou: float, differences: int, left_out: int
) -> None:
    found = invariance.Findings()
    alone = _side(invariance, [[0, 0, 10, 10], [50, 50, 90, 90]], [0.9, 0.5])
    invariance.note_differences(found, alone, _side(invariance, boxes, scores), conf=0.25, iou=iou, where="here")
    assert (len(found.differences), found.left_out) == (differences, left_out)
