"""A data set is found by what lies there."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from wordbox.data.read import read
from wordbox.errors import DatasetError

COCO = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "categories": [{"id": 1, "name": "red"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 16, 16]}],
}
XML = (
    "<annotation><object><name>red</name><bndbox><xmin>8</xmin><ymin>8</ymin><xmax>24</xmax><ymax>24</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with one picture."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 32), np.uint8))
    return tmp_path


def _write(home: Path, kind: str) -> Path:
    if kind == "coco":
        path = home / "labels.json"
        path.write_text(json.dumps(COCO))
    elif kind == "yolo":
        path = home / "data.yaml"
        path.write_text("val: .\nnames: [red]\n")
        (home / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    else:
        path = home / "a.xml"
        path.write_text(XML)
    return path


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_files_and_folders_of_every_kind_give_the_same(home: Path, kind: str) -> None:
    path = _write(home, kind)
    for given in [home] if kind == "voc" else [path, home]:
        (one,) = read(given).records
        assert one.boxes.tolist() == [[8, 8, 24, 24]]
        assert one.path.name == "a.png"


def test_in_a_folder_the_yaml_goes_first_and_then_the_xml(home: Path) -> None:
    for kind in ("coco", "voc", "yolo"):
        _write(home, kind)
        assert read(home).source == {"coco": home / "labels.json", "voc": home, "yolo": home / "data.yaml"}[kind]


def test_a_split_of_coco_is_said_to_choose_nothing(home: Path) -> None:
    notes = read(_write(home, "coco"), "test").notes
    assert any("'test' chooses nothing" in note for note in notes)


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        ([], "none.json", "cannot be read"),
        ([], "none", "nothing is there; expected COCO's JSON, YOLO's data.yaml"),
        ([], ".", "found none of these among its 1 entries"),
        (["one.json", "two.json"], ".", r"found several \(one.json, two.json\); name one"),
        (["one.yaml", "two.yml"], ".", r"found several \(one.yaml, two.yml\); name one"),
        (["a.xml"], "a.xml", "found one XML file; expected the folder"),
        (["labels.csv"], "labels.csv", "found a file .csv; expected"),
        (["labels"], "labels", "found a file without a suffix"),
    ],
)
def test_anything_else_is_refused_with_what_was_found(home: Path, names: list[str], given: str, said: str) -> None:
    for name in names:
        (home / name).write_text("x")
    with pytest.raises(DatasetError, match=said):
        read(home / given)
