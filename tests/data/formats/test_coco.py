"""COCO's JSON is read as people write it; what cannot be used is named, what cannot be read is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordbox.data.formats import coco
from wordbox.data.records import Dataset
from wordbox.errors import DatasetError

Read = Callable[..., Dataset]
IMAGES = [{"id": i, "file_name": f"{name}.png", "width": 640, "height": 480} for i, name in enumerate("abc", 1)]
CATEGORIES = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
NOTE = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40]}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a file of these lists beside three pictures and reads it."""
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"")

    def read(annotations: Any = (), images: Any = IMAGES, categories: Any = CATEGORIES) -> Dataset:
        content = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / "labels.json").write_text(json.dumps(content))
        return coco.read(tmp_path / "labels.json")

    return read


def test_boxes_areas_and_crowds(read: Read) -> None:
    data = read([NOTE, {**NOTE, "id": 2, "category_id": 2, "area": 700.5, "iscrowd": 1, "segmentation": {"counts": [1], "size": [9, 9]}}])
    first = data.records[0]
    assert data.names == ("red", "green")
    assert [record.path.name for record in data.records] == ["a.png", "b.png", "c.png"]
    assert first.size == (480, 640)
    assert first.boxes.tolist() == [[10, 20, 40, 60]] * 2
    assert first.labels.tolist() == [0, 1]
    assert first.areas.tolist() == [1200, 700.5]
    assert first.crowd.tolist() == [False, True]
    assert data.notes == ()


def test_pictures_without_annotations_are_kept(read: Read) -> None:
    data = read([])
    assert len(data.records) == 3
    for record in data.records:
        assert (record.boxes.shape, record.labels.shape, record.crowd.shape, record.areas.shape) == ((0, 4), (0,), (0,), (0,))
        assert record.boxes.dtype == np.float32


@pytest.mark.parametrize("ids", [(0, 1, 2), (7, 90, 1000000007), ("a", "b", "c"), (0.5, 1, 2), ("1", "10", "2")])
def test_ids_are_only_keys(read: Read, ids: tuple[Any, ...]) -> None:
    images = [{**image, "id": key} for image, key in zip(IMAGES, ids, strict=True)]
    categories = [{"id": ids[2], "name": "red"}, {"id": ids[0], "name": "green"}]
    data = read([{**NOTE, "id": 0, "image_id": ids[1], "category_id": ids[0]}], images, categories)
    assert data.names == ("red", "green")
    assert [len(record.boxes) for record in data.records] == [0, 1, 0]
    assert data.records[1].labels.tolist() == [1]
    assert data.notes == ()


@pytest.mark.parametrize(
    ("ids", "order"),
    [((30, 4, 100), "bac"), (("30", "4", "100"), "cab"), ((2, "x", 1), "abc")],
    ids=["numbers by value", "text by letters", "mixed as written"],
)
def test_order_of_pictures_is_that_of_pycocotools(read: Read, ids: tuple[Any, ...], order: str) -> None:
    data = read([], [{**image, "id": key} for image, key in zip(IMAGES, ids, strict=True)])
    assert "".join(record.path.stem for record in data.records) == order


