"""Every knob a user may turn, each with its sentence; the command line is made from these."""

from dataclasses import dataclass
from typing import Annotated

from wordbox.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DetectSettings:
    """How boxes are chosen. None stands for the model's own value, which its manifest holds."""

    conf: Annotated[float | None, "Least score of a box, 0 to 1."] = None
    iou: Annotated[float | None, "Overlap above which the lower of two boxes with one label is dropped, 0 to 1."] = None
    size: Annotated[int | None, "Long side of the picture as the network sees it, in pixels."] = None
    max_detections: Annotated[int, "Most boxes kept in a picture."] = 300
    max_candidates: Annotated[int, "Most candidates that leave the network, before overlaps are dropped."] = 1000

    def __post_init__(self) -> None:
        for name, value in (("conf", self.conf), ("iou", self.iou)):
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} is {value}, expected a number from 0 to 1")
        for name, value in (("size", self.size), ("max_detections", self.max_detections), ("max_candidates", self.max_candidates)):
            if value is not None and (value != int(value) or value < 1):
                raise InputError(f"{name} is {value}, expected a whole number from 1")


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(DetectSettings):
    """The same for evaluation, which wants the whole curve of precision and recall, low scores included."""

    conf: Annotated[float | None, "Least score of a box that counts, 0 to 1."] = 0.001
    max_candidates: Annotated[int, "Most candidates that leave the network, before overlaps are dropped."] = 3000
