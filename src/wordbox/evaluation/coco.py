"""COCO's average precision and recall, computed by faster-coco-eval and equal to pycocotools'."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.data.records import Record
from wordbox.detection.detections import Detections
from wordbox.errors import extra_module
from wordbox.evaluation.report import METRICS, ClassFigures
from wordbox.geometry.boxes import xyxy_to_xywh

MAX_DETECTIONS = 100
"""COCO counts at most this many finds of a class in a picture, the best ones."""


def figures(
    names: Sequence[str], records: Sequence[Record], found: Sequence[Detections], classes: Sequence[int] | None = None
) -> tuple[dict[str, float | None], dict[str, ClassFigures]]:
    """The nine figures of COCO, as fractions, and the figures of each class.

    `found[i]` belongs to `records[i]` and its words are `names`. `classes` are the positions in `names` that count; None means all.
    A figure is None where there is no box to find. Equal scores keep the order of the records, and within one the order of its finds,
    as pycocotools does with pictures in that order. Needs the extra `evaluate`.
    """
    chosen = list(range(len(names)) if classes is None else classes)
    if not records or not chosen:
        return dict.fromkeys(METRICS), {names[label]: ClassFigures(None, None, 0) for label in chosen}
    stats, precision = _scored(chosen, _truths(records, set(chosen)), _finds(found, set(chosen), len(names)), len(records))
    # Twelve figures: six of AP, then recall by the number of finds, then recall by size, which we do not report.
    metrics = {name: _fraction(value) for name, value in zip(METRICS, stats[: len(METRICS)], strict=True)}
    boxes = np.bincount(np.concatenate([record.labels[~record.crowd] for record in records]), minlength=len(names))
    # The scorer keeps classes in the order of their ids.
    by_label = {label: _class_figures(precision[:, :, place], int(boxes[label])) for place, label in enumerate(sorted(chosen))}
    return metrics, {names[label]: by_label[label] for label in chosen}


def scorer_module() -> ModuleType:
    """faster-coco-eval. Raises MissingExtraError where it is not installed."""
    return extra_module("faster_coco_eval", "evaluate")


def _scored(
    classes: Sequence[int], truths: list[dict[str, Any]], finds: list[dict[str, Any]], images: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """faster-coco-eval's twelve figures, and its precision at (threshold of IoU, of recall, class) for all sizes and 100 finds."""
    module = scorer_module()
    # Ids are our own, from 1: to the scorer an annotation with id 0 is one that nobody matched.
    about: dict[str, Any] = {
        "info": {},
        "images": [{"id": number} for number in range(1, images + 1)],
        "categories": [{"id": label + 1, "name": str(label)} for label in classes],
    }
    truth = module.COCO({**about, "annotations": truths}, print_function=_silent)
    result = module.COCO({**about, "annotations": finds}, print_function=_silent)
    scorer = module.COCOeval_faster(truth, result, iouType="bbox", print_function=_silent)
    scorer.run()
    return np.asarray(scorer.stats), np.asarray(scorer.eval["precision"])[:, :, :, 0, -1]


def _truths(records: Sequence[Record], classes: set[int]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, record in enumerate(records, 1):
        rows = xyxy_to_xywh(record.boxes.astype(np.float64)).tolist()
        for row, label, crowd, area in zip(rows, record.labels.tolist(), record.crowd.tolist(), record.areas.tolist(), strict=True):
            if label in classes:
                entries.append(
                    {
                        "id": len(entries) + 1,
                        "image_id": number,
                        "category_id": label + 1,
                        "bbox": row,
                        "area": area,
                        "iscrowd": int(crowd),
                    }
                )
    return entries


def _finds(found: Sequence[Detections], classes: set[int], count: int) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    ids = range(1, count + 1)
    for number, one in enumerate(found, 1):
        for entry in one.to_coco(number, ids):
            if entry["category_id"] - 1 in classes:
                _, _, width, height = entry["bbox"]
                entries.append({**entry, "id": len(entries) + 1, "area": width * height, "iscrowd": 0})
    return entries


def _class_figures(precision: NDArray[np.float64], boxes: int) -> ClassFigures:
    """Of (thresholds of IoU, thresholds of recall); -1 throughout where the class has no boxes."""
    return ClassFigures(_fraction(precision.mean()), _fraction(precision[0].mean()), boxes)


def _fraction(value: float) -> float | None:
    return None if value < 0 else float(value)


def _silent(*_: object) -> None:
    """In place of the scorer's printing."""
