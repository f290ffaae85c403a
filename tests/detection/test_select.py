"""From shortlist to boxes: best phrase of a label, suppression, and back to the picture."""

import numpy as np
import pytest

from wordbox.detection.detections import Dropped
from wordbox.detection.select import select
from wordbox.geometry.frames import Placement
from wordbox.settings import DetectSettings

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


def chosen(given, owners=None, placement=SAME, wanted=None, **settings):
    """What `select` makes of the only picture: boxes, scores, labels; the counts always make up what came."""
    found = select(given, 0, owners, wanted, placement, DetectSettings(**settings))
    assert len(found.boxes) + sum(vars(found.dropped).values()) == given["count"][0]
    return found


def test_what_stands_behind_count_is_no_box():
    boxes, scores, labels, _ = chosen(shortlist([([0, 0, 10, 10], 0.9, 0)]), None, SAME, iou=0.5, max_detections=10)
    assert boxes.tolist() == [[0, 0, 10, 10]]
    assert (len(scores), labels.tolist()) == (1, [0])


def test_the_best_phrase_of_a_label_wins_at_each_cell_even_without_suppression():
    rows = [([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 10], 0.8, 0), ([0, 0, 10, 10], 0.7, 2), ([50, 0, 60, 10], 0.6, 0)]
    boxes, scores, labels, _ = chosen(shortlist(rows), np.array([0, 0, 1]), SAME, iou=1.0, max_detections=10)
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert labels.tolist() == [0, 1, 0]
    assert boxes[2].tolist() == [50, 0, 60, 10]


def test_cells_are_searched_for_twins_only_where_a_label_has_two_phrases(monkeypatch):
    monkeypatch.setattr("wordbox.detection.select._best_of_each_cell", lambda boxes, labels: pytest.fail("searched"))
    rows = [([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 10], 0.8, 0), ([0, 0, 10, 10], 0.7, 2)]
    assert chosen(shortlist(rows), np.array([0, 1, -1]), iou=1.0).labels.tolist() == [1, 0]


def test_boxes_come_back_to_the_picture_and_padding_holds_no_find():
    placement = Placement(image=(50, 100), resized=(50, 100), offset=(25, 0), canvas=(100, 100))
    rows = [([10, 30, 20, 40], 0.9, 0), ([0, 0, 100, 20], 0.8, 0), ([90, 60, 120, 95], 0.7, 0)]
    boxes, scores, _, _ = chosen(shortlist(rows), None, placement, iou=0.5, max_detections=10)
    assert boxes.tolist() == [[10, 5, 20, 15], [90, 35, 100, 50]]
    assert scores.tolist() == pytest.approx([0.9, 0.7])


def test_nothing_in_nothing_out():
    boxes, scores, labels, _ = chosen(shortlist([]), None, SAME, iou=0.5, max_detections=10)
    assert (boxes.shape, scores.shape, labels.shape) == ((0, 4), (0,), (0,))


def test_what_lies_in_the_padding_takes_no_places():
    placement = Placement(image=(50, 100), resized=(50, 100), offset=(25, 0), canvas=(100, 100))
    rows = [([0, 0, 100, 20], 0.9, 0), ([10, 30, 20, 40], 0.8, 0)]
    boxes, _, _, _ = chosen(shortlist(rows), None, placement, iou=0.5, max_detections=1)
    assert boxes.tolist() == [[10, 5, 20, 15]]


def test_whatever_is_dropped_is_counted_by_its_reason():
    placement = Placement(image=(50, 100), resized=(50, 100), offset=(25, 0), canvas=(100, 100))
    rows = [
        ([10, 30, 20, 40], 0.9, 0),
        ([10, 30, 20, 40], 0.85, 1),  # a synonym of the one above
        ([10, 30, 20, 41], 0.8, 0),  # overlaps it
        ([0, 0, 100, 20], 0.7, 0),  # in the padding
        ([40, 30, 50, 40], 0.6, 2),  # of a class that was not asked for
        ([60, 30, 70, 40], 0.5, 1),
        ([80, 30, 90, 40], 0.4, 3),  # stands, but is one too many
    ]
    found = chosen(shortlist(rows), np.array([0, 0, 1, 2]), placement, np.array([True, False, True]), iou=0.5, max_detections=2)
    assert found.labels.tolist() == [0, 0]
    assert found.dropped == Dropped(synonyms=1, other_classes=1, in_padding=1, overlapping=1, beyond_limit=1)


def test_agnostic_suppression_goes_across_labels():
    rows = [([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 9], 0.8, 0), ([50, 0, 60, 10], 0.7, 0)]
    assert chosen(shortlist(rows), iou=0.5).labels.tolist() == [1, 0, 0]
    assert chosen(shortlist(rows), iou=0.5, agnostic=True).labels.tolist() == [1, 0]


def test_boxes_of_the_background_go_before_anything_else_is_chosen():
    rows = [
        ([0, 0, 10, 10], 0.9, 2),
        ([0, 0, 10, 10], 0.8, 0),
        ([0, 0, 10, 10], 0.7, 1),
        ([50, 0, 60, 10], 0.6, 2),
        ([80, 0, 90, 10], 0.5, 1),
    ]
    found = chosen(shortlist(rows), np.array([0, 0, -1]), wanted=np.array([True]), iou=0.5, agnostic=True)
    assert found.boxes.tolist() == [[0, 0, 10, 10], [80, 0, 90, 10]]
    assert found.labels.tolist() == [0, 0]
    assert found.dropped == Dropped(background=2, synonyms=1)


def test_classes_are_chosen_before_suppression_and_before_the_limit():
    rows = [([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 9], 0.8, 0), ([50, 0, 60, 10], 0.7, 0)]
    found = chosen(shortlist(rows), wanted=np.array([True, False]), iou=0.5, agnostic=True, max_detections=2)
    assert found.scores.tolist() == pytest.approx([0.8, 0.7])
    assert found.dropped == Dropped(other_classes=1)


def test_the_count_beyond_the_limit_is_exact():
    rows = [([10 * i % 1000, 20 * (i // 100), 10 * i % 1000 + 5, 20 * (i // 100) + 5], 1 - i / 1000, i % 2) for i in range(700)]
    whole = Placement(image=(1000, 1000), resized=(1000, 1000), offset=(0, 0), canvas=(1000, 1000))
    found = chosen(shortlist(rows), None, whole, iou=0.5, max_detections=300)
    assert (len(found.boxes), found.dropped) == (300, Dropped(beyond_limit=400))
