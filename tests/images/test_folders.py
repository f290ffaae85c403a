"""Folders and patterns lead to their pictures: in depth, in natural order, with what was passed over."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wordbox.images.folders import matches, natural_key, pictures_below

PNG = b"\x89PNG\r\n\x1a\n"
Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Writes files (name: bytes) into a temporary folder, which becomes the working folder."""

    def write(**files: bytes) -> Path:
        for name, data in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return write


def test_natural_order() -> None:
    names = ["img10.png", "img2.png", "IMG1.png", "a/z.png", "a/b/1.png", "img02.png", "9.png", "10.png"]
    wanted = ["9.png", "10.png", "a/b/1.png", "a/z.png", "IMG1.png", "img02.png", "img2.png", "img10.png"]
    assert sorted(names, key=natural_key) == wanted
    assert sorted([*names[5:], *names[:5]], key=natural_key) == wanted


def test_a_folder_is_searched_in_depth_and_by_content(tree: Tree) -> None:
    tree(
        **{
            "cam/img10.png": PNG, "cam/img2.png": PNG, "cam/day2/b.PNG": PNG, "cam/no_extension": PNG,
            "cam/broken.jpg": b"", "cam/phone.HEIC": b"?", "cam/._img2.png": b"\0\5\x16\7", "cam/.DS_Store": b"\0\0\0\1Bud1",
            "cam/Thumbs.db": b"\xd0\xcf\x11\xe0", "cam/notes.txt": b"BMW is blurred", "cam/.git/x.png": PNG,
            "cam/film.mp4": b"\0\0\0\x18ftypisom", "cam/page.html": b"<html>",
        }
    )  # fmt: skip
    pictures, skipped = pictures_below("cam")
    assert pictures == [f"cam/{n}" for n in ("broken.jpg", "day2/b.PNG", "img2.png", "img10.png", "no_extension", "phone.HEIC")]
    assert sorted(skipped) == sorted(["._img2.png", ".DS_Store", "Thumbs.db", "notes.txt", ".git", "film.mp4", "page.html"])


def test_links_are_followed_without_going_round(tree: Tree) -> None:
    root = tree(**{"cam/a.png": PNG, "elsewhere/b.png": PNG})
    (root / "cam/loop").symlink_to(root / "cam")
    (root / "cam/itself").symlink_to(root / "cam/itself")
    (root / "cam/other").symlink_to(root / "elsewhere")
    (root / "cam/gone.png").symlink_to(root / "nowhere.png")
    pictures, skipped = pictures_below("cam")
    assert pictures == ["cam/a.png", "cam/gone.png", "cam/other/b.png"]
    assert skipped == ["itself"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_left_alone(tree: Tree) -> None:
    root = tree(**{"cam/a.png": PNG})
    os.mkfifo(root / "cam/pipe.png")
    assert pictures_below("cam") == (["cam/a.png"], ["pipe.png"])


def test_what_cannot_be_opened_counts_so_that_it_is_reported(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(**{"cam/a.png": PNG, "cam/closed/b.png": PNG, "cam/secret": PNG})
    real_scan, real_open = os.scandir, open

    def scan(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real_scan(path)

    def closed(path: str, *how: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *how)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.setattr("builtins.open", closed)
    assert pictures_below("cam") == (["cam/a.png", "cam/closed", "cam/secret"], [])


def test_patterns(tree: Tree) -> None:
    tree(**{"g/p10.png": PNG, "g/p2.png": PNG, "g/q.png": PNG, "g/p.txt": b"words", "g/sub/p3.png": PNG, "[x] 1/p.png": PNG})
    assert matches("g/p*.png") == (["g/p2.png", "g/p10.png"], [])
    assert matches("g/p*") == (["g/p2.png", "g/p10.png"], ["g/p.txt"])
    assert matches("g/*") == (["g/p2.png", "g/p10.png", "g/q.png", "g/sub/p3.png"], ["g/p.txt"])
    assert matches("g/**/*.png") == (["g/p2.png", "g/p10.png", "g/q.png", "g/sub/p3.png"], [])
    assert matches("g/**") == (["g/p2.png", "g/p10.png", "g/q.png", "g/sub/p3.png"], ["g/p.txt"])
    assert matches("[x] 1/*.png") == (["[x] 1/p.png"], [])
    assert matches("g/*.tiff") == ([], [])
    assert matches("g/none.png") is None
