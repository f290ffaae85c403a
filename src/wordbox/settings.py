"""Every knob a user may turn, each with its sentence; the command line is made from these."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Annotated, SupportsFloat, SupportsIndex

from wordbox.errors import InputError

MAX_SIZE = 8_192
"""Longest side of a canvas, in pixels."""
MOST_BOXES = 1_000_000
"""Most boxes that a picture may have."""
PROTOCOLS = ("coco", "yolov5", "yolov8")
"""How pictures are laid before the network while its accuracy is measured; `evaluation.protocols` says what each means."""

Classes = str | int | Iterable[str | int]
"""Labels by name or position: "person, bus", 0, ["person", 5]."""


@dataclass(frozen=True, kw_only=True)
class DetectSettings:
    """How boxes are chosen. None stands for the model's own value, which its manifest holds."""

    conf: Annotated[float | None, "Least score of a box, 0 to 1. Left out: the model's own."] = None
    iou: Annotated[float | None, "Overlap from which the lower of two boxes of one label goes, 0 to 1. Left out: the model's own."] = None
    size: Annotated[int | None, "Long side of the picture as the network sees it, in pixels. Left out: the model's own."] = None
    max_detections: Annotated[int, "Most boxes kept in a picture."] = 300
    max_candidates: Annotated[int | None, "Most candidates that leave the network, before overlaps are dropped. Left out: 1000."] = None
    classes: Annotated[Classes | None, "Only these of its labels, by name or position: 'person, bus'. Left out: all."] = None
    agnostic: Annotated[bool, "Drop the lower of two overlapping boxes whatever their labels."] = False

    def __post_init__(self) -> None:
        for name in ("conf", "iou"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, SupportsFloat) and 0 <= float(value) <= 1):
                raise InputError(f"{name} is {value!r}, expected a number from 0 to 1")
            object.__setattr__(self, name, None if value is None else float(value))
        for name, most in (("size", MAX_SIZE), ("max_detections", MOST_BOXES), ("max_candidates", MOST_BOXES)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, SupportsIndex) and 1 <= index(value) <= most):
                raise InputError(f"{name} is {value!r}, expected a whole number from 1 to {most}")
            object.__setattr__(self, name, None if value is None else index(value))  # NumPy's numbers become plain ones
        object.__setattr__(self, "classes", None if self.classes is None else _entries(self.classes))
        if not isinstance(self.agnostic, bool):
            raise InputError(f"agnostic is {self.agnostic!r}, expected True or False")

    @property
    def entries(self) -> tuple[str | int, ...]:
        """The names and positions in `classes`; none where it is left out."""
        return () if self.classes is None else _entries(self.classes)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(DetectSettings):
    """The same for evaluation, which wants the whole curve of precision and recall, low scores included."""

    conf: Annotated[float | None, "Least score of a box that counts, 0 to 1."] = 0.001
    iou: Annotated[
        float | None,
        "Overlap from which the lower of two boxes of one label goes, 0 to 1. Left out: yolov5 0.6, yolov8 0.7, else the model's own.",
    ] = None
    max_candidates: Annotated[
        int | None, "Most candidates that leave the network, before overlaps are dropped. Left out: coco 3000, else 30000."
    ] = None
    protocol: Annotated[
        str, "How pictures are laid before the network: coco (as detect does), or as yolov5's or yolov8's own evaluation does."
    ] = "coco"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol not in PROTOCOLS:
            raise InputError(f"protocol is {self.protocol!r}, expected {', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}")


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """How a model file is opened, and what runs it."""

    engine: Annotated[str, "What computes: auto, onnxruntime, openvino or torch. auto is onnxruntime, and openvino for an .xml."] = "auto"
    device: Annotated[str, "Where to compute: cpu, or cuda where the engine reaches a graphics card."] = "cpu"
    precision: Annotated[str, "float32; bfloat16 or float16 where the engine and the machine have it."] = "float32"
    threads: Annotated[int | None, "Processors to use. Left out: all that this process may use."] = None
    spec: Annotated[str | None, "Which network bare arrays belong to, where they do not say: yolov5s@v3.1 for instance."] = None
    synonyms: Annotated[bool, "Look words up in wordbox-nano's list of synonyms first."] = True
    text_encoder: Annotated[
        str | None,
        "Where a YOLO-World's words get their vectors: a folder of CLIP from Hugging Face, an official .pth, an exported text encoder, or "
        "a .vocab.safetensors of known words. Left out: inside the model, or beside it.",
    ] = None
    background: Annotated[bool, "Let a YOLO-World see the background word that it was trained with behind the list."] = True


def _entries(classes: Classes) -> tuple[str | int, ...]:
    """Names, outer spaces aside, and positions, each once. Raises InputError where one is neither, or none is left."""
    if isinstance(classes, str):
        given: list[object] = [part for part in classes.replace("\n", ",").split(",") if part.strip()]  # a comma too many is no name
    elif isinstance(classes, Iterable) and not isinstance(classes, bytes | bytearray):
        given = list(classes)
    else:
        given = [classes]
    entries: list[str | int] = []
    for entry in given:
        if isinstance(entry, str) and entry.strip():
            entries.append(entry.strip())
        elif isinstance(entry, SupportsIndex) and not isinstance(entry, bool):
            entries.append(index(entry))
        else:
            raise InputError(f"found {entry!r} among the classes, expected names or positions, such as 'person, bus' or [0, 5]")
    if not entries:
        raise InputError("found no name among the classes, expected at least one, such as 'person, bus'; leave classes out for all")
    return tuple(dict.fromkeys(entries))
