"""How far two answers to one question lie apart: boxes are paired first, since near ties change places."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordbox.geometry.boxes import overlaps

BOXES = 1e-2
"""Engines agree to this in canvas pixels ..."""
SCORES = 1e-3
"""... and to this in score; what stands no further from a threshold may be on either side of it."""

_OVERLAP = 0.5  # boxes that share less, and lie more than a pixel apart, are not the same one
_PIXELS = 1.0


class Found(NamedTuple):
    """Boxes (n, 4) xyxy, scores (n,) and labels (n,) that one side found."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def at(self, positions: NDArray[np.int64]) -> "Found":
        """Those at `positions`."""
        return Found(self.boxes[positions], self.scores[positions], self.labels[positions])


class Difference(NamedTuple):
    """The largest distances between two answers."""

    boxes: float
    """Of a box's side, in the unit of the boxes."""
    scores: float
    unmatched: int
    """Boxes that one side alone has, though they stand clear of the threshold."""
    compared: int
    """Pairs of boxes."""


def difference(one: Found, other: Found, least: float) -> Difference:
    """How far `one` and `other` lie apart, where `least` is the score below which a side may lack a box.

    Of each label, what is nearest to each other in place and score makes a pair, again and again until nothing fits.
    """
    first, second = _pairs(one, other)
    alone = np.concatenate([np.delete(one.scores, first), np.delete(other.scores, second)])
    clear = np.maximum(one.scores[first], other.scores[second]) > least + SCORES
    left, right = one.at(first[clear]), other.at(second[clear])
    return Difference(
        boxes=float(np.abs(left.boxes - right.boxes).max(initial=0)),
        scores=float(np.abs(left.scores - right.scores).max(initial=0)),
        unmatched=int((alone > least + SCORES).sum()),
        compared=len(left.boxes),
    )


def worst(differences: list[Difference]) -> Difference:
    """All of them as one."""
    return Difference(
        boxes=max((one.boxes for one in differences), default=0.0),
        scores=max((one.scores for one in differences), default=0.0),
        unmatched=sum(one.unmatched for one in differences),
        compared=sum(one.compared for one in differences),
    )


def _pairs(one: Found, other: Found) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in `one` and `other` that belong together."""
    found: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
    for label in np.intersect1d(one.labels, other.labels):
        left, right = np.flatnonzero(one.labels == label), np.flatnonzero(other.labels == label)
        cost = _cost(one.at(left), other.at(right))
        rows, columns = np.arange(len(left)), np.arange(len(right))
        while len(rows) and len(columns) and np.isfinite(cost[np.ix_(rows, columns)]).any():
            rest = cost[np.ix_(rows, columns)]
            forth = rest.argmin(axis=1)
            mutual = (rest.argmin(axis=0)[forth] == np.arange(len(rows))) & np.isfinite(rest[np.arange(len(rows)), forth])
            found.append(np.stack([left[rows[mutual]], right[columns[forth[mutual]]]], axis=1))
            rows, columns = rows[~mutual], np.delete(columns, forth[mutual])
    first, second = np.concatenate(found).T
    return first, second


def _cost(one: Found, other: Found) -> NDArray[np.float32]:
    """Distance (n, m) in tolerances of place and score; infinite where two are not the same thing."""
    apart = np.zeros((len(one.boxes), len(other.boxes)), np.float32)
    for side in range(4):
        np.maximum(apart, np.abs(one.boxes[:, None, side] - other.boxes[None, :, side]), out=apart)
    alike = (apart <= _PIXELS) | (overlaps(one.boxes, other.boxes) >= _OVERLAP)
    cost = apart / BOXES + np.abs(one.scores[:, None] - other.scores[None]) / SCORES
    return np.where(alike, cost, np.inf).astype(np.float32)
