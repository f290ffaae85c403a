"""The figures are pycocotools' own, to the last digit that matters."""

import contextlib
import copy
import io
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wordbox.data.records import Record
from wordbox.detection.detections import Detections
from wordbox.evaluation.coco import figures
from wordbox.evaluation.report import METRICS, ClassFigures

NAMES = ("red", "green", "blue")

# Sides of 8 pixels meet each other, thresholds of IoU, and the borders of small and medium (32 x 32, 96 x 96) exactly.
box = st.tuples(*[st.integers(0, 12).map(lambda n: 8 * n)] * 2, *[st.integers(1, 14).map(lambda n: 8 * n)] * 2)
label = st.integers(0, len(NAMES) - 1)
truth = st.tuples(label, box, st.sampled_from([False, False, False, True]), st.sampled_from([1.0, 0.5, 0.731]))
find = st.tuples(label, box, st.one_of(st.sampled_from([0.25, 0.5, 0.75]), st.floats(0.0625, 1, width=32)))
picture = st.tuples(st.lists(truth, max_size=6), st.lists(find, max_size=12))


def _record(marks: list[Any]) -> Record:
    corners = [(x, y, x + w, y + h) for _, (x, y, w, h), _, _ in marks]
    return Record(
        path=Path("a.png"),
        size=(640, 640),
        boxes=np.array(corners, np.float32).reshape(-1, 4),
        labels=np.array([mark[0] for mark in marks], np.int64),
        crowd=np.array([mark[2] for mark in marks], np.bool_),
        areas=np.array([w * h * part for _, (_, _, w, h), _, part in marks], np.float64),
    )


def _detections(finds: list[Any]) -> Detections:
    corners = [(x, y, x + w, y + h) for _, (x, y, w, h), _ in finds]
    return Detections(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array([find[2] for find in finds], np.float32),
        np.array([find[0] for find in finds], np.int64),
        NAMES,
    )


