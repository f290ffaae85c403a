"""From the shortlist that left the engine to the boxes of one picture, and a count of what was dropped on the way."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordbox.detection.detections import Dropped
from wordbox.engines.base import Array
from wordbox.geometry.boxes import areas
from wordbox.geometry.frames import Placement
from wordbox.geometry.suppress import suppress
from wordbox.settings import DetectSettings


class Chosen(NamedTuple):
    """The boxes of one picture, best first."""

    boxes: NDArray[np.float32]
    """(n, 4) float32 xyxy in image pixels."""
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    dropped: Dropped
    """Together with the boxes it makes the count of candidates that left the engine."""


def select(
    shortlist: Mapping[str, Array],
    row: int,
    owners: NDArray[np.int64] | None,
    wanted: NDArray[np.bool_] | None,
    placement: Placement,
    settings: DetectSettings,
) -> Chosen:
    """What stays of picture `row` of a batch by `iou`, `agnostic` and `max_detections` of the settings.

    `owners` maps the phrases that the graph saw to labels, so that a label's best phrase wins; None where they are the same. An owner of
    -1 is a background word, whose boxes go.
    `wanted` (K,) says which labels count; None where all do. What lies wholly in the padding around the picture is no find.
    """
    count = int(shortlist["count"][row])
    boxes, scores, labels = (shortlist[name][row, :count] for name in ("boxes", "scores", "labels"))
    if owners is not None:
        labels = owners[labels]
        own = labels >= 0
        boxes, scores, labels = boxes[own], scores[own], labels[own]
    left = [count, len(boxes)]  # after each step
    if owners is not None and len(np.unique(owners[owners >= 0])) < np.count_nonzero(owners >= 0):  # a label has two phrases
        first = _best_of_each_cell(boxes, labels)
        boxes, scores, labels = boxes[first], scores[first], labels[first]
    left.append(len(boxes))
    if wanted is not None:
        asked = wanted[labels]
        boxes, scores, labels = boxes[asked], scores[asked], labels[asked]
    left.append(len(boxes))
    boxes_image = placement.to_image(boxes)
    inside = areas(boxes_image) > 0
    boxes, boxes_image, scores, labels = boxes[inside], boxes_image[inside], scores[inside], labels[inside]
    left.append(len(boxes))
    kept = suppress(boxes, np.zeros_like(labels) if settings.agnostic else labels, settings.iou or 0.0)
    left.append(len(kept))
    kept = kept[: settings.max_detections]
    left.append(len(kept))
    return Chosen(boxes_image[kept], scores[kept], labels[kept], Dropped(*(before - after for before, after in pairwise(left))))


def _best_of_each_cell(boxes: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the first of each (box, label), in order: two phrases of one label at one cell are one candidate."""
    keys = np.concatenate([np.ascontiguousarray(boxes).view(np.int32), labels[:, None].astype(np.int32)], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return np.sort(first)
