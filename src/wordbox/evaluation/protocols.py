"""How published evaluations lay pictures before the network, so that their figures can be met: like compared with like."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordbox.geometry.boxes import clip
from wordbox.geometry.frames import Placement
from wordbox.images.letterbox import Resample

FloatArray = NDArray[np.float32]

BATCH = 16
"""Pictures that share a canvas: the batch of both packages' evaluations."""
MARGIN = 0.5
"""Strides that a canvas is larger than its pictures."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What one package's evaluation does differently from `detect`."""

    iou: float | None
    """Its suppression threshold; None for the model's own."""
    resample: Resample
    """How it shrinks pictures. All enlarge bilinearly."""
    load: Callable[[float], int]
    """How it rounds the sides of the picture as loaded."""
    real_shift: bool
    """Whether boxes come back by half of the padding, halves of pixels included, or by the whole pixels that were really added."""
    candidates: int = 30_000
    """Most candidates that are looked at for overlaps."""


# yolov5 7.0.14 and ultralytics 8.2 (specification: YOLOv5 and YOLOv8, sections 1.11, 3.1, 3.11, 4.5). The release v7.0 itself cut sides to
# whole pixels (load=int); run as a black box the package rounds them up: box by box, 400 photos agree with it then, and not otherwise.
YOLOV5 = Protocol(iou=0.6, resample="area", load=math.ceil, real_shift=True)
YOLOV8 = Protocol(iou=0.7, resample="linear", load=math.ceil, real_shift=False)


def protocol_of(name: str) -> Protocol | None:
    """The protocol of that name; None for "coco", which lays pictures as `detect` does."""
    match name:
        case "yolov5":
            return YOLOV5
        case "yolov8":
            return YOLOV8
    return None


@dataclass(frozen=True, kw_only=True)
class PackagePlacement(Placement):
    """A placement whose boxes come back as the packages bring them back: the scale of rows on both axes, and a shift of its own."""

    shift: tuple[float, float]
    """(rows, columns) subtracted from boxes on the canvas."""

    def to_image(self, boxes_canvas: FloatArray) -> FloatArray:
        """As `Placement.to_image`, less exact."""
        return clip(((boxes_canvas - self._corners()) / self._rows()).astype(np.float32), self.image)

    def to_canvas(self, boxes_image: FloatArray) -> FloatArray:
        """As `Placement.to_canvas`, less exact."""
        return (boxes_image * self._rows() + self._corners()).astype(np.float32)

    def _corners(self) -> NDArray[np.float64]:
        top, left = self.shift
        return np.array([left, top, left, top], np.float64)

    def _rows(self) -> float:
        return self.resized[0] / self.image[0]


def placements(
    protocol: Protocol, sizes: Sequence[tuple[int, int] | None], size: int | tuple[int, int], stride: int
) -> list[Placement | None]:
    """Where each picture of `sizes` (height, width) lies: canvases shared by `BATCH` pictures of like shape, none enlarged beyond `size`.

    The long side of each becomes `size`; sorted by height over width, every 16 pictures get the smallest rectangle of whole strides that
    holds them all, and `MARGIN` strides more. A pair `size` (height, width) is a graph's only canvas, and all lie on that. None stands
    for a picture that cannot be read: it takes no part.
    """
    found: list[Placement | None] = [None] * len(sizes)
    shape = {position: one for position, one in enumerate(sizes) if one is not None}
    positions = np.array(list(shape), np.int64)
    aspects = np.array([height / width for height, width in shape.values()], np.float64)
    known = positions[np.argsort(aspects)].tolist()  # ties in NumPy's own order, which is theirs: it decides who shares a canvas
    for start in range(0, len(known), BATCH):
        batch = known[start : start + BATCH]
        canvas = size if isinstance(size, tuple) else _rectangle([shape[position] for position in batch], size, stride)
        room = canvas if isinstance(size, tuple) else (size, size)
        for position in batch:
            found[position] = _placed(protocol, shape[position], canvas, room)
    return found


def _rectangle(sizes: Sequence[tuple[int, int]], size: int, stride: int) -> tuple[int, int]:
    """(height, width) of the canvas of one batch."""
    aspects = [height / width for height, width in sizes]
    least, most = min(aspects), max(aspects)
    tall, wide = (most, 1.0) if most < 1 else (1.0, 1 / least) if least > 1 else (1.0, 1.0)
    return math.ceil(tall * size / stride + MARGIN) * stride, math.ceil(wide * size / stride + MARGIN) * stride


def _placed(protocol: Protocol, image: tuple[int, int], canvas: tuple[int, int], room: tuple[int, int]) -> Placement:
    """The picture in the middle of its canvas, filling `room`."""
    scale = min(side / own for side, own in zip(room, image, strict=True))
    height, width = (min(max(protocol.load(own * scale), 1), side) for own, side in zip(image, room, strict=True))
    free = ((canvas[0] - height) / 2, (canvas[1] - width) / 2)
    offset = (round(free[0] - 0.1), round(free[1] - 0.1))  # the odd pixel goes below and to the right
    shift = free if protocol.real_shift else offset
    return PackagePlacement(image=image, resized=(height, width), offset=offset, canvas=canvas, shift=shift)
