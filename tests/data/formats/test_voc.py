"""Pascal VOC's folders are read as people write them; hostile or broken files cost themselves alone."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.data.formats import voc, voc_xml
from wordbox.data.records import Dataset
from wordbox.errors import DatasetError

A, B = (96, 96, 180, 180), (320, 256, 448, 352)
SIZE = "<size><width>640</width><height>640</height><depth>3</depth></size>"
Make = Callable[..., Path]


def bndbox(box: tuple[float, ...], form: str = "{}") -> str:
    corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    return f"<bndbox>{''.join(f'<{name}>{form.format(value)}</{name}>' for name, value in corners)}</bndbox>"


def thing(name: str, box: tuple[float, ...], form: str = "{}", before: str = "", difficult: str = "0") -> str:
    return f"<object><name>{name}</name><difficult>{difficult}</difficult>{before}{bndbox(box, form)}</object>"


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


PICTURE = cv2.imencode(".png", np.zeros((640, 640), np.uint8))[1].tobytes()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a folder of three pictures a, b, c, of which a and b hold a red thing."""

    def make(a: str = SIZE + thing("red", A), b: str | bytes = SIZE + thing("red", B), c: str = SIZE, lists: bool = True) -> Path:
        for stem, body in (("a", a), ("b", b), ("c", c)):
            write(tmp_path / "JPEGImages" / f"{stem}.png", PICTURE)
            whole = body if isinstance(body, bytes) else f"<annotation><filename>{stem}.png</filename>{body}</annotation>\n"
            write(tmp_path / "Annotations" / f"{stem}.xml", whole)
        if lists:
            write(tmp_path / "ImageSets" / "Main" / "val.txt", "a\nb\nc\n")
        return tmp_path

    return make


def found(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        one.path.stem: [(data.names[label], box.tolist()) for label, box in zip(one.labels, one.boxes, strict=True)] for one in data.records
    }


TRIO = {"a": [("red", list(A))], "b": [("red", list(B))], "c": []}


def test_boxes_sizes_and_areas(make: Make) -> None:
    data = voc.read(make())
    assert found(data) == TRIO
    assert data.names == ("red",)
    assert {one.size for one in data.records} == {(640, 640)}
    assert data.records[1].areas.tolist() == [128 * 96]
    assert data.notes == ()


def test_decimal_corners(make: Make) -> None:
    b = tuple(side + 0.25 for side in B)
    data = voc.read(make(SIZE + thing("red", A, "{}.0"), SIZE + thing("red", b)))
    assert found(data) == {**TRIO, "b": [("red", list(b))]}


def test_without_objects_and_without_size(make: Make) -> None:
    data = voc.read(make(thing("red", A), thing("red", B), SIZE))
    assert found(data) == TRIO
    assert [one.size for one in data.records] == [(0, 0), (0, 0), (640, 640)]
    assert found(voc.read(make(c="<size><width>0</width><height/></size>"))) == TRIO


def test_only_an_objects_own_name_and_box_count(make: Make) -> None:
    part = f"<part><name>head</name>{bndbox((10, 10, 60, 60))}</part>"
    data = voc.read(make(b=SIZE + thing("red", B, before=part)))
    assert found(data) == TRIO
    assert data.names == ("red",)
    first = f"<object><part><name>head</name>{bndbox((10, 10, 60, 60))}</part><name>red</name>{bndbox(B)}</object>"
    assert found(voc.read(make(b=SIZE + first))) == TRIO


def test_difficult_objects_count_neither_way_and_are_said(make: Make) -> None:
    data = voc.read(make(b=SIZE + thing("red", B, difficult="1") + thing("red", A)))
    assert data.records[1].crowd.tolist() == [True, False]
    assert any("1 objects are marked difficult" in note for note in data.notes)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (thing("green", (181, 329, 181, 329)), "no area"),
        (thing("green", (50, 10, 20, 40)), "no area"),
        (thing("green", (700, 10, 800, 40)), "nothing of the box lies inside"),
        (thing(" ", A), "no name"),
        ("<object><name>green</name></object>", "bndbox is not"),
        ("<object><name>green</name><polygon><x1>3</x1></polygon></object>", "bndbox is not"),
        (thing("green", A, "wide"), "bndbox is not"),
        (thing("green", (1, 2, float("nan"), 5)), "bndbox is not"),
        (thing("green", (1, 2, float("inf"), 5)), "bndbox is not"),
        (thing("green", (1, 2, 1e30, 5)), "bndbox is not"),
    ],
)
def test_an_object_that_cannot_be_used_is_left_out_and_named(make: Make, bad: str, said: str) -> None:
    data = voc.read(make(b=SIZE + thing("red", B) + bad))
    assert found(data)["b"][:1] == TRIO["b"]
    assert len(data.records[1].boxes) == 1
    (note,) = data.notes
    assert said in note
    assert "b.xml" in note
    assert "\n" not in note


def test_boxes_beyond_the_picture_are_cut_and_said(make: Make) -> None:
    data = voc.read(make(b=SIZE + thing("red", (-1, 600, 641, 660))))
    assert found(data)["b"] == [("red", [0, 600, 640, 640])]
    assert "20 pixels" in data.notes[0]
    assert voc.read(make(b=SIZE + thing("red", (1, 600, 641, 640)))).notes == ()  # corners counted from 1


def test_names_are_sorted_and_equal_ones_are_one_class(make: Make) -> None:
    data = voc.read(make(b=SIZE + thing("zebra", B) + thing("ant", A) + thing("RED", A)))
    assert data.names == ("RED", "ant", "zebra")
    assert data.records[0].labels.tolist() == [0]
    assert any("one class" in note and "red" in note for note in data.notes)


