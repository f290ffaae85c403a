"""Does an exported model compute the same? Both sides look at real photos, and the largest difference is kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from wordbox.detection.detections import Detections
from wordbox.detection.detector import Detector
from wordbox.engines.base import Array, Engine, TensorInfo
from wordbox.errors import InputError
from wordbox.exporting.difference import BOXES, SCORES, Difference, Found, difference, worst
from wordbox.images.letterbox import place
from wordbox.images.sources import Source
from wordbox.manifest import Preprocessing
from wordbox.settings import DetectSettings

KEY = "wordbox-verified"
"""Where it stands in a file's metadata, beside the Manifest."""

_CANDIDATES = DetectSettings(conf=0.01, iou=1.0)  # whatever the network sees, before overlaps are dropped
_OWN = DetectSettings()


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The largest difference between a model and its export, over all boxes in some photos."""

    boxes: float
    """Of a box's side, in pixels of the canvas."""
    scores: float
    unmatched: int
    """Boxes that one side alone has, though their score is clear of the threshold."""
    compared: int
    """Boxes that were compared."""
    photos: int
    engine: str
    """What ran the export."""
    against: str
    """What ran the model it was made from."""

    @property
    def promised(self) -> bool:
        """Whether the two are as near as Wordbox promises of engines: a hundredth of a pixel, a thousandth in score."""
        return self.boxes <= BOXES and self.scores <= SCORES and self.unmatched == 0

    def to_metadata(self) -> dict[str, str]:
        """Metadata of a file that carries it: one JSON under one key."""
        return {KEY: json.dumps(asdict(self), sort_keys=True)}


def verify(reference: Detector, against: str, engine: Engine, over: Callable[[Engine], Detector], sources: Sequence[Source]) -> Verified:
    """Compare `reference`, run by `against`, with what `over` makes of the export's `engine`, on the photos of `sources`.

    Twice: everything that scores 0.01 or more, before overlaps are dropped, and what the model finds by its own thresholds. Where
    suppression is in the graph, the second has it do the work. Raises the error of a photo that cannot be read, InputError without any.
    """
    if not sources:
        raise InputError("found no photo to verify with, expected at least one")
    manifest = reference.manifest
    found: list[Difference] = []
    for settings in (_CANDIDATES, _OWN):
        iou = manifest.thresholds.iou if settings.iou is None else settings.iou
        exported = over(_Suppressing(engine, iou) if "iou" in engine.inputs else engine)
        conf = manifest.thresholds.conf if settings.conf is None else settings.conf
        pairs = zip(*(side.run(sources, None, settings) for side in (reference, exported)), strict=True)
        found += [_difference(one, other, conf, settings.max_detections, manifest.preprocessing) for one, other in pairs]
    largest = worst(found)
    return Verified(**largest._asdict(), photos=len(sources), engine=engine.name, against=against)


def _difference(one: Detections, other: Detections, conf: float, most: int, facts: Preprocessing) -> Difference:
    """How far two answers for one photo lie apart, on the canvas; where a side is full, its last score is the threshold."""
    for side in (one, other):
        if side.error is not None:
            raise side.error
    placement = place(one.image_size, facts.size, facts.stride)
    least = max([conf, *(float(side.scores[-1]) for side in (one, other) if len(side) >= most)])
    left, right = (Found(placement.to_canvas(side.boxes), side.scores, side.labels) for side in (one, other))
    return difference(left, right, least)


@dataclass(frozen=True)
class _Suppressing:
    """An engine whose graph drops overlaps, doing so by one `iou`; Implements `engines.base.Engine`."""

    engine: Engine
    iou: float

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def inputs(self) -> Mapping[str, TensorInfo]:
        return {name: info for name, info in self.engine.inputs.items() if name != "iou"}

    @property
    def outputs(self) -> Mapping[str, TensorInfo]:
        return self.engine.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.engine.metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self.engine.run({**feeds, "iou": np.array(self.iou, np.float32)})
