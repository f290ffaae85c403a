"""YOLO's folders are read as people write them; what cannot be used is named, and costs nothing else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordbox.data.formats import yolo
from wordbox.data.formats.yolo_rows import read_rows
from wordbox.data.records import Dataset
from wordbox.errors import DatasetError

A, B = (96, 96, 180, 180), (320, 256, 448, 352)
YAML = "path: .\ntrain: images/val\nval: images/val\nnames: [red, green, blue]\n"
Make = Callable[..., Path]


def row(label: Any, box: tuple[float, ...]) -> str:
    x0, y0, x1, y1 = (side / 640 for side in box)
    return f"{label} {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}"


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def picture(path: Path, size: tuple[int, int] = (640, 640)) -> None:
    write(path, cv2.imencode(".png", np.zeros(size, np.uint8))[1].tobytes())


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a set of three pictures a, b, c in images/val, of which a and b hold a red thing; gives its data.yaml."""

    def make(b: str | bytes = row(0, B), yaml: str | bytes = YAML, home: Path = tmp_path, data: Path | None = None) -> Path:
        for name in "abc":
            picture((data or home) / "images" / "val" / f"{name}.png")
        for name, rows in (("a", row(0, A)), ("b", b), ("c", "")):
            write((data or home) / "labels" / "val" / f"{name}.txt", rows)
        write(home / "data.yaml", yaml)
        return home / "data.yaml"

    return make


def found(data: Dataset) -> dict[str, list[tuple[str, list[int]]]]:
    """Names and boxes by picture, to the pixel."""
    return {
        one.path.stem: [(data.names[label], np.rint(box).astype(int).tolist()) for label, box in zip(one.labels, one.boxes, strict=True)]
        for one in data.records
    }


TRIO = {"a": [("red", list(A))], "b": [("red", list(B))], "c": []}


def test_boxes_sizes_and_areas(make: Make) -> None:
    data = yolo.read(make())
    assert data.names == ("red", "green", "blue")
    assert found(data) == TRIO
    assert {one.size for one in data.records} == {(640, 640)}
    assert data.records[1].areas.tolist() == pytest.approx([128 * 96])
    assert not data.records[0].crowd.any()
    assert data.notes == ()


