"""How a picture lies on the network's canvas: one object moves sizes and boxes between the two frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordbox.geometry.boxes import clip

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an image lies on a canvas: resized to `resized`, its top left corner at `offset`. Sizes are (height, width)."""

    image: tuple[int, int]
    """Size of the upright image as read."""
    resized: tuple[int, int]
    """Size of the image on the canvas; both sides at least 1."""
    offset: tuple[int, int]
    """Rows above and columns left of the image on the canvas."""
    canvas: tuple[int, int]
    """Size of the canvas, padding included."""

    def to_image(self, boxes_canvas: FloatArray) -> FloatArray:
        """xyxy boxes (N, 4) in canvas pixels, as xyxy boxes in image pixels, cut at the image's borders.

        Each axis has its own exact scale, since rounding the resized size makes the two differ.
        """
        shift, scale = self._shift(), self._scale()
        return clip(((boxes_canvas - shift) / scale).astype(np.float32), self.image)

    def to_canvas(self, boxes_image: FloatArray) -> FloatArray:
        """xyxy boxes (N, 4) in image pixels, as xyxy boxes in canvas pixels."""
        return (boxes_image * self._scale() + self._shift()).astype(np.float32)

    def _shift(self) -> NDArray[np.float64]:
        top, left = self.offset
        return np.array([left, top, left, top], np.float64)

    def _scale(self) -> NDArray[np.float64]:
        down, right = self.resized[0] / self.image[0], self.resized[1] / self.image[1]
        return np.array([right, down, right, down], np.float64)
