"""A picture on the network's canvas: scaled with its shape kept, centred, the rest filled with one grey."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from wordbox.errors import InputError
from wordbox.geometry.frames import Placement

PADDING = 114
"""Grey of the canvas beside the picture: published AP was measured with it."""

Resample = Literal["linear", "area"]
"""How pixels are resampled: bilinearly always, or by the mean of the area that a pixel covers where both sides get smaller."""


def place(image_size: tuple[int, int], size: int | tuple[int, int], stride: int) -> Placement:
    """Where a picture of `image_size` (height, width) lies on the canvas.

    A whole number `size` asks for the smallest rectangle: the longer side becomes `size`, and the canvas is rounded up to multiples of
    `stride` on both axes. A pair (height, width) asks for just that canvas. Small pictures are enlarged, and no side gets less than one
    pixel. Raises InputError for sizes below 1.
    """
    if min(image_size) < 1 or (size if isinstance(size, int) else min(size)) < 1 or stride < 1:
        raise InputError(f"picture {image_size}, canvas size {size}, stride {stride}; expected whole numbers of at least 1")
    room = (size, size) if isinstance(size, int) else size
    scale = min(room[0] / image_size[0], room[1] / image_size[1])
    height, width = (max(1, round(side * scale)) for side in image_size)
    canvas = (-(-height // stride) * stride, -(-width // stride) * stride) if isinstance(size, int) else size
    offset = ((canvas[0] - height) // 2, (canvas[1] - width) // 2)
    return Placement(image=image_size, resized=(height, width), offset=offset, canvas=canvas)


def letterbox(pixels: NDArray[np.uint8], placement: Placement, padding: int = PADDING, resample: Resample = "linear") -> NDArray[np.uint8]:
    """The canvas (H, W, 3) uint8 with the picture (H, W, 3) on it.

    Raises InputError where the picture has another size than the placement was made for.
    """
    if pixels.shape != (*placement.image, 3):
        raise InputError(f"picture of shape {pixels.shape}; its placement is for {(*placement.image, 3)}")
    (height, width), (top, left) = placement.resized, placement.offset
    canvas = np.full((*placement.canvas, 3), padding, np.uint8)
    inside = canvas[top : top + height, left : left + width]
    smaller = height <= placement.image[0] and width <= placement.image[1]
    how = cv2.INTER_AREA if resample == "area" and smaller else cv2.INTER_LINEAR
    inside[...] = pixels if placement.resized == placement.image else cv2.resize(pixels, (width, height), interpolation=how)
    return canvas
