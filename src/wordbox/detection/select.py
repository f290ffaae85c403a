"""From the shortlist that left the engine to the boxes of one picture."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wordbox.engines.base import Array
from wordbox.geometry.boxes import areas
from wordbox.geometry.frames import Placement
from wordbox.geometry.suppress import suppress

Chosen = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


def select(
    shortlist: Mapping[str, Array], row: int, owners: NDArray[np.int64] | None, placement: Placement, iou: float, max_detections: int
) -> Chosen:
    """Boxes (n, 4) float32 xyxy in image pixels, scores (n,) and labels (n,) of picture `row` of a batch, best first.

    `owners` maps the phrases that the graph saw to labels, so that a label's best phrase wins; None where they are the same.
    What lies wholly in the padding around the picture is no find.
    """
    count = int(shortlist["count"][row])
    boxes, scores, labels = (shortlist[name][row, :count] for name in ("boxes", "scores", "labels"))
    if owners is not None:
        labels = owners[labels]
        first = _best_of_each_cell(boxes, labels)
        boxes, scores, labels = boxes[first], scores[first], labels[first]
    boxes_image = placement.to_image(boxes)
    inside = areas(boxes_image) > 0
    boxes, boxes_image, scores, labels = boxes[inside], boxes_image[inside], scores[inside], labels[inside]
    kept = suppress(boxes, labels, iou, max_detections)
    return boxes_image[kept], scores[kept], labels[kept]


def _best_of_each_cell(boxes: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the first of each (box, label), in order: two phrases of one label at one cell are one candidate."""
    keys = np.concatenate([np.ascontiguousarray(boxes).view(np.int32), labels[:, None].astype(np.int32)], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return np.sort(first)