def _peer(pictures: list[Any]) -> tuple[list[float], Any]:
    """The twelve figures of pycocotools, and its precision."""
    marks, finds = [], []
    for number, (truths, found) in enumerate(pictures, 1):
        for label, (x, y, w, h), crowd, part in truths:
            marks.append({"image_id": number, "category_id": label, "bbox": [x, y, w, h], "area": w * h * part, "iscrowd": int(crowd)})
        for label, (x, y, w, h), score in found:
            score = float(np.float32(score))
            finds.append({"image_id": number, "category_id": label, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for entries in (marks, finds):
            side = COCO()
            side.dataset = {
                "images": [{"id": number} for number in range(1, len(pictures) + 1)],
                "categories": [{"id": label, "name": name} for label, name in enumerate(NAMES)],
                "annotations": [{**entry, "id": number} for number, entry in enumerate(entries, 1)],
            }
            side.createIndex()
            sides.append(side)
        peer = COCOeval(*sides, "bbox")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
    return peer.stats.tolist(), peer.eval["precision"][:, :, :, 0, -1]


def _ours(pictures: list[Any], classes: list[int] | None = None) -> tuple[dict[str, float | None], dict[str, ClassFigures]]:
    return figures(NAMES, [_record(marks) for marks, _ in pictures], [_detections(finds) for _, finds in pictures], classes)


def _same(pictures: list[Any]) -> None:
    metrics, per_class = _ours(copy.deepcopy(pictures))
    stats, precision = _peer(pictures)
    assert tuple(metrics) == METRICS
    for ours, theirs in zip(metrics.values(), stats, strict=False):
        assert (-1 if ours is None else ours) == pytest.approx(theirs, abs=1e-6)
    for number, name in enumerate(NAMES):
        for ours, theirs in ((per_class[name].AP, precision[:, :, number]), (per_class[name].AP50, precision[0, :, number])):
            assert (-1 if ours is None else ours) == pytest.approx(theirs.mean(), abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.lists(picture, min_size=1, max_size=4))
def test_equal_to_pycocotools(pictures: list[Any]) -> None:
    _same(pictures)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_pycocotools_with_hundreds_of_finds(seed: int) -> None:
    random = np.random.default_rng(seed)

    def boxes(count: int) -> list[tuple[int, ...]]:
        return [tuple(row) for row in np.hstack([8 * random.integers(0, 20, (count, 2)), 8 * random.integers(1, 4, (count, 2))]).tolist()]

    pictures = []
    for _ in range(2):
        marks = [(int(random.integers(2)), box, bool(random.random() < 0.1), 1.0) for box in boxes(150)]
        finds = [(int(random.integers(2)), box, float(random.choice([0.1, 0.2, random.random()]))) for box in boxes(300)]
        pictures.append((marks, finds))
    _same(pictures)


def test_equal_scores_keep_the_order_of_pictures() -> None:
    mark, hit, miss = (0, (8, 8, 40, 40), False, 1.0), (0, (8, 8, 40, 40), 0.9), (0, (80, 80, 40, 40), 0.9)
    assert _ours([([mark], [hit]), ([], [miss])])[0]["AP"] == pytest.approx(1)
    assert _ours([([], [miss]), ([mark], [hit])])[0]["AP"] == pytest.approx(0.5)


def test_equal_scores_keep_the_order_of_finds() -> None:
    mark, hit, miss = (0, (8, 8, 40, 40), False, 1.0), (0, (8, 8, 40, 40), 0.9), (0, (80, 80, 40, 40), 0.9)
    assert _ours([([mark], [hit, miss])])[0]["AP"] == pytest.approx(1)
    assert _ours([([mark], [miss, hit])])[0]["AP"] == pytest.approx(0.5)


def test_no_finds_is_nought_and_no_boxes_is_none() -> None:
    mark = (0, (8, 8, 40, 40), False, 1.0)
    metrics, per_class = _ours([([mark], [])])
    assert (metrics["AP"], metrics["AR100"], metrics["APm"]) == (0, 0, 0)
    assert (metrics["APs"], metrics["APl"]) == (None, None)
    assert per_class == {"red": ClassFigures(0, 0, 1), "green": ClassFigures(None, None, 0), "blue": ClassFigures(None, None, 0)}
    for pictures in ([], [([], [])], [([], [(0, (8, 8, 40, 40), 0.5)])]):
        assert _ours(pictures)[0] == dict.fromkeys(METRICS)


def test_a_find_in_a_crowd_counts_neither_way() -> None:
    mark, crowd = (0, (8, 8, 40, 40), False, 1.0), (0, (80, 80, 80, 80), True, 1.0)
    inside = [(0, (88, 88, 8, 8), 0.95), (0, (8, 8, 40, 40), 0.9)]
    assert _ours([([mark, crowd], inside)])[0]["AP"] == pytest.approx(1)
    assert _ours([([mark], inside)])[0]["AP"] == pytest.approx(0.5)
    assert _ours([([mark, crowd], inside)])[1]["red"].boxes == 1


@settings(deadline=None)
@given(st.lists(picture, min_size=1, max_size=3))
def test_classes_that_do_not_count_change_nothing(pictures: list[Any]) -> None:
    alone = [([mark for mark in marks if mark[0] != 1], [find for find in finds if find[0] != 1]) for marks, finds in pictures]
    metrics, per_class = _ours(pictures, [0, 2])
    assert list(per_class) == ["red", "blue"]
    assert metrics == _ours(alone)[0]


def test_classes_keep_the_order_that_was_asked_for() -> None:
    pictures = [([(0, (8, 8, 40, 40), False, 1.0), (2, (8, 8, 40, 40), False, 1.0)], [(2, (8, 8, 40, 40), 0.9)])]
    per_class = _ours(pictures, [2, 0])[1]
    assert list(per_class) == ["blue", "red"]
    assert [one.AP for one in per_class.values()] == [pytest.approx(1), 0]


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _ours([([(0, (8, 8, 40, 40), False, 1.0)], [(0, (8, 8, 40, 40), 0.9)])])
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_the_scorer_is_loaded_only_when_it_is_used() -> None:
    code = (
        "import sys, wordbox.evaluation.run, wordbox.evaluation.coco, wordbox.data.formats.coco; "
        "print(sorted({'pandas', 'matplotlib', 'faster_coco_eval', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
