"""The peers' own COCO AP on photos that anyone can have beside the checkout: what Wordbox's figures are compared with.

    FOLDER/bin/python tests/peers/accuracy.py [--shared DIR] [--only yolov5|ultralytics] [--predictions DIR]

FOLDER is what environment.sh built; DIR holds data/coco-val-400 and data/weights (default: $WORDBOX_SHARED, else `shared` beside the
checkout). Each package validates with its own program, its labels written in the YOLO form from instances.json:

    yolov5       yolov5n-v6.1-coco.pt, size 640, conf 0.001, iou 0.6, several labels a box, 300 boxes, rectangles of batches of 16
    ultralytics  yolov8n-hybrid.pt under its own defaults (size 640, conf 0.001, iou 0.7, 300 boxes, rectangles of batches of 16)

The clock of their suppression stands still, or it would drop boxes on a slow machine. The boxes that they save are scored by
pycocotools, against the official categories. One JSON object is printed; --predictions also keeps the boxes, as COCO results.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import shims

CHECKOUT = Path(__file__).resolve().parents[2]
WEIGHTS = {"yolov5": "yolov5n-v6.1-coco.pt", "ultralytics": "yolov8n-hybrid.pt"}
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("WORDBOX_SHARED", CHECKOUT.parent / "shared")))
    parser.add_argument("--only", choices=sorted(WEIGHTS))
    parser.add_argument("--predictions", type=Path, help="folder for the boxes found, NAME.json of each package")
    options = parser.parse_args()
    photos = (options.shared / "data" / "coco-val-400").resolve()
    truth = json.loads((photos / "instances.json").read_text())
    found = {}
    for package in [options.only] if options.only else sorted(WEIGHTS, reverse=True):
        weights = (options.shared / "data" / "weights" / WEIGHTS[package]).resolve()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            data = written_as_yolo(truth, photos / "images", Path(folder))
            boxes = PROGRAMS[package](weights, data, Path(folder) / "runs")
            boxes = with_official_ids(boxes, truth)
            figures = scored(photos / "instances.json", boxes)
        found[package] = {"weights": weights.name, "images": len(truth["images"]), "boxes": len(boxes), **figures}
        if options.predictions:
            options.predictions.mkdir(parents=True, exist_ok=True)
            (options.predictions / f"{package}-{weights.stem}.json").write_text(json.dumps(boxes))
    print(json.dumps(found, indent=1))


def written_as_yolo(truth: dict[str, Any], photos: Path, folder: Path) -> Path:
    """Lay a data set of the YOLO form into the folder, photos as links, crowds left out; the path of its data.yaml."""
    images, labels = folder / "images" / "val", folder / "labels" / "val"
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    at = {category["id"]: i for i, category in enumerate(sorted(truth["categories"], key=lambda category: category["id"]))}
    lines: dict[int, list[str]] = {image["id"]: [] for image in truth["images"]}
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"]}
    for annotation in truth["annotations"]:
        if not annotation["iscrowd"]:
            (left, top, width, height), (w, h) = annotation["bbox"], sizes[annotation["image_id"]]
            unit = ((left + width / 2) / w, (top + height / 2) / h, width / w, height / h)
            lines[annotation["image_id"]].append(" ".join([str(at[annotation["category_id"]]), *(f"{value:.6f}" for value in unit)]))
    for image in truth["images"]:
        (images / image["file_name"]).symlink_to(photos / image["file_name"])
        (labels / image["file_name"]).with_suffix(".txt").write_text("\n".join(lines[image["id"]]))
    names = [category["name"] for category in sorted(truth["categories"], key=lambda category: category["id"])]
    data = folder / "data.yaml"
    facts = {"path": str(folder), "train": "images/val", "val": "images/val", "nc": len(names), "names": names}
    data.write_text(json.dumps(facts))  # which is YAML, too
    return data


def by_yolov5(weights: Path, data: Path, runs: Path) -> list[dict[str, Any]]:
    """The boxes that `yolov5` saves when it validates."""
    shims.ready_for_yolov5()
    import yolov5.utils.general
    import yolov5.val

    shims.clock_standing_still(yolov5.utils.general)
    where = {"project": str(runs), "name": "val", "workers": 0, "device": "cpu", "save_json": True, "plots": False}
    yolov5.val.run(str(data), weights=str(weights), batch_size=16, imgsz=640, conf_thres=0.001, iou_thres=0.6, max_det=300, **where)
    (saved,) = (runs / "val").glob("*_predictions.json")
    return json.loads(saved.read_text())


def by_ultralytics(weights: Path, data: Path, runs: Path) -> list[dict[str, Any]]:
    """The boxes that `ultralytics` saves when it validates."""
    from ultralytics import YOLO
    from ultralytics.utils import nms

    shims.clock_standing_still(nms)
    copy = runs.parent / weights.name
    copy.write_bytes(weights.read_bytes())
    YOLO(copy).val(data=str(data), project=str(runs), name="val", workers=0, device="cpu", save_json=True, plots=False)
    return json.loads((runs / "val" / "predictions.json").read_text())


def with_official_ids(boxes: list[dict[str, Any]], truth: dict[str, Any]) -> list[dict[str, Any]]:
    """The same boxes under the categories of instances.json: a peer numbers classes from 0, or from 1."""
    ids = sorted(category["id"] for category in truth["categories"])
    numbers = {box["category_id"] for box in boxes}
    first = 0 if 0 in numbers else 1
    assert numbers <= set(range(first, first + len(ids))), sorted(numbers)
    return [box | {"category_id": ids[box["category_id"] - first]} for box in boxes]


def scored(annotations: Path, boxes: list[dict[str, Any]]) -> dict[str, float]:
    """AP and its companions by pycocotools, in points."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        scorer = COCOeval(truth, truth.loadRes(boxes), "bbox")
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return {name: round(100 * float(value), 2) for name, value in zip(FIGURES, scorer.stats, strict=True)}


PROGRAMS = {"yolov5": by_yolov5, "ultralytics": by_ultralytics}

if __name__ == "__main__":
    main()
