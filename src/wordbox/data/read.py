"""A data set from whatever file or folder describes it."""

import os
from pathlib import Path

from wordbox.data.formats import coco, voc, yolo
from wordbox.data.pictures import place
from wordbox.data.records import Dataset
from wordbox.errors import DatasetError

EXPECTED = "COCO's JSON, YOLO's data.yaml, or a folder that holds either, or Pascal VOC's XML files"


def read(path: Path, split: str = "val") -> Dataset:
    """The labelled pictures of one split of a data set.

    A file is COCO's JSON, which holds one split, or YOLO's data.yaml. A folder is read by its data.yaml (or the only .yaml in it), or
    else by its XML files as Pascal VOC, or else by the only .json in it. Raises DatasetError that says what was found.
    """
    if os.path.isdir(path):
        return _read_folder(path, split)
    match path.suffix.lower():
        case ".yaml" | ".yml":
            return yolo.read(path, split)
        case ".json":
            return _read_coco(path, split)
        case ".xml":
            raise DatasetError(f"{place(path)}: found one XML file; expected the folder of them all, such as {path.parent}")
    if os.path.isfile(path):
        raise DatasetError(f"{place(path)}: found a file {path.suffix or 'without a suffix'}; expected {EXPECTED}")
    raise DatasetError(f"{place(path)}: nothing is there; expected {EXPECTED}")


def _read_folder(path: Path, split: str) -> Dataset:
    try:
        names = sorted(entry for entry in os.listdir(path) if not entry.startswith("."))
    except OSError as error:
        raise DatasetError(f"{place(path)}: the folder cannot be read: {error.strerror or error}") from error
    described = [name for name in names if name.lower().endswith((".yaml", ".yml"))]
    usual = [name for name in described if name.lower() in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")]
    chosen = usual[:1] or (described if len(described) == 1 else [])
    if chosen:
        return yolo.read(path / chosen[0], split)
    if voc.is_layout(path):
        return voc.read(path, split)
    labels = [name for name in names if name.lower().endswith(".json")]
    if len(labels) == 1:
        return _read_coco(path / labels[0], split)
    several = [*described, *labels]
    found = f"several ({', '.join(several[:5])}); name one of them" if several else f"none of these among its {len(names)} entries"
    raise DatasetError(f"{place(path)}: expected {EXPECTED}; found {found}")


def _read_coco(path: Path, split: str) -> Dataset:
    found = coco.read(path)
    if split == "val":
        return found
    note = f"{path}: COCO's JSON holds one split, so {split!r} chooses nothing in it; all of it is read"
    return Dataset(source=found.source, names=found.names, records=found.records, notes=(note, *found.notes))
