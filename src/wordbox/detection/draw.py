"""Boxes and labels drawn on a picture, so that they can be read on any background and in any script."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from wordbox.errors import InputError

Image = NDArray[np.uint8]

# Okabe and Ito's colours, which stay apart for colour-blind readers (Color Universal Design, 2008), RGB.
_COLOURS = [(213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (240, 228, 66), (60, 60, 60)]


def draw_boxes(image: Image, boxes: NDArray[np.float32], labels: NDArray[np.int64], captions: Sequence[str]) -> Image:
    """A copy of RGB `image` (H, W, 3) with xyxy `boxes` (N, 4) in its pixels, one colour a label, best box on top."""
    canvas: Image = np.array(image, order="C")
    height, width = canvas.shape[:2]
    thickness = max(1, round(max(height, width) / 400))
    size = max(11, round(max(height, width) / 45))
    for i in reversed(range(len(boxes))):
        left, top, right, bottom = (round(float(side)) for side in boxes[i])
        colour = _COLOURS[int(labels[i]) % len(_COLOURS)]
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, thickness)
        _caption(canvas, captions[i], left, top, colour, size)
    return canvas


def encode_png(image: Image) -> bytes:
    """RGB `image` (H, W, 3) as a PNG file."""
    return encode(image, ".png")


def encode(image: Image, suffix: str) -> bytes:
    """RGB `image` (H, W, 3) as a file of the kind that `suffix` names. Raises InputError if OpenCV cannot write that kind."""
    try:
        written, data = cv2.imencode(suffix, image[:, :, ::-1])
    except cv2.error as error:
        raise InputError(f"pictures of the kind {suffix!r} cannot be written; expected .png or .jpg") from error
    if not written:
        raise InputError(f"OpenCV could not write a picture of {image.shape[1]} x {image.shape[0]} pixels as {suffix!r}")
    return bytes(data)


def _caption(canvas: Image, text: str, left: int, top: int, colour: tuple[int, int, int], size: int) -> None:
    """`text` on a filled bar above the box, or inside it where the picture ends."""
    height, width = canvas.shape[:2]
    face = cv2.FontFace("sans")
    wide = cv2.getTextSize((width, height), text, (0, 0), face, size)[2]
    bar = size + max(2, size // 4)
    x = max(0, min(left, width - wide - 4))
    y = top - bar if top >= bar else top
    cv2.rectangle(canvas, (x, y), (x + wide + 4, y + bar), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(c * w for c, w in zip(colour, (299, 587, 114), strict=True)) > 128_000 else (255, 255, 255)
    cv2.putText(canvas, text, (x + 2, y + size), ink, face, size)
