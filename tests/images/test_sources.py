"""Whatever a user names leads to named pictures, or to an error that says what was looked for."""

import io
import os
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordbox.errors import ImageError, SourceError
from wordbox.images.sources import Sources, find

RED = (230, 20, 20)
Tree = Callable[..., Path]


def png(colour: tuple[int, int, int] = RED) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Writes pictures (names) and files (name: bytes) into a temporary folder, which becomes the working folder."""

    def write(*pictures: str, **files: bytes) -> Path:
        for name, data in {**dict.fromkeys(pictures, png()), **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return write


def names(found: Sources) -> list[str]:
    return [item.name for item in found.items]


def test_one_file_is_single_and_can_be_read_again(tree: Tree) -> None:
    root = tree("a.png")
    for given in ("a.png", Path("a.png"), str(root / "a.png"), (root / "a.png").as_uri()):
        found = find(given)
        assert found.single
        assert names(found) == [str(given)]
        assert found.items[0].path is not None
        assert found.items[0].file_name == "a.png"
        assert (found.items[0].read().pixels == RED).all()
        assert (found.items[0].read().pixels == RED).all()


def test_a_folder_is_a_list_with_a_note(tree: Tree) -> None:
    tree(
        "cam/one10.png",
        "cam/one2.png",
        "cam/day2/four.png",
        **{"cam/notes.txt": b"third one is blurred\n", "cam/._one2.png": b"\0\5\x16\7", "cam/bad.jpg": b""},
    )
    for given in ("cam", "cam/", Path("cam")):
        found = find(given)
        assert not found.single
        assert [name.replace("//", "/") for name in names(found)] == ["cam/bad.jpg", "cam/day2/four.png", "cam/one2.png", "cam/one10.png"]
        assert found.notes == (f"{given}: skipped 2 files that are hidden or no pictures: ._one2.png, notes.txt",)
        with pytest.raises(ImageError, match=r"cam/+bad\.jpg is empty"):
            found.items[0].read()
        assert (found.items[1].read().pixels == RED).all()


def test_a_folder_of_one_picture_is_a_list(tree: Tree) -> None:
    tree("cam/a.png")
    assert not find("cam").single


def test_names_with_pattern_characters_are_taken_literally(tree: Tree) -> None:
    tree("[cam 1] north/50% off.png", "[cam 1] north/a+b & c.png", "[cam 1] north/x[1].png", "c/x.png")
    assert names(find("[cam 1] north")) == [f"[cam 1] north/{n}" for n in ("50% off.png", "a+b & c.png", "x[1].png")]
    assert find("[cam 1] north/x[1].png").single
    assert names(find("[cam 1] north/*.png")) == names(find("[cam 1] north"))


def test_patterns_give_lists_in_natural_order(tree: Tree) -> None:
    root = tree("glob/p10.png", "glob/p2.png", "glob/q1.png", "glob/deep/p3.png", **{"glob/p.txt": b"words"})
    assert names(find("glob/p*.png")) == ["glob/p2.png", "glob/p10.png"]
    assert names(find("glob/**/p*.png")) == ["glob/deep/p3.png", "glob/p2.png", "glob/p10.png"]
    assert not find("glob/q*.png").single
    assert find("glob/p*").notes == ("glob/p*: skipped 1 file that is hidden or no picture: glob/p.txt",)
    with pytest.raises(SourceError, match=r"no picture at 'glob/\*\.tiff' \(.*glob/\*\.tiff\)"):
        find("glob/*.tiff")
    with pytest.raises(SourceError, match=r"found 1 file that is hidden or no picture: .*glob/p\.txt"):
        find(str(root / "glob/*.txt"))


def test_a_missing_path_is_named_as_written_and_as_resolved(tree: Tree) -> None:
    root = tree("a.png")
    with pytest.raises(SourceError) as caught:
        find("photos/../b.png")
    assert "'photos/../b.png'" in str(caught.value)
    assert f"({root / 'b.png'})" in str(caught.value)
    for broken in ("a\0b.png", "a\0*.png", "x" * 5000, ""):
        with pytest.raises(SourceError):
            find(broken)


def test_an_empty_folder_is_an_error(tree: Tree) -> None:
    root = tree(**{"cam/notes.txt": b"words"})
    (root / "void").mkdir()
    with pytest.raises(SourceError, match="no picture at 'void'"):
        find("void")
    with pytest.raises(SourceError, match=r"no picture at 'cam' .*notes\.txt"):
        find("cam")
    with pytest.raises(SourceError, match="the list of pictures is empty"):
        find([])


def test_a_list_keeps_its_order_and_what_is_missing_is_an_entry(tree: Tree) -> None:
    tree("a/img.png", "b/img.png", "cam/1.png", "cam/2.png")
    array = np.zeros((4, 6, 3), np.uint8)
    given: list[Any] = [
        "a/img.png",
        "gone.png",
        "b/img.png",
        "*.tiff",
        "cam",
        array,
        png(),
        Image.new("RGB", (6, 4)),
        7,
        np.zeros((2, 4, 6), np.float32),
    ]
    found = find(given)
    assert not found.single
    assert names(found) == [
        "a/img.png", "gone.png", "b/img.png", "*.tiff", "cam/1.png", "cam/2.png", "array 6", "bytes 7", "image 8", "int 9", "array 10"
    ]  # fmt: skip
    assert len(set(names(found))) == len(found.items)
    broken = {1: "gone.png", 3: r"\*\.tiff", 9: "builtins.int", 10: "array 10 has shape"}
    for index, item in enumerate(found.items):
        if index in broken:
            with pytest.raises((SourceError, ImageError), match=broken[index]):
                item.read()
            with pytest.raises((SourceError, ImageError)):
                item.read()
        else:
            assert item.read().pixels.shape == (4, 6, 3)
    assert not find(["a/img.png"]).single
    assert names(find(path for path in ("a/img.png", Path("b/img.png")))) == ["a/img.png", "b/img.png"]
    assert names(find(np.array(["a/img.png", "b/img.png"]))) == ["a/img.png", "b/img.png"]


def test_arrays(tree: Tree) -> None:
    pixels = np.full((4, 6, 3), RED, np.uint8)
    for array, colour in ((pixels, "rgb"), (pixels[..., ::-1], "bgr")):
        found = find(array, colour=colour)  # type: ignore[arg-type]
        assert found.single
        assert names(found) == ["array 0"]
        assert (found.items[0].read().pixels == RED).all()
    stack = find(np.stack([pixels, pixels // 2]), colour="rgb")
    assert not stack.single
    assert names(stack) == ["array 0", "array 1"]
    assert (stack.items[1].read().pixels == np.array(RED) // 2).all()
    with pytest.raises(SourceError, match="holds no picture"):
        find(np.zeros((0, 4, 6, 3), np.uint8))


def test_bytes_and_pillow_images_are_single() -> None:
    for given in (png(), bytearray(png()), memoryview(png()), Image.open(io.BytesIO(png()))):
        found = find(given)  # type: ignore[arg-type]
        assert found.single
        assert (found.items[0].read().pixels == RED).all()


def test_one_pillow_image_in_many_threads() -> None:
    image = Image.open(io.BytesIO(png()))
    items = find([image] * 8).items
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda item=item: seen.append(bool((item.read().pixels == RED).all()))) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 8


@pytest.mark.parametrize("given", [None, 0, 1.5, {"a": 1}, {"a.png"}, object(), io.BytesIO(b"x")])
def test_what_cannot_be_a_picture(given: object) -> None:
    with pytest.raises(SourceError, match=rf"cannot take a picture from \w+\.{type(given).__qualname__}; expected a path"):
        find(given)  # type: ignore[arg-type]


def test_standard_input_is_read_once_and_kept() -> None:
    stream = io.BytesIO(png())
    found = find("-", stdin=stream)
    assert found.single
    assert names(found) == ["-"]
    assert stream.read() == b""
    assert (found.items[0].read().pixels == RED).all()
    assert (found.items[0].read().pixels == RED).all()
    twice = find(["-", "-"], stdin=io.BytesIO(png()))
    assert (twice.items[1].read().pixels == RED).all()
    with pytest.raises(ImageError, match=r"standard input \(-\) is empty"):
        find("-", stdin=io.BytesIO()).items[0].read()


def test_list_files(tree: Tree) -> None:
    lines = b"\xef\xbb\xbfshots/shot 3.png\r\n\r\n# a comment\r\n./shots/shot 1.png  \r\ngone.png\r\nshots\r\nmore.txt\r\nhttp://127.0.0.1:1/x.png\r\n"
    root = tree("list/shots/shot 1.png", "list/shots/shot 3.png", **{"list/pick.txt": lines, "list/more.txt": b"shots/shot 1.png\n"})
    found = find("list/pick.txt")
    shots = ["list/shots/shot 1.png", "list/shots/shot 3.png"]
    assert not found.single
    assert names(found) == [shots[1], shots[0], "list/gone.png", *shots, "list/more.txt", "http://127.0.0.1:1/x.png"]
    assert all((found.items[i].read().pixels == RED).all() for i in (0, 1, 3, 4))
    with pytest.raises(SourceError, match=r"gone\.png.*named in list/pick\.txt"):
        found.items[2].read()
    with pytest.raises(SourceError, match=r"pick\.txt names another list"):
        found.items[5].read()
    absolute = root / "abs.txt"
    absolute.write_text(f"{root}/list/shots/shot 1.png\n")
    assert names(find("abs.txt")) == [f"{root}/list/shots/shot 1.png"]


def test_list_files_that_are_none(tree: Tree) -> None:
    tree("picture.txt", **{"void.txt": b"\n# nothing\n", "latin.txt": b"caf\xe9.png\n"})
    assert find("picture.txt").single, "the bytes decide"
    with pytest.raises(SourceError, match=r"void\.txt names nothing"):
        find("void.txt")
    with pytest.raises(SourceError, match=r"latin\.txt is no UTF-8 text"):
        find("latin.txt")


@pytest.mark.parametrize("address", ["rtsp://camera/1", "ftp://host/x.png", "s3://bucket/x.png", "data:image/png;base64,AAAA"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(SourceError, match="expected a path, or an address of http, https or file"):
        find(address)


def test_a_file_address_of_another_machine() -> None:
    with pytest.raises(SourceError, match="'server'"):
        find("file://server/x.png")


def test_web_addresses(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree("red bus.png", **{"page.png": b"<html>sign in</html>"})
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        host = f"http://127.0.0.1:{server.server_address[1]}"
        found = find(f"{host}/red%20bus.png?token=a%2Fb&w=1")
        assert found.single
        assert names(found) == [f"{host}/red%20bus.png?token=a%2Fb&w=1"]
        assert found.items[0].file_name == "red bus.png"
        assert (found.items[0].read().pixels == RED).all()
        with pytest.raises(ImageError, match=rf"{host}/page\.png is a web page"):
            find(f"{host}/page.png").items[0].read()
        with pytest.raises(SourceError, match=rf"{host}/gone\.png: the server answered 404"):
            find(f"{host}/gone.png").items[0].read()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("http://host/a/b.jpg?x=/c.png", "b.jpg"),
        ("http://host/", "host"),
        ("http://host/a%2F..%2Fb.png", "a_.._b.png"),
        ("HTTP://host/..", "picture"),
    ],
)
def test_file_names_of_addresses_stay_in_their_folder(address: str, wanted: str) -> None:
    assert find(address).items[0].file_name == wanted


def test_the_home_folder(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree("a.png")
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("USERPROFILE", str(root))
    assert find("~/a.png").items[0].read().pixels.shape == (4, 6, 3)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_no_text_can_still_be_shown(tree: Tree) -> None:
    root = tree("cam/a.png")
    os.rename(root / "cam/a.png", os.fsencode(root) + b"/cam/\xff.png")
    found = find("cam")
    found.items[0].name.encode()
    assert found.items[0].read().pixels.shape == (4, 6, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_read_once_and_kept(tree: Tree) -> None:
    root = tree()
    os.mkfifo(root / "pipe")
    writer = threading.Thread(target=(root / "pipe").write_bytes, args=(png(),))
    writer.start()
    found = find("pipe")
    writer.join()
    assert found.single
    assert (found.items[0].read().pixels == RED).all()
    assert (found.items[0].read().pixels == RED).all()


def test_nothing_is_read_before_it_is_asked_for(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(*(f"cam/{i}.png" for i in range(50)))
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    assert len(find("cam").items) == 50