HOSTILE = {
    "entities": b'<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>',
    "outside": b'<!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>',
    "utf-16": '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE annotation [<!ENTITY a "a">]><annotation>&a;</annotation>'.encode("utf-16"),
    "cut off": b"<annotation><object>",
    "empty": b"",
    "no XML": b"\x89PNG\r\n",
    "other": b"<svg/>",
    "encoding": b'<?xml version="1.0" encoding="klingon"?><annotation/>',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_cannot_be_read_costs_its_picture_alone_and_is_named(make: Make, kind: str) -> None:
    data = voc.read(make(b=HOSTILE[kind]))
    assert found(data) == {"a": TRIO["a"], "c": []}
    (note,) = data.notes
    assert "b.xml" in note
    assert "left out with their pictures" in note
    assert "\n" not in note


def test_deep_files_are_read_without_falling(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", b"<annotation>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</annotation>")
    assert voc_xml.read(tmp_path / "a.xml").things == []


def test_where_no_file_can_be_read_the_first_reason_is_given(make: Make, tmp_path: Path) -> None:
    home = make(b=HOSTILE["other"])
    for stem in "ac":
        write(home / "Annotations" / f"{stem}.xml", HOSTILE["cut off"])
    with pytest.raises(DatasetError, match=r"no annotation of val can be read; found .*a\.xml: line 1, column"):
        voc.read(home)


def test_without_lists_everything_is_read_and_said(make: Make) -> None:
    data = voc.read(make(lists=False))
    assert found(data) == TRIO
    assert any("no ImageSets/Main" in note for note in data.notes)


def test_splits_are_the_lists(make: Make) -> None:
    home = make()
    write(home / "ImageSets" / "Main" / "test.txt", "\ufeffc.png\r\na  1\r\nb -1\r\n")
    assert list(found(voc.read(home, "test"))) == ["c", "a", "b"]
    assert list(found(voc.read(home, "validation"))) == ["a", "b", "c"]
    with pytest.raises(DatasetError, match=r"has no train\.txt; found test, val"):
        voc.read(home, "train")


def test_xml_beside_pictures_and_a_folder_for_each_split(tmp_path: Path) -> None:
    for folder in ("train", "valid"):
        for stem, body in (("a", thing("red", A)), ("b", thing("red", B))):
            write(tmp_path / folder / f"{stem}.png", PICTURE)
            write(tmp_path / folder / f"{stem}.xml", f"<annotation><filename>{stem}.png</filename>{SIZE}{body}</annotation>")
    write(tmp_path / "valid" / "c.png", PICTURE)
    assert voc.is_layout(tmp_path)
    data = voc.read(tmp_path)
    assert found(data) == TRIO
    assert any("c.png" in note and "without an XML file" in note for note in data.notes)
    assert list(found(voc.read(tmp_path, "train"))) == ["a", "b"]
    assert found(voc.read(tmp_path / "valid")) == TRIO


def test_a_stale_file_name_is_no_matter_and_a_lost_picture_is(make: Make) -> None:
    home = make()
    text = (home / "Annotations" / "b.xml").read_text()
    write(home / "Annotations" / "b.xml", text.replace("b.png", "a.png"))
    assert found(voc.read(home)) == TRIO
    (home / "JPEGImages" / "b.png").rename(home / "JPEGImages" / "other.png")
    write(home / "Annotations" / "b.xml", text.replace("b.png", "C:\\pictures\\other.png"))
    assert found(voc.read(home))["other"] == TRIO["b"]
    (home / "JPEGImages" / "other.png").unlink()
    with pytest.raises(DatasetError, match="1 of 3 pictures cannot be found: b; looked in the folders"):
        voc.read(home)


def test_pictures_of_one_name_in_several_folders_keep_their_own_labels(tmp_path: Path) -> None:
    for folder, box in (("one", A), ("two", B)):
        write(tmp_path / "JPEGImages" / folder / "a.png", PICTURE)
        write(tmp_path / "Annotations" / folder / "a.xml", f"<annotation><filename>a.png</filename>{thing('red', box)}</annotation>")
    data = voc.read(tmp_path)
    assert [(one.path.parent.name, one.boxes.tolist()) for one in data.records] == [("one", [list(A)]), ("two", [list(B)])]
    write(tmp_path / "ImageSets" / "Main" / "val.txt", "a\n")
    with pytest.raises(DatasetError, match="1 of 1 pictures cannot be found: a"):
        voc.read(tmp_path)


@given(st.one_of(st.binary(max_size=200), st.text(alphabet="<>/abcdefgnotixy&;![] \n", max_size=120)))
def test_any_content_is_an_annotation_or_unusable(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.xml"
    write(path, content)
    with contextlib.suppress(voc_xml.UnusableXml):
        assert isinstance(voc_xml.read(path), voc_xml.Annotation)


def test_a_real_set_reads_whole(shared: Path) -> None:
    sets = {split: voc.read(shared / "data" / "bccd", split) for split in ("train", "val", "test")}
    assert [len(data.records) for data in sets.values()] == [205, 87, 72]
    assert [data.names for data in sets.values()] == [("Platelets", "RBC", "WBC")] * 3
    notes = [note for data in sets.values() for note in data.notes]
    assert len(notes) == 2
    assert all(any(f"BloodImage_00{number}.xml" in note and "no area" in note for note in notes) for number in (338, 343))
    assert os.sep in str(sets["val"].records[0].path)


def test_a_name_longer_than_any_file_has_is_a_picture_that_is_not_there(make: Make) -> None:
    folder = make()
    write(folder / "ImageSets" / "Main" / "val.txt", "a\n" + "x" * 300)
    with pytest.raises(DatasetError, match="1 of 2 pictures cannot be found"):
        voc.read(folder)
