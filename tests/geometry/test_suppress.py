import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordbox.geometry.suppress import suppress


def reference(boxes, labels, iou):
    """One box after another against all that stay, by the definition of intersection over union."""
    kept = []
    boxes, labels = boxes.tolist(), labels.tolist()
    for i, (a, label) in enumerate(zip(boxes, labels, strict=True)):
        for j in kept:
            b = boxes[j]
            common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
            if labels[j] == label and union > 0 and common / union > iou:
                break
        else:
            kept.append(i)
    return kept


def crowd(rng, count, places, kinds):
    """Boxes of small whole sides around few places: many overlap, some are equal, some are empty."""
    low = rng.integers(0, places, (count, 2))
    return np.concatenate([low, low + rng.integers(0, 8, (count, 2))], axis=1).astype(np.float32), rng.integers(0, kinds, count)


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 60),
    kinds=st.integers(1, 4),
    iou=st.sampled_from([0, 0.1, 0.45, 0.5, 0.7, 1]),
)
@settings(deadline=None)
def test_the_boxes_that_stay_are_those_of_the_definition(seed, count, kinds, iou):
    boxes, labels = crowd(np.random.default_rng(seed), count, 10, kinds)
    found = suppress(boxes, labels, iou)
    assert found.dtype == np.int64
    assert found.tolist() == reference(boxes, labels, iou)


@pytest.mark.parametrize("count", [255, 256, 257, 513, 800])
@pytest.mark.parametrize("kinds", [1, 3, 300])
def test_blocks_make_no_difference(count, kinds):
    boxes, labels = crowd(np.random.default_rng(count), count, 40, kinds)
    assert suppress(boxes, labels, 0.5).tolist() == reference(boxes, labels, 0.5)


def test_a_box_that_went_takes_nobody_with_it():
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)  # neighbours overlap by 7 / 13
    assert suppress(chain, np.zeros(3, np.int64), 0.5).tolist() == [0, 2]


def test_equal_boxes_of_two_labels_both_stay():
    twice = np.array([[0, 0, 9, 9]] * 4, np.float32)
    assert suppress(twice, np.array([5, 2, 5, 2]), 0.5).tolist() == [0, 1]


def test_an_overlap_of_just_the_threshold_stays():
    half = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    assert suppress(half, np.zeros(2, np.int64), 0.5).tolist() == [0, 1]
    assert suppress(half, np.zeros(2, np.int64), 0.49).tolist() == [0]


def test_no_boxes_in_none_out():
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 0.5).shape == (0,)
