"""Every knob a user may turn, each with its sentence; the command line is made from these."""

from dataclasses import dataclass
from operator import index
from typing import Annotated, SupportsFloat, SupportsIndex

from wordbox.errors import InputError

MAX_SIZE = 8_192
"""Longest side of a canvas, in pixels."""
MAX_CANDIDATES = 1_000_000
"""Most boxes that a picture may have."""


@dataclass(frozen=True, kw_only=True)
class DetectSettings:
    """How boxes are chosen. None stands for the model's own value, which its manifest holds."""

    conf: Annotated[float | None, "Least score of a box, 0 to 1. Left out: the model's own."] = None
    iou: Annotated[float | None, "Overlap from which the lower of two boxes of one label goes, 0 to 1. Left out: the model's own."] = None
    size: Annotated[int | None, "Long side of the picture as the network sees it, in pixels. Left out: the model's own."] = None
    max_detections: Annotated[int, "Most boxes kept in a picture."] = 300
    max_candidates: Annotated[int, "Most candidates that leave the network, before overlaps are dropped."] = 1000

    def __post_init__(self) -> None:
        for name in ("conf", "iou"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, SupportsFloat) and 0 <= float(value) <= 1):
                raise InputError(f"{name} is {value!r}, expected a number from 0 to 1")
            object.__setattr__(self, name, None if value is None else float(value))
        for name, most in (("size", MAX_SIZE), ("max_detections", MAX_CANDIDATES), ("max_candidates", MAX_CANDIDATES)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, SupportsIndex) and 1 <= index(value) <= most):
                raise InputError(f"{name} is {value!r}, expected a whole number from 1 to {most}")
            object.__setattr__(self, name, None if value is None else index(value))  # NumPy's numbers become plain ones


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(DetectSettings):
    """The same for evaluation, which wants the whole curve of precision and recall, low scores included."""

    conf: Annotated[float | None, "Least score of a box that counts, 0 to 1."] = 0.001
    max_candidates: Annotated[int, "Most candidates that leave the network, before overlaps are dropped."] = 3000
