import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.exporting.difference import BOXES, SCORES, Difference, Found, difference, worst


def found(rows):
    """From (x1, y1, x2, y2, score, label) a box."""
    values = np.array(rows, np.float64).reshape(-1, 6)
    return Found(values[:, :4].astype(np.float32), values[:, 4].astype(np.float32), values[:, 5].astype(np.int64))


def crowd(rng, count):
    """Boxes of some overlap with distinct scores, best first."""
    low = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 40, (count, 2))], axis=1).astype(np.float32)
    scores = np.sort(rng.uniform(0.1, 1, count))[::-1].astype(np.float32)
    return Found(boxes, scores, rng.integers(0, 3, count))


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 60))
def test_an_answer_is_no_distance_from_itself_in_any_order(seed, count):
    rng = np.random.default_rng(seed)
    one = crowd(rng, count)
    one = one.at(rng.integers(0, count, count)) if count else one  # some twice
    assert difference(one, one.at(rng.permutation(count)), 0.0) == Difference(0.0, 0.0, 0, count)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60))
def test_small_moves_are_measured(seed, count):
    rng = np.random.default_rng(seed)
    one = crowd(rng, count)
    moved = one.boxes.copy()
    moved[count // 2, 2] += 0.004
    scores = one.scores.copy()
    scores[count // 3] -= 0.0004
    apart = difference(one, Found(moved, scores, one.labels).at(rng.permutation(count)), 0.0)
    assert apart.boxes == pytest.approx(0.004, abs=1e-5)
    assert apart.scores == pytest.approx(0.0004, abs=1e-6)
    assert (apart.unmatched, apart.compared) == (0, count)
    assert apart == difference(Found(moved, scores, one.labels), one, 0.0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([(0, 0, 10, 10, 0.9, 1)], 1),  # one is missing
        ([(0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.5, 2)], 2),  # one has another label
        ([(0, 0, 10, 10, 0.9, 1), (26, 0, 36, 10, 0.5, 1)], 2),  # one is elsewhere
        ([(0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.5, 1), (20, 0, 30, 10, 0.4, 1)], 1),  # one is there twice
        ([], 2),
    ],
)
def test_what_one_side_alone_has_is_counted(changed, expected):
    one = found([(0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.5, 1)])
    assert difference(one, found(changed), 0.25).unmatched == expected
    assert difference(found(changed), one, 0.25).unmatched == expected


def test_what_stands_at_the_threshold_may_be_on_one_side():
    one = found([(0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.25 + SCORES / 2, 1)])
    assert difference(one, found([(0, 0, 10, 10, 0.9, 1)]), 0.25) == Difference(0.0, 0.0, 0, 1)
    assert difference(one, found([(0, 0, 10, 10, 0.9, 1)]), 0.24).unmatched == 1
    # and what is left of near ties there says nothing about the others
    assert difference(one, found([(0, 0, 10, 10, 0.9, 1), (20, 0, 33, 10, 0.25 + SCORES / 3, 1)]), 0.25).boxes == 0.0


def test_large_moves_of_one_thing_are_measured_and_not_lost():
    apart = difference(found([(0, 0, 100, 100, 0.9, 1)]), found([(0, 4, 100, 100, 0.87, 1)]), 0.25)
    assert apart.boxes == pytest.approx(4)
    assert apart.scores == pytest.approx(0.03, abs=1e-6)
    assert apart.unmatched == 0


def test_the_worst_of_many_is_one():
    assert worst([Difference(0.1, 0.2, 1, 5), Difference(0.3, 0.1, 2, 7)]) == Difference(0.3, 0.2, 3, 12)
    assert worst([]) == Difference(0.0, 0.0, 0, 0)
    assert (BOXES, SCORES) == (1e-2, 1e-3)  # what the documents promise
