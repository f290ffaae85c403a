"""Exact non-maximum suppression in NumPy: greedy, by label, with no clock."""

import numpy as np
from numpy.typing import NDArray

from wordbox.geometry.boxes import FloatArray, overlaps

_BLOCK = 256  # boxes compared at once: bounds memory to a few megabytes whatever comes


def suppress(boxes: FloatArray, labels: NDArray[np.int64], iou: float) -> NDArray[np.int64]:
    """Positions of the boxes that stay, best first.

    `boxes` (N, 4) float32 xyxy and `labels` (N,) come best first. A box goes if a better one that stays has its label and
    overlaps it by more than `iou`. No boxes in, none out.
    """
    order = np.argsort(labels, kind="stable")
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        label = labels[block[0]]  # the only one of the block that may have begun in an earlier block
        before = kept[labels[kept] == label]
        for part in range(0, len(before), _BLOCK):
            covered = (overlaps(boxes[before[part : part + _BLOCK]], boxes[block]) > iou).any(axis=0)
            block = block[~(covered & (labels[block] == label))]
        kept = np.concatenate([kept, block[_stay(boxes[block], labels[block], iou)]])
    return np.sort(kept)


def _stay(boxes: FloatArray, labels: NDArray[np.int64], iou: float) -> NDArray[np.bool_]:
    """(N,) bool: which boxes of one block stay."""
    covers = np.triu((overlaps(boxes, boxes) > iou) & (labels[:, None] == labels), 1)
    stays = np.ones(len(boxes), np.bool_)
    for i in np.flatnonzero(covers.any(axis=1)):  # the others take nobody with them
        if stays[i]:
            stays &= ~covers[i]
    return stays