def test_path_is_relative_to_the_file(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yaml = "path: ../data  # dataset root\ntrain: images/val\nval: images/val\nnames:\n  0: red\n  1: green\n  2: blue\n"
    path = make(yaml=yaml, home=tmp_path / "config", data=tmp_path / "data")
    monkeypatch.chdir("/")
    assert found(yolo.read(path)) == TRIO


@pytest.mark.parametrize(
    "names", ["{'0': red, '1': green, '2': blue}", "{0: red, 1: green, 2: blue}", "{2: blue, 1: green, 0: red}", '["red", "green", blue]']
)
def test_names_in_every_form(make: Make, names: str) -> None:
    assert found(yolo.read(make(yaml=f"val: images/val\nnames: {names}\n"))) == TRIO


def test_names_stay_the_texts_that_they_are(make: Make) -> None:
    names = ["no", "yes", "on", "1e3", "007", "null", "0x1F", "12:30", "2020-01-01", ".5"]
    data = yolo.read(make(yaml=f"val: images/val\nnames: [{', '.join(names)}]\n"))
    assert data.names == tuple(names)


def test_numbers_of_classes_may_have_gaps(make: Make) -> None:
    data = yolo.read(make(row(90, B), "val: images/val\nnames: {0: red, 90: green}\n"))
    assert found(data)["b"] == [("green", list(B))]


def test_without_val_the_error_says_so_and_what_is_there(make: Make) -> None:
    with pytest.raises(DatasetError) as caught:
        yolo.read(make(yaml="path: .\ntrain: images/val\nval: # none yet\nnames: [red, green, blue]\n"))
    for part in ("data.yaml", "has no val", "found train"):
        assert part in str(caught.value)


def test_splits_go_by_several_names(make: Make) -> None:
    path = make(yaml="valid: images/val\ntest: images/none\nnames: [red, green, blue]\n")
    assert found(yolo.read(path)) == found(yolo.read(path, "valid")) == found(yolo.read(path, "validation")) == TRIO
    with pytest.raises(DatasetError, match="test 'images/none' is not there"):
        yolo.read(path, "test")


def test_text_from_windows(make: Make, tmp_path: Path) -> None:
    yaml = b"\xef\xbb\xbfpath: .\r\ntrain: images\\val\r\nval: images\\val\r\nnames: [red, green, blue]\r\n"
    path = make((row(0, B) + "\r\n").encode(), yaml)
    write(tmp_path / "labels" / "val" / "a.txt", b"\xef\xbb\xbf" + (row(0, A) + "\r\n").encode())
    assert found(yolo.read(path)) == TRIO
    write(tmp_path / "labels" / "val" / "a.txt", (row(0, A) + "\r\n").encode("utf-16"))
    assert found(yolo.read(path)) == TRIO


def test_a_polygon_makes_no_polygons_of_other_rows(make: Make) -> None:
    corners = " ".join(f"{v / 640:.6f}" for x, y in ((320, 256), (448, 256), (448, 352), (320, 352)) for v in (x, y))
    data = yolo.read(make(f"0 {corners}\n{row(1, (64, 480, 128, 560))}\n"))
    assert found(data)["b"] == [("red", list(B)), ("green", [64, 480, 128, 560])]


GHOST = (40, 560, 100, 620)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row(1, GHOST) + " 0.874210", "six columns"),
        (row(7, GHOST), "class 7"),
        (row(-1, GHOST), "class -1"),
        (row(0.5, GHOST), "class 0.5"),
        (row("red", GHOST), "not everything in them is a number"),
        ("0 0.5 nan 0.1 0.1", "not everything in them is a number"),
        ("0 0.5 1e999 0.1 0.1", "not everything in them is a number"),
        ("0 0.5 1_0 0.1 0.1", "not everything in them is a number"),
        ("0,0.5,0.5,0.1,0.1", "expected a class and four numbers"),
        ("0 0.5 0.5 0.1", "expected a class and four numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "the corners of a polygon"),
        ("0 320 240 50 60", "not pixels"),
        ("0 0.5 0.5 -0.1 0.1", "not pixels"),
        ("0 0.5 0.5 0 0.1", "nothing of the box lies inside"),
        ("0 1.5 0.5 0.1 0.1", "nothing of the box lies inside"),
        ("\xff\xfe\x00", "expected a class and four numbers"),
    ],
)
def test_a_bad_row_costs_that_row_and_is_named(make: Make, bad: str, said: str) -> None:
    data = yolo.read(make(f"{row(0, B)}\n{bad}\n".encode("latin-1")))
    assert found(data) == TRIO
    (note,) = data.notes
    assert "b.txt row 2" in note
    assert said in note
    assert "\n" not in note


def test_rounding_past_the_border_is_cut_without_a_word_and_more_is_said(make: Make) -> None:
    data = yolo.read(make("0 0.925001 0.475000 0.150003 0.150000\n"))
    assert found(data)["b"] == [("red", [544, 256, 640, 352])]
    assert data.records[1].boxes.max() == 640
    assert data.notes == ()
    far = yolo.read(make("0 0.95 0.5 0.2 0.1\n"))
    assert found(far)["b"] == [("red", [544, 288, 640, 352])]
    assert "b.txt row 1: 32 pixels" in far.notes[0]


def test_equal_rows_count_once(make: Make) -> None:
    data = yolo.read(make(f"{row(0, B)}\n\n{row(0, B)}\n"))
    assert found(data) == TRIO
    assert "b.txt row 3" in data.notes[0]


def test_numbers_in_every_form(make: Make) -> None:
    assert found(yolo.read(make("0.0\t6.0000e-1  4.750000E-01\t0.2   0.15 "))) == TRIO


def test_no_label_file_an_empty_and_a_blank_one_are_the_same(make: Make, tmp_path: Path) -> None:
    path = make()
    (tmp_path / "labels" / "val" / "c.txt").unlink()
    picture(tmp_path / "images" / "val" / "d.png")
    write(tmp_path / "labels" / "val" / "d.txt", "\n  \n")
    data = yolo.read(path)
    assert found(data) == {**TRIO, "d": []}
    (note,) = data.notes
    assert "1 picture" in note
    assert "c.png" in note


def test_extensions_in_capitals(make: Make, tmp_path: Path) -> None:
    path = make()
    folder = tmp_path / "images" / "val"
    (folder / "a.png").rename(folder / "a.PNG")
    write(folder / "b.JPG", cv2.imencode(".jpg", np.zeros((640, 640, 3), np.uint8))[1].tobytes())
    (folder / "b.png").unlink()
    assert found(yolo.read(path)) == TRIO


