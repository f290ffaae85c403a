"""What was found in one picture: boxes, scores and labels with the words they stand for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordbox.detection.draw import draw_boxes, encode
from wordbox.errors import InputError, WordboxError, extra_module
from wordbox.geometry.boxes import xyxy_to_xywh

if TYPE_CHECKING:
    import pandas
    import supervision

Index = int | slice | Sequence[int] | NDArray[Any]


class Detection(NamedTuple):
    """One found thing, as iterating over Detections gives it."""

    label: str
    score: float
    box: tuple[float, float, float, float]
    """xyxy, pixels of the upright image."""


@dataclass(frozen=True)
class Dropped:
    """How many candidates of a picture did not become detections, by reason. With the detections they make up all that left the engine."""

    background: int = 0
    """Boxes of the word that a model has behind every list."""
    synonyms: int = 0
    """Lower phrases of a label that was found at the same place."""
    other_classes: int = 0
    """Labels that `classes` did not name."""
    in_padding: int = 0
    """Boxes wholly beside the picture."""
    overlapping: int = 0
    """Boxes that a better one covers."""
    beyond_limit: int = 0
    """Boxes that would have stood, below the best `max_detections`."""

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(*(mine + theirs for mine, theirs in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    def __str__(self) -> str:
        """What a person wants to read: "41 overlapping, 3 beyond max_detections"; nothing where nothing was dropped."""
        reasons = ("of the background", "lower synonyms", "of other classes", "in the padding", "overlapping", "beyond max_detections")
        return ", ".join(f"{count} {reason}" for count, reason in zip(asdict(self).values(), reasons, strict=True) if count)


@dataclass(frozen=True, eq=False)
class Detections:
    """Everything found in one picture, best first.

    Boxes are xyxy in pixels of the upright image. Where the picture could not be read, `error` says why and there are
    no boxes. Raises InputError where the arrays do not belong together.
    """

    boxes: NDArray[np.float32]
    """(N, 4) float32."""
    scores: NDArray[np.float32]
    """(N,) float32, between 0 and 1."""
    labels: NDArray[np.int64]
    """(N,) int64, positions in `words`."""
    words: tuple[str, ...]
    """The labels that were looked for, as they were typed."""
    image_size: tuple[int, int] = (0, 0)
    """(height, width) of the upright image."""
    source: str = ""
    """The file, address or position that the picture came from."""
    error: WordboxError | None = None
    """Why the picture could not be read; None where it was."""
    notes: tuple[str, ...] = ()
    """What a careful user wants to know: frames left out, candidates cut off."""
    picture: Callable[[], NDArray[np.uint8]] | None = None
    """Gives the upright RGB image (H, W, 3) again, for drawing."""
    dropped: Dropped = Dropped()
    """What the network proposed besides, by the reason why it is not here."""

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,) or self.labels.shape != (count,):
            raise InputError(
                f"boxes {self.boxes.shape}, scores {self.scores.shape} and labels {self.labels.shape} do not belong together; "
                "expected (N, 4), (N,) and (N,)"
            )
        if count and (self.labels.min() < 0 or self.labels.max() >= len(self.words)):
            raise InputError(f"labels {self.labels.min()} to {self.labels.max()} do not index the {len(self.words)} words")

    @classmethod
    def failed(cls, source: str, error: WordboxError) -> "Detections":
        """The entry of a picture that could not be read."""
        return cls(*_no_boxes(), words=(), source=source, error=error)

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Detection]:
        for box, score, label in zip(self.boxes.tolist(), self.scores.tolist(), self.labels.tolist(), strict=True):
            yield Detection(self.words[label], score, (box[0], box[1], box[2], box[3]))

    def __getitem__(self, index: Index) -> "Detections":
        """A part of these: `found[0]`, `found[:5]`, `found[found.scores > 0.5]`."""
        chosen = [index] if isinstance(index, int | np.integer) else index
        return Detections(
            self.boxes[chosen],
            self.scores[chosen],
            self.labels[chosen],
            self.words,
            self.image_size,
            self.source,
            self.error,
            self.notes,
            self.picture,
            self.dropped,
        )

    def __repr__(self) -> str:
        where = f" in {self.source}" if self.source else ""
        if self.error is not None:
            return f"Detections(error={str(self.error)!r})"
        found = ", ".join(f"{d.label} {d.score:.2f}" for d in self[:6])
        more = ", ..." if len(self) > 6 else ""
        return f"Detections({len(self)}{where}: {found}{more})"

    def plot(self) -> NDArray[np.uint8]:
        """The picture with its boxes and labels drawn, RGB uint8 (H, W, 3).

        A file or address is read again, and an array is the caller's own: draw before it changes. Raises the `error` of a picture that
        could not be read, InputError where no picture is kept.
        """
        if self.error is not None:
            raise self.error
        if self.picture is None:
            raise InputError(f"no picture is kept with these detections of {self.source or 'an unknown source'}, so nothing can be drawn")
        return draw_boxes(self.picture(), self.boxes, self.labels, [f"{d.label} {d.score:.2f}" for d in self])

    def _repr_png_(self) -> bytes | None:
        """The drawn picture, as Jupyter shows it."""
        return None if self.picture is None else encode(self.plot(), ".png")

    def to_dict(self) -> dict[str, Any]:
        """The form of the command line's JSON: source, width, height, detections (thousandths of a pixel), dropped; `error` if any."""
        height, width = self.image_size
        found = [{"label": d.label, "score": round(d.score, 6), "box": [round(side, 3) for side in d.box]} for d in self]
        failed = {} if self.error is None else {"error": str(self.error)}
        return {"source": self.source, "width": width, "height": height, "detections": found, "dropped": asdict(self.dropped), **failed}

    def to_coco(self, image_id: int, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """COCO's result list: bbox is left, top, width, height; category_id is the label's position, or its entry in `category_ids`."""
        ids = range(len(self.words)) if category_ids is None else category_ids
        rows = xyxy_to_xywh(self.boxes).tolist()
        return [
            {"image_id": image_id, "category_id": ids[label], "bbox": row, "score": score}
            for row, score, label in zip(rows, self.scores.tolist(), self.labels.tolist(), strict=True)
        ]

    def to_transformers(self) -> list[dict[str, Any]]:
        """The form of the transformers pipeline "zero-shot-object-detection": score, label and whole-pixel corners."""
        names = ("xmin", "ymin", "xmax", "ymax")
        return [
            {"score": d.score, "label": d.label, "box": {name: int(side) for name, side in zip(names, d.box, strict=True)}} for d in self
        ]

    def to_supervision(self) -> "supervision.Detections":
        """`supervision.Detections` with the words under `class_name`. Needs the extra `supervision`."""
        module = extra_module("supervision", "supervision")
        names = np.array([d.label for d in self], dtype=str)
        found: supervision.Detections = module.Detections(
            xyxy=self.boxes.copy(), confidence=self.scores.copy(), class_id=self.labels.astype(int), data={"class_name": names}
        )
        return found

    def to_dataframe(self) -> "pandas.DataFrame":
        """A pandas table with source, label, score, x1, y1, x2, y2. Needs the extra `evaluate`."""
        rows = [(self.source, d.label, d.score, *d.box) for d in self]
        frame: pandas.DataFrame = extra_module("pandas", "evaluate").DataFrame(
            rows, columns=["source", "label", "score", "x1", "y1", "x2", "y2"]
        )
        return frame


def _no_boxes() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
