"""Decoded samples made into one form: 8 bits, RGB, on white, upright."""

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = Literal["bgr", "rgb"]


def eight_bits(samples: NDArray[Any], white: int | None = None) -> Pixels:
    """uint8 or uint16 samples, scaled so that `white` (255 or 65535, where not given) becomes 255, rounded."""
    white = white or (255 if samples.dtype == np.uint8 else 65535)
    if samples.dtype == np.uint8 and white == 255:
        return samples
    shape = samples.shape
    return cv2.convertScaleAbs(samples.reshape(shape[0], -1), alpha=255 / white).reshape(shape).astype(np.uint8, copy=False)


def rgb_on_white(pixels: Pixels, *, colour: Colour, premultiplied: bool = False) -> Pixels:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8, as RGB on white."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    rgb: Pixels = pixels[..., :3]
    if channels == 4 and (alpha := np.ascontiguousarray(pixels[..., 3])).min() < 255:
        cover = cv2.merge([alpha, alpha, alpha])
        ink = np.ascontiguousarray(rgb) if premultiplied else cv2.multiply(np.ascontiguousarray(rgb), cover, scale=1 / 255)
        rgb = cv2.add(ink, cv2.bitwise_not(cover)).astype(np.uint8, copy=False)
    if colour == "bgr":
        return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    return np.ascontiguousarray(rgb)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels turned and mirrored as EXIF's orientation 1 to 8 asks; as they are for any other number."""
    turned: Any = pixels
    match orientation:
        case 2:
            turned = cv2.flip(pixels, 1)
        case 3:
            turned = cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            turned = cv2.flip(pixels, 0)
        case 5:
            turned = cv2.transpose(pixels)
        case 6:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            turned = cv2.flip(cv2.transpose(pixels), -1)
        case 8:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
    result: Pixels = turned
    return result
