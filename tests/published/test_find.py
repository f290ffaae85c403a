import dataclasses
import hashlib
import sys
from pathlib import Path

import pytest

from wordbox.errors import WeightsError
from wordbox.published import find as module
from wordbox.published.entries import ENTRIES
from wordbox.published.find import cache_folder, find, locate, path_of, places

CONTENT = b"weights"


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An empty current folder, and a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def small(monkeypatch):
    """Known entries whose files are a few bytes: yolov5s of v7.0 and of v6.0."""
    made = dict(ENTRIES)
    for name, content in (("yolov5s@v7.0", CONTENT), ("yolov5s@v6.0", CONTENT * 2)):
        made[name] = dataclasses.replace(ENTRIES[name], bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    made["yolov5s"] = made["yolov5s@v7.0"]
    monkeypatch.setattr(module, "ENTRIES", made)


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refusal(call, *arguments):
    with pytest.raises(WeightsError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_name_is_that_of_the_last_tag():
    assert find("yolov5s") is find("yolov5s@v7.0")
    assert find("YOLOv5s@V3.1").tag == "v3.1"
    assert find("yolov5s6u").file == "yolov5s6u.pt"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("yolov5s.pt", "yolov5s"),
        ("yolo5s", "yolov5s"),
        ("yolov8nn", "yolov8n"),
        ("zebra", "such as yolov5s"),
        ("", "such as yolov5s"),
        ("yolov5n@v5.0", "v6.0, v6.1, v6.2, v7.0"),
        ("yolov5s@", "yolov5s"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name, said):
    assert said in refusal(find, name)


def test_a_file_beside_comes_before_the_cache(small):
    kept = put(places(find("yolov5s"))[1])
    assert locate(module.find("yolov5s")) == kept
    beside = put(Path("yolov5s.pt"))
    assert path_of("yolov5s") == beside
    assert path_of("yolov5s@v7.0") == beside


def test_a_file_that_is_nowhere_is_told_where_to_be_had(small, tmp_path):
    message = refusal(path_of, "yolov5s")
    for part in (
        "https://github.com/ultralytics/yolov5/releases/download/v7.0/yolov5s.pt",
        "AGPL-3.0",
        "7 bytes",
        str(tmp_path / "here"),
        str(tmp_path / "cache" / "yolov5" / "v7.0" / "yolov5s.pt"),
    ):
        assert part in message
    assert locate(module.find("yolov5s")) is None


def test_a_folder_of_that_name_is_no_file(small):
    Path("yolov5s.pt").mkdir()
    assert locate(module.find("yolov5s")) is None


@pytest.mark.parametrize("content", [b"", b"other..", CONTENT[:3]])
def test_another_file_of_that_name_is_refused_and_told_how_to_be_used(small, content, tmp_path):
    put(Path("yolov5s.pt"), content)
    message = refusal(path_of, "yolov5s")
    assert f"{len(content)} bytes" in message
    assert "yolov5s@v7.0" in message
    assert str(tmp_path / "here" / "yolov5s.pt") in message
    assert message.endswith(str(Path("./yolov5s.pt")) if sys.platform == "win32" else "./yolov5s.pt")


def test_a_file_of_another_release_is_named(small):
    put(Path("yolov5s.pt"), CONTENT * 2)
    assert "the file of yolov5s@v6.0" in refusal(path_of, "yolov5s")
    assert path_of("yolov5s@v6.0") == Path("yolov5s.pt")


def test_a_broken_file_in_the_cache_is_refused(small):
    kept = put(places(find("yolov5s"))[1], b"half")
    assert f"{kept}: found a file of 4 bytes" in refusal(path_of, "yolov5s")


def test_a_release_that_nobody_measured_is_not_taken_from_the_current_folder(small):
    put(Path("yolov5s.pt"), b"whose?")
    message = refusal(path_of, "yolov5s@v3.1")
    assert "may be another release's" in message
    kept = put(places(find("yolov5s@v3.1"))[1], b"whose?")
    assert path_of("yolov5s@v3.1") == kept


def test_a_file_without_known_facts_counts_under_the_plain_name():
    assert ENTRIES["yolov5x"].sha256 is None
    put(Path("yolov5x.pt"))
    assert path_of("yolov5x") == Path("yolov5x.pt")


def test_a_file_that_another_tag_is_known_by_is_not_taken_for_one_without_facts(small, monkeypatch):
    known = module.ENTRIES["yolov5s@v6.0"]
    assert module.find("yolov5s@v4.0").sha256 is None
    put(places(find("yolov5s@v4.0"))[1], CONTENT * 2)
    assert f"the file of {known.name}" in refusal(path_of, "yolov5s@v4.0")


def test_the_published_nano_is_recognised(shared, monkeypatch):
    weights = shared / "data" / "weights"
    put(Path("yolov5n.pt"), (weights / "yolov5n-v6.1-coco.pt").read_bytes())
    assert path_of("yolov5n") == Path("yolov5n.pt")
    put(Path("yolov5n.pt"), (weights / "yolov5n-v6.0-coco.pt").read_bytes())
    assert path_of("yolov5n@v6.0") == Path("yolov5n.pt")
    assert "the file of yolov5n@v6.0" in refusal(path_of, "yolov5n")


def test_a_file_whose_contents_changed_under_its_name_is_no_error():
    assert ENTRIES["yolov8s-worldv2"].seen
    put(Path("yolov8s-worldv2.pt"))
    assert path_of("yolov8s-worldv2") == Path("yolov8s-worldv2.pt")


def test_a_file_of_which_the_beginning_of_its_checksum_is_known_is_held_to_it(monkeypatch):
    entry = ENTRIES["yolo-world-s@v2.1"]
    assert entry.begins == "d1c1d7d8"
    put(Path(entry.file))
    assert "a sha256 that begins with d1c1d7d8" in refusal(path_of, "yolo-world-s")
    right = dataclasses.replace(entry, begins=hashlib.sha256(CONTENT).hexdigest()[:8])
    monkeypatch.setattr(module, "ENTRIES", ENTRIES | {"yolo-world-s": right, Path(entry.file).stem: right})
    assert path_of("yolo-world-s") == Path(entry.file)


def test_names_of_yolo_world_lead_to_its_publishers():
    assert "resolve/main/yolo_world_v2_m_obj365v1_goldg_pretrain-c6237d5b.pth" in refusal(path_of, "YOLO-World-m@v2")
    assert "(licence: GPL-3.0, 367,602,867 bytes)" in refusal(path_of, "yolo_world_v2_m_obj365v1_goldg_pretrain-c6237d5b")
    assert "(licence: AGPL-3.0)" in refusal(path_of, "yolov8x-world")
    assert "there are those of v1, v2, v2.1" in refusal(find, "yolo-world-s@v3")
    assert "yolov8s-worldv2" in refusal(find, "yolov8s-wordv2")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/elsewhere"}, Path("/elsewhere/wordbox")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path("/home/me/.cache/wordbox")),
        ("linux", {}, Path("/home/me/.cache/wordbox")),
        ("darwin", {"XDG_CACHE_HOME": "/elsewhere"}, Path("/home/me/Library/Caches/wordbox")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/wordbox")),
        ("win32", {}, Path("/home/me/AppData/Local/wordbox")),
        ("linux", {"WORDBOX_CACHE": "/mine", "XDG_CACHE_HOME": "/elsewhere"}, Path("/mine")),
        ("linux", {"WORDBOX_CACHE": ""}, Path("/home/me/.cache/wordbox")),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of another platform")
def test_every_platform_has_its_place_for_caches(monkeypatch, platform, variables, expected):
    for name in ("WORDBOX_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module.sys, "platform", platform)
    assert cache_folder() == expected


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_checksum_is_that_of_the_whole_file(tmp_path, size):
    (tmp_path / "a").write_bytes(b"x" * size)
    assert module.checksum(tmp_path / "a") == hashlib.sha256(b"x" * size).hexdigest()