def test_labels_beside_the_pictures(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.png")
    write(tmp_path / "images" / "a.txt", row(0, A))
    write(tmp_path / "images" / "b.txt", row(0, B))
    write(tmp_path / "data.yaml", "path: .\nval: images\nnames: [red, green, blue]\n")
    assert found(yolo.read(tmp_path / "data.yaml")) == TRIO


def test_of_two_folders_called_images_the_last_is_exchanged(make: Make, tmp_path: Path) -> None:
    inner = "images/export/data/images/val"
    path = make(yaml=f"val: {inner}\nnames: [red, green, blue]\n", data=tmp_path / "images" / "export" / "data")
    assert found(yolo.read(path)) == TRIO


@pytest.mark.parametrize("count", ["4", "three", "[3]"])
def test_nc_that_differs_from_names_is_said(make: Make, count: str) -> None:
    data = yolo.read(make(yaml=f"{YAML}nc: {count}\n"))
    assert found(data) == TRIO
    (note,) = data.notes
    assert "nc is" in note
    assert "3 classes" in note
    assert yolo.read(make(yaml=f"{YAML}nc: 3\n")).notes == ()


def test_an_export_whose_paths_start_above_its_own_folder(make: Make, tmp_path: Path) -> None:
    home = tmp_path / "export"
    for name in "abc":
        picture(home / "valid" / "images" / f"{name}.png")
    write(home / "valid" / "labels" / "a.txt", row(0, A))
    write(home / "valid" / "labels" / "b.txt", row(0, B))
    write(home / "data.yaml", "train: ../train/images\nval: ../valid/images\n\nnc: 3\nnames: ['red', 'green', 'blue']\n")
    data = yolo.read(home / "data.yaml")
    assert found(data) == TRIO
    assert any("'../valid/images' is not there; read" in note for note in data.notes)


@pytest.mark.parametrize(
    "val",
    ["/home/somebody/sets/images/val", "C:\\sets\\images\\val", "[images/val/a.png, images/val/b.png, images/val]", "images/val/*.png"],
)
def test_places_in_every_form(make: Make, val: str) -> None:
    data = yolo.read(make(yaml=f"path: /nowhere/at/all\nval: {val}\nnames: [red, green, blue]\n"))
    assert found(data) == TRIO


@pytest.mark.parametrize("line", ["./{}", "{}", "/home/somebody/set/images/val/{}", "val\\{}"])
def test_lists_of_pictures(make: Make, tmp_path: Path, line: str) -> None:
    path = make(yaml="path: .\nval: images/val.txt\nnames: [red, green, blue]\n")
    start = {"./{}": "./val/", "{}": "images/val/"}.get(line, "")
    lines = [line.format(f"{start.removeprefix('./')}{name}.png") for name in "abc"]
    write(tmp_path / "images" / "val.txt", "\r\n".join(["# the three", *lines, "", lines[0]]))
    data = yolo.read(path)
    assert found(data) == TRIO
    assert any("named twice" in note for note in data.notes)


def test_nothing_is_downloaded_or_run(make: Make, tmp_path: Path) -> None:
    trap = f"download: |\n  import os; os.system('touch {tmp_path / 'run'}')\n"
    with pytest.raises(DatasetError, match="is not there"):
        yolo.read(make(yaml=f"val: images/test\nnames: [red]\n{trap}"))
    assert found(yolo.read(make(yaml=YAML + trap))) == TRIO
    assert not (tmp_path / "run").exists()


def test_labels_without_a_picture_and_other_files_are_named(make: Make, tmp_path: Path) -> None:
    path = make()
    write(tmp_path / "labels" / "val" / "lost.txt", row(0, A))
    write(tmp_path / "labels" / "val" / "classes.txt", "red")
    write(tmp_path / "images" / "val" / "notes.docx", "x")
    write(tmp_path / "images" / "val" / ".DS_Store", "x")
    notes = yolo.read(path).notes
    assert [any(name in note for note in notes) for name in ("lost.txt", "notes.docx", "classes.txt", "DS_Store")] == [1, 1, 0, 0]


def test_boxes_of_a_picture_that_cannot_be_read_still_count(make: Make, tmp_path: Path) -> None:
    path = make()
    write(tmp_path / "images" / "val" / "b.png", b"no picture")
    data = yolo.read(path)
    assert len(data.records[1].boxes) == 1
    assert data.records[1].size == (0, 0)
    assert any("cannot be read" in note and "b.txt" in note for note in data.notes)


def test_turned_photos_have_the_size_that_people_see(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    image.new("RGB", (400, 200)).save(tmp_path / "images" / "a.jpg", exif=exif)
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.25 1 0.5")
    write(tmp_path / "data.yaml", "val: images\nnames: [red]\n")
    (one,) = yolo.read(tmp_path / "data.yaml").records
    assert one.size == (400, 200)
    assert one.boxes.tolist() == [[0, 0, 200, 200]]


def test_names_that_are_equal_are_one_class(make: Make) -> None:
    data = yolo.read(make(row(2, B), "val: images/val\nnames: [red, green, ' RED']\n"))
    assert data.names == ("red", "green")
    assert found(data) == TRIO
    assert "1 name (2 RED) alike to an earlier one" in data.notes[0]


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("val: images/val\nnames: red", "found 'red' as names; expected a list"),
        ("val: images/val\nnc: 3", "found nothing as names; expected a list, or a mapping from numbers to names; nc alone"),
        ("val: images/val\nnames: []", "as names"),
        ("val: images/val\nnames: [red, '']", "class 1 is called ''"),
        ("val: images/val\nnames: [[red]]", "found a list as the name of class 0"),
        ("val: images/val\nnames: {red: 0}", "found 'red' as the number of a class"),
        ("val: images/val\nnames: {0: red, 00: green}", "class 0 stands twice"),
        ("val: images/val\nnames: {0: red, 0: green}", "line 2, column 17"),
        ("val: {a: b}\nnames: [red]", "found a mapping under val"),
        ("val: [[images/val]]\nnames: [red]", "found a list under val"),
        ("val: https://example.org/a.zip\nnames: [red]", "is an address"),
        ("val: data.yaml\nnames: [red]", "is a file; expected a folder"),
        ("val: labels\nnames: [red]", "in which there is no picture"),
        ("path: [a]\nval: images/val\nnames: [red]", "found a list under path"),
        ("val: images/*.gif\nnames: [red]", "is not there"),
        ("- a", "found a list; expected a mapping"),
        ("val: [", "line 1, column 7"),
        ("a: b\n\tc: d", "line 2, column 1"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_one_line(make: Make, yaml: str, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        yolo.read(make(yaml=yaml))
    assert said in str(caught.value)
    assert "data.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_that_lead_nowhere_are_refused(make: Make, tmp_path: Path) -> None:
    path = make(yaml="val: list.txt\nnames: [red]\n")
    for content, said in (
        (b"images/val/a.png\nlost/b.png\n", "1 of its 2 pictures cannot be found: lost/b.png"),
        (b"\xff\xff", "no text"),
        (b"", "0 of its 0"),
    ):
        write(tmp_path / "list.txt", content)
        with pytest.raises(DatasetError, match=said):
            yolo.read(path)


def test_a_set_without_any_labels_says_where_they_were_looked_for(make: Make, tmp_path: Path) -> None:
    path = make()
    for one in (tmp_path / "labels" / "val").iterdir():
        one.unlink()
    with pytest.raises(DatasetError) as caught:
        yolo.read(path)
    for part in ("none of the 3 pictures", os.path.join("labels", "val", "a.txt"), os.path.join("images", "val", "a.txt")):
        assert part in str(caught.value)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_as_labels_are_rows_or_named(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    marks, odd = read_rows(text, {0: 0, 1: 1}, (480, 640))
    assert len(marks) <= len([line for line in text.splitlines() if line.split()])
    assert all("\n" not in shown and row > 0 for _, row, shown in odd)


@given(st.lists(st.tuples(st.integers(0, 1), *[st.floats(0, 1)] * 4), max_size=8), st.integers(1, 4000), st.integers(1, 4000))
def test_rows_become_boxes_inside_the_picture_or_are_named(rows: list[tuple[float, ...]], height: int, width: int) -> None:
    text = "\n".join(" ".join(map(repr, one)) for one in rows)
    marks, odd = read_rows(text, {0: 0, 1: 1}, (height, width))
    left_out = [one for one in odd if "cut" not in one.what]
    assert len(marks) + len(left_out) == len(rows)
    for mark in marks:
        left, top, right, bottom = mark.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert mark.area == pytest.approx((right - left) * (bottom - top))
