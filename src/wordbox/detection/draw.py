"""Boxes and labels drawn on a picture, so that they can be read on any background and in any script."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from wordbox.errors import InputError

Image = NDArray[np.uint8]
Bar = tuple[int, int, int, int]

# Okabe and Ito's colours, which stay apart for colour-blind readers (Color Universal Design, 2008), RGB.
_COLOURS = [(213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (240, 228, 66), (60, 60, 60)]


def draw_boxes(image: Image, boxes: NDArray[np.float32], labels: NDArray[np.int64], captions: Sequence[str]) -> Image:
    """A copy of RGB `image` (H, W, 3) with xyxy `boxes` (N, 4) in its pixels, one colour a label, captions above all boxes.

    The best box, which is the first, has its caption where it belongs; others make room for those before them.
    """
    canvas: Image = np.array(image, order="C")
    height, width = canvas.shape[:2]
    thickness = max(1, round(max(height, width) / 400))
    size = max(11, round(max(height, width) / 45))
    colours = [_COLOURS[int(label) % len(_COLOURS)] for label in labels]
    corners = [tuple(round(float(side)) for side in box) for box in boxes]
    for (left, top, right, bottom), colour in zip(reversed(corners), reversed(colours), strict=True):
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, thickness)
    placed: list[Bar] = []
    for (left, top, _, bottom), colour, caption in zip(corners, colours, captions, strict=True):
        text = " ".join(caption.split())
        bar = _free(text, left, top, bottom, size, (height, width), placed)
        placed.append(bar)
        _caption(canvas, text, bar, colour, size)
    return canvas


def encode(image: Image, suffix: str) -> bytes:
    """RGB `image` (H, W, 3) as a file of the kind that `suffix` names. Raises InputError if OpenCV cannot write that kind."""
    try:
        written, data = cv2.imencode(suffix, image[:, :, ::-1])
    except cv2.error as error:
        raise InputError(f"pictures of the kind {suffix!r} cannot be written; expected .png or .jpg") from error
    if not written:
        raise InputError(f"OpenCV could not write a picture of {image.shape[1]} x {image.shape[0]} pixels as {suffix!r}")
    return bytes(data)


def _free(text: str, left: int, top: int, bottom: int, size: int, frame: tuple[int, int], placed: Sequence[Bar]) -> Bar:
    """Where a caption goes: above its box, or the next place inside it and below that no other caption covers."""
    height, width = frame
    tall = size + max(2, size // 4)
    wide = min(width, cv2.getTextSize((width, height), text, (0, 0), cv2.FontFace("sans"), size)[2] + 4)
    x = max(0, min(left, width - wide))
    places = [top - tall, top, *range(top + tall, bottom, tall), bottom]
    inside = [y for y in places if 0 <= y <= height - tall] or [max(0, min(top, height - tall))]
    bars = [(x, y, x + wide, y + tall) for y in inside]
    return next((bar for bar in bars if not any(_meet(bar, other) for other in placed)), bars[0])


def _meet(one: Bar, other: Bar) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _caption(canvas: Image, text: str, bar: Bar, colour: tuple[int, int, int], size: int) -> None:
    """`text` on a filled bar."""
    left, top, right, bottom = bar
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(c * w for c, w in zip(colour, (299, 587, 114), strict=True)) > 128_000 else (255, 255, 255)
    cv2.putText(canvas, text, (left + 2, top + size), ink, cv2.FontFace("sans"), size)
