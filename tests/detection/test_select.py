"""From shortlist to boxes: best phrase of a label, suppression, and back to the picture."""

import numpy as np
import pytest

from wordbox.detection.select import select
from wordbox.geometry.frames import Placement

SAME = Placement(image=(100, 100), resized=(100, 100), offset=(0, 0), canvas=(100, 100))


def shortlist(rows, extra=2):
    """Rows of (box, score, label), and padding behind them as the ending writes it."""
    count = len(rows)
    boxes, scores, labels = (
        np.zeros((1, count + extra, 4), np.float32),
        np.zeros((1, count + extra), np.float32),
        np.full((1, count + extra), -1),
    )
    for i, (box, score, label) in enumerate(rows):
        boxes[0, i], scores[0, i], labels[0, i] = box, score, label
    return {"boxes": boxes, "scores": scores, "labels": labels, "count": np.array([count])}


def test_what_stands_behind_count_is_no_box():
    boxes, scores, labels = select(shortlist([([0, 0, 10, 10], 0.9, 0)]), 0, None, SAME, 0.5, 10)
    assert boxes.tolist() == [[0, 0, 10, 10]]
    assert (len(scores), labels.tolist()) == (1, [0])


def test_the_best_phrase_of_a_label_wins_at_each_cell_even_without_suppression():
    rows = [([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 10], 0.8, 0), ([0, 0, 10, 10], 0.7, 2), ([50, 0, 60, 10], 0.6, 0)]
    boxes, scores, labels = select(shortlist(rows), 0, np.array([0, 0, 1]), SAME, 1.0, 10)
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert labels.tolist() == [0, 1, 0]
    assert boxes[2].tolist() == [50, 0, 60, 10]


def test_boxes_come_back_to_the_picture_and_padding_holds_no_find():
    placement = Placement(image=(50, 100), resized=(50, 100), offset=(25, 0), canvas=(100, 100))
    rows = [([10, 30, 20, 40], 0.9, 0), ([0, 0, 100, 20], 0.8, 0), ([90, 60, 120, 95], 0.7, 0)]
    boxes, scores, _ = select(shortlist(rows), 0, None, placement, 0.5, 10)
    assert boxes.tolist() == [[10, 5, 20, 15], [90, 35, 100, 50]]
    assert scores.tolist() == pytest.approx([0.9, 0.7])


def test_nothing_in_nothing_out():
    boxes, scores, labels = select(shortlist([]), 0, None, SAME, 0.5, 10)
    assert (boxes.shape, scores.shape, labels.shape) == ((0, 4), (0,), (0,))


def test_what_lies_in_the_padding_takes_no_places():
    placement = Placement(image=(50, 100), resized=(50, 100), offset=(25, 0), canvas=(100, 100))
    rows = [([0, 0, 100, 20], 0.9, 0), ([10, 30, 20, 40], 0.8, 0)]
    boxes, _, _ = select(shortlist(rows), 0, None, placement, 0.5, 1)
    assert boxes.tolist() == [[10, 5, 20, 15]]
