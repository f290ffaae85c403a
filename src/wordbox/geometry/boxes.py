"""Box formats and their areas, as functions of float32 arrays.

Inside Wordbox a box is xyxy in pixels: left, top, right, bottom, with right >= left and bottom >= top.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Floats = TypeVar("Floats", NDArray[np.float32], NDArray[np.float64])


def xyxy_to_xywh(boxes: Floats) -> Floats:
    """(N, 4) xyxy to left, top, width, height (COCO's form)."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def clip(boxes: FloatArray, size: tuple[int, int]) -> FloatArray:
    """xyxy boxes (N, 4) cut at the borders of a frame of `size` (height, width)."""
    height, width = size
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def areas(boxes: FloatArray) -> FloatArray:
    """Areas (N,) of xyxy boxes (N, 4); an inverted box has area 0."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    found: FloatArray = sides[:, 0] * sides[:, 1]
    return found


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union (N, M) of xyxy boxes (N, 4) with `others` (M, 4); 0 where a union is empty."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])  # (N, M, 2)
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(high - low, 0)
    common = sides[..., 0] * sides[..., 1]
    union = areas(boxes)[:, None] + areas(others)[None, :] - common
    found: FloatArray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return found
