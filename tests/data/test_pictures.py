"""Pictures are found where people keep them, and what is nowhere is named."""

import os
from pathlib import Path

import pytest

from wordbox.data.pictures import find_pictures, folders_of, place
from wordbox.errors import DatasetError


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("labels", "picture", "name"),
    [
        ("set/labels.json", "set/a.png", "a.png"),
        ("set/labels.json", "set/images/a.png", "a.png"),
        ("set/annotations/labels.json", "set/images/a.png", "a.png"),
        ("set/annotations/labels.json", "set/val/a.png", "val/a.png"),
        ("set/annotations/instances_val2017.json", "set/val2017/a.png", "a.png"),
        ("set/annotations/instances_val2017.json", "set/images/val2017/a.png", "a.png"),
        ("set/train.json", "set/train/a.png", "a.png"),
        ("set/labels.json", "set/val/north/a.png", "val/north/a.png"),
        ("set/labels.json", "set/val/north/a.png", "val\\north\\a.png"),
        ("set/labels.json", "set/val/a.png", "./val/a.png"),
        ("set/labels.json", "set/images/[1] 50% ü.png", "images/[1] 50% ü.png"),
    ],
)
def test_usual_places(tmp_path: Path, labels: str, picture: str, name: str) -> None:
    _touch(tmp_path / labels)
    expected = _touch(tmp_path / picture)
    (found,), notes = find_pictures(tmp_path / labels, [name])
    assert found.samefile(expected)
    assert notes == []


def test_relative_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _touch(tmp_path / "images/a.png")
    (tmp_path / "annotations").mkdir()
    monkeypatch.chdir(tmp_path / "annotations")
    for labels in ("labels.json", "../annotations/labels.json", "../labels.json"):
        (found,), _ = find_pictures(Path(labels), ["a.png"])
        assert found.samefile(expected)


def test_the_nearest_folder_wins(tmp_path: Path) -> None:
    near, _ = _touch(tmp_path / "set/a.png"), _touch(tmp_path / "images/a.png")
    assert find_pictures(tmp_path / "set/labels.json", ["a.png"])[0] == [near]


def test_absolute_names(tmp_path: Path) -> None:
    picture = _touch(tmp_path / "elsewhere/a.png")
    (tmp_path / "set").mkdir()
    assert find_pictures(tmp_path / "set/labels.json", [str(picture)])[0] == [picture]


def test_plain_names_are_the_last_resort_and_are_said(tmp_path: Path) -> None:
    picture = _touch(tmp_path / "images/a.png")
    found, notes = find_pictures(tmp_path / "labels.json", ["C:\\work\\photos\\a.png"])
    assert found == [picture]
    assert len(notes) == 1
    assert "C:\\work\\photos\\a.png" in notes[0]


def test_one_plain_name_never_stands_for_two_pictures(tmp_path: Path) -> None:
    _touch(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="2 of 2 pictures"):
        find_pictures(tmp_path / "labels.json", ["north/a.png", "south/a.png"])
    with pytest.raises(DatasetError, match=r"1 of 2 pictures.*south/a\.png"):
        find_pictures(tmp_path / "labels.json", ["a.png", "south/a.png"])


def test_lost_pictures_are_counted_and_named(tmp_path: Path) -> None:
    _touch(tmp_path / "images/here.png")
    names = ["here.png", *(f"lost{i}.png" for i in range(5))]
    with pytest.raises(DatasetError) as caught:
        find_pictures(tmp_path / "labels.json", names)
    message = str(caught.value)
    assert "5 of 6 pictures cannot be found: lost0.png, lost1.png, lost2.png and 2 more" in message
    for folder in folders_of(tmp_path / "labels.json"):
        assert str(folder) in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 5000, "line\nbreak.png", "\ud800.png", "", "images"])
def test_impossible_names_are_lost_pictures(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match="1 of 1 pictures") as caught:
        find_pictures(tmp_path / "labels.json", [name])
    assert str(caught.value).encode().count(b"\n") == 0


def test_place_says_both_paths_where_they_differ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = Path(os.path.abspath("labels.json"))
    assert place(absolute) == str(absolute)
    assert place(Path("labels.json")) == f"labels.json ({absolute})"
