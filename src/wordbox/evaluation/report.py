"""What an evaluation found out: the nine figures of COCO, the figures of each class, and all that a reader must know beside them."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from wordbox.detection.detections import Dropped
from wordbox.settings import EvaluateSettings

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")
"""COCO's names: average precision over IoU 0.5 to 0.95, at 0.5, at 0.75, of small, medium and large objects; recall by 1, 10, 100 finds."""


class ClassFigures(NamedTuple):
    """How well one class was found."""

    AP: float | None
    """A fraction; None where the class has no boxes to find."""
    AP50: float | None
    boxes: int
    """How many there were to find, crowds not counted."""


class Failure(NamedTuple):
    """A picture that could not be read; it counts as one in which nothing was found."""

    source: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of one evaluation."""

    metrics: dict[str, float | None]
    """The figures named in METRICS, as fractions; None where there is no box to find, for which pycocotools writes -1."""
    per_class: dict[str, ClassFigures]
    """By the data's names, for the classes that were evaluated, in the data's order."""
    images: int
    """How many pictures there are, those that could not be read included."""
    boxes: int
    """How many boxes there were to find in the evaluated classes, crowds not counted."""
    only_data: tuple[str, ...] = ()
    """Classes of the data that the model was not asked for: they are left out of every figure."""
    only_model: tuple[str, ...] = ()
    """Words of the model that are no class of the data: what they found counts neither way."""
    notes: tuple[str, ...] = ()
    """What a careful reader wants to know, a line each."""
    failed: tuple[Failure, ...] = ()
    """The pictures that could not be read."""
    settings: EvaluateSettings = field(default_factory=EvaluateSettings)
    """What it was measured with; size is None where the graph has one canvas of its own."""
    dropped: Dropped = field(default_factory=Dropped)
    """What the network proposed besides in all pictures, by the reason why it did not count."""
    seconds: float = 0.0
    """How long detection and scoring took."""

    @property
    def conditions(self) -> str:
        """A sentence on how it was measured, without which a figure says little."""
        one = self.settings
        size = "the graph's own size" if one.size is None else f"size {one.size}"
        across = ", suppression across labels" if one.agnostic else ""
        return f"protocol {one.protocol}, {size}, conf {one.conf}, iou {one.iou}, at most {one.max_detections} boxes a picture{across}"

    def to_dict(self) -> dict[str, Any]:
        """The form of the command line's JSON: the nine figures at the top, then everything else."""
        return {
            **{name: self.metrics[name] for name in METRICS},
            "per_class": {name: figures._asdict() for name, figures in self.per_class.items()},
            "images": self.images,
            "boxes": self.boxes,
            "unmatched": {"data": list(self.only_data), "model": list(self.only_model)},
            "notes": list(self.notes),
            "failed": [failure._asdict() for failure in self.failed],
            "settings": asdict(self.settings),
            "dropped": asdict(self.dropped),
            "seconds": round(self.seconds, 3),
        }

    def table(self) -> list[tuple[str, str, str, str]]:
        """Rows to print, the first a heading: class, boxes, AP and AP50; first all classes together, then the worst last."""
        order = sorted(self.per_class.items(), key=lambda item: -1.0 if item[1].AP is None else item[1].AP, reverse=True)
        rows = [("all", str(self.boxes), _written(self.metrics["AP"]), _written(self.metrics["AP50"]))]
        rows += [(name, str(figures.boxes), _written(figures.AP), _written(figures.AP50)) for name, figures in order]
        return [("class", "boxes", "AP", "AP50"), *rows]


def _written(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction:.3f}"