@settings(deadline=None)
@given(st.tuples(*[st.floats(-2000, 8000)] * 2, *[st.floats(0.01, 8000)] * 2))
def test_corners_are_exact_to_a_thousandth_of_a_pixel(tmp_path_factory: pytest.TempPathFactory, sides: tuple[float, ...]) -> None:
    folder = tmp_path_factory.mktemp("one")
    (folder / "a.png").write_bytes(b"")
    content = {"images": IMAGES[:1], "categories": CATEGORIES, "annotations": [{**NOTE, "bbox": sides}]}
    (folder / "labels.json").write_text(json.dumps(content))
    record = coco.read(folder / "labels.json").records[0]
    left, top, width, height = sides
    np.testing.assert_allclose(record.boxes[0], [left, top, left + width, top + height], atol=1e-3, rtol=0)
    assert record.areas[0] == width * height


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"image_id": 9991}, "7 of image 9991"),
        ({"image_id": None}, "7 of image None"),
        ({"image_id": [1]}, "7 of image [1]"),
        ({"category_id": 7772}, "7 of category 7772"),
        ({"category_id": {}}, "7 of category {}"),
        ({"bbox": [5, 5, 0, 9]}, "7 with [5, 5, 0, 9]"),
        ({"bbox": [5, 5, 9, -1]}, "7 with [5, 5, 9, -1]"),
        ({"bbox": [5e5, 5, 1e-9, 9]}, "7 with [500000.0, 5, 1e-09, 9]"),
        ({"bbox": [float("nan"), 5, 9, 9]}, "7 with [nan, 5, 9, 9]"),
        ({"bbox": [5, 5, float("inf"), 9]}, "7 with [5, 5, inf, 9]"),
        ({"bbox": [5, 5, 1e38, 9]}, "7 with [5, 5, 1e+38, 9]"),
        ({"bbox": [5, 5, 10**400, 9]}, "7 with [5, 5, 1000"),
        ({"bbox": [5, 5, 9]}, "7 with [5, 5, 9]"),
        ({"bbox": [5, 5, "wide", 9]}, "7 with [5, 5, 'wide', 9]"),
        ({"bbox": None}, "7 with None"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_named(read: Read, odd: dict[str, Any], said: str) -> None:
    data = read([NOTE, {**NOTE, "id": 7, **odd}])
    assert sum(len(record.boxes) for record in data.records) == 1
    (note,) = data.notes
    assert said in note
    assert "left out" in note
    assert "labels.json" in note
    assert "\n" not in note


def test_long_lists_are_counted(read: Read) -> None:
    (note,) = read([{**NOTE, "id": i, "image_id": 100 + i} for i in range(50)]).notes
    assert "50 annotations (0 of image 100, " in note
    assert "and 45 more" in note


@pytest.mark.parametrize("area", [0, -3, float("nan"), "large", [1]])
def test_an_area_that_is_none_is_replaced_and_said(read: Read, area: object) -> None:
    data = read([{**NOTE, "area": area}])
    assert data.records[0].areas.tolist() == [1200]
    (note,) = data.notes
    assert "width x height" in note


@pytest.mark.parametrize(
    ("written", "crowd"), [(0, False), (1, True), (True, True), ("1", True), ("0", False), (None, False), (False, False)]
)
def test_crowd_flags(read: Read, written: object, crowd: bool) -> None:
    assert read([{**NOTE, "iscrowd": written, "area": None}]).records[0].crowd.tolist() == [crowd]


def test_sizes_as_text_or_missing(read: Read) -> None:
    images = [{**IMAGES[0], "width": "640", "height": "480"}, {"id": 2, "file_name": "b.png"}, {**IMAGES[2], "width": None}]
    assert [record.size for record in read([], images).records] == [(480, 640), (0, 0), (0, 0)]


def test_categories_of_one_name_are_one_class(read: Read) -> None:
    data = read([NOTE, {**NOTE, "id": 2, "category_id": 5}], categories=[*CATEGORIES, {"id": 5, "name": " RED"}])
    assert data.names == ("red", "green")
    assert data.records[0].labels.tolist() == [0, 0]
    (note,) = data.notes
    assert "category 5" in note


def test_repeated_annotation_ids_count_and_are_said(read: Read) -> None:
    data = read([NOTE, {**NOTE, "bbox": [50, 50, 9, 9]}])
    assert len(data.records[0].boxes) == 2
    (note,) = data.notes
    assert "id of an earlier one" in note


def test_an_image_listed_again_counts_once(read: Read) -> None:
    data = read([NOTE], [*IMAGES, dict(IMAGES[0])])
    assert len(data.records) == 3
    (note,) = data.notes
    assert "listed again" in note


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"images": [], "annotations": [], "categories": []}).encode())
    assert coco.read(tmp_path / "labels.json").records == ()


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]}, "image id 1 stands for both 'a.png' and 'b.png'"),
        ({"categories": [{"id": 1, "name": "red"}, {"id": 1, "name": "blue"}]}, "category id 1 stands for both 'red' and 'blue'"),
        ({"images": [{"file_name": "a.png"}]}, "images[0] has the id None"),
        ({"images": [{"id": True, "file_name": "a.png"}]}, "images[0] has the id True"),
        ({"images": [{"id": float("nan"), "file_name": "a.png"}]}, "images[0] has the id nan"),
        ({"images": [{"id": 1, "file_name": ""}]}, "image 1 has no file_name"),
        ({"images": [{"id": 1, "file_name": 5}]}, "image 1 has no file_name"),
        ({"images": [{"id": 1, "file_name": "lost.png"}]}, "1 of 1 pictures cannot be found: lost.png"),
        ({"images": ["a.png"]}, "images[0] is a text"),
        ({"images": {"1": "a.png"}}, "has an object as images"),
        ({"categories": [{"id": 1}]}, "category 1 has no name"),
        ({"categories": [{"id": 1, "name": "\ud800"}]}, "no valid text: '\\ud800'"),
        ({"categories": None}, "has no categories"),
        ({"annotations": None}, "has no annotations"),
        ({"annotations": [None]}, "annotations[0] is null"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(read: Read, lists: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(**{"annotations": [], **lists})
    assert said in str(caught.value)
    assert "labels.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"images": [],\n "annotations": [}', "line 2, column 18"),
        (b"", "line 1, column 1"),
        (b"[1, 2]", "found a list (a list of results?"),
        (b'"text"', "found a text"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
        (b"[" * 200_000, "cannot be read as JSON"),
        (b'{"images": ' + b"9" * 10_000 + b"}", "labels.json: this "),
    ],
    ids=["broken", "empty", "list", "text", "no text", "nested", "digits"],
)
def test_files_that_are_no_labels_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        coco.read(tmp_path / "labels.json")
    assert str(caught.value).startswith(str(tmp_path / "labels.json"))
    assert said in str(caught.value)


def test_a_path_without_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path("missing.json"), Path()):
        with pytest.raises(DatasetError) as caught:
            coco.read(path)
        assert str(tmp_path) in str(caught.value)
