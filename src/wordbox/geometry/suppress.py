"""Exact non-maximum suppression in NumPy: greedy, by label, with no clock."""

import numpy as np
from numpy.typing import NDArray

from wordbox.geometry.boxes import FloatArray, overlaps

_BLOCK = 256  # boxes compared at once: bounds memory to a few hundred kilobytes whatever comes


def suppress(boxes: FloatArray, labels: NDArray[np.int64], iou: float, limit: int) -> NDArray[np.int64]:
    """Positions of the boxes that stay, best first, at most `limit`.

    `boxes` (N, 4) float32 xyxy and `labels` (N,) come best first. A box goes if a better one that stays has its label and
    overlaps it by more than `iou`. No boxes in, none out.
    """
    kept = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    kept = [group[_suppress_one(boxes[group], iou, limit)] for group in kept]
    return np.sort(np.concatenate([*kept, np.zeros(0, np.int64)]))[:limit]


def _suppress_one(boxes: FloatArray, iou: float, limit: int) -> NDArray[np.int64]:
    """The same for boxes of one label."""
    kept = np.zeros(0, np.int64)
    for start in range(0, len(boxes), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(boxes)))
        alive = ~(overlaps(boxes[kept], boxes[block]) > iou).any(axis=0)
        block = block[alive]
        covers = overlaps(boxes[block], boxes[block]) > iou
        stays = np.ones(len(block), np.bool_)
        for i in range(len(block)):
            if stays[i]:
                stays[i + 1 :] &= ~covers[i, i + 1 :]
        kept = np.concatenate([kept, block[stays]])
        if len(kept) >= limit:
            break
    return kept[:limit]
