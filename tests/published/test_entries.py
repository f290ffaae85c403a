import json
import re
import subprocess
import sys
from pathlib import PurePath

import pytest

from wordbox import variants
from wordbox.published.coco import NAMES
from wordbox.published.entries import ENTRIES, YOLO_WORLD, of_size

ULTRALYTICS = re.compile(
    r"https://github\.com/ultralytics/(yolov5|assets)/releases/download/v\d\.\d(\.\d)?/yolov[58][nsmlx]6?(u|-world(v2)?)?\.pt"
)
OFFICIAL = re.compile(r"https://huggingface\.co/wondervictor/YOLO-World(-V2\.1)?/resolve/main/[\w-]+-[0-9a-f]{8}\.pth")


def test_the_networks_that_people_ask_for_are_there():
    asked = [f"yolov5{size}{rest}" for size in "nsmlx" for rest in ("", "6", "u", "6u")] + [f"yolov8{size}" for size in "nsmlx"]
    old = [f"yolov5{size}@{tag}" for size in "smlx" for tag in ("v2.0", "v3.0", "v3.1", "v4.0", "v5.0", "v6.0", "v6.1", "v6.2")]
    world = [f"yolov8{size}-world{version}" for size in "smlx" for version in ("", "v2")]
    official = [f"yolo-world-{size}@{tag}" for size in "smlx" for tag in ("v1", "v2", "v2.1")]
    assert not {*asked, *old, *world, *official, "yolo-world-xl", "yolo-world-l-clip-large"} - set(ENTRIES)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_entry_is_whole(name):
    entry = ENTRIES[name]
    stem = PurePath(entry.file).stem
    assert name in (entry.name, entry.name.partition("@")[0], stem.lower())
    assert name == name.lower()
    if entry.family == "yolo-world":
        assert OFFICIAL.fullmatch(entry.address)
        assert entry.file.endswith(f"-{(entry.sha256 or entry.begins)[:8]}.pth")
        assert entry.licence == "GPL-3.0"
    else:
        assert entry.name == f"{stem}@{entry.tag}"
        assert ULTRALYTICS.fullmatch(entry.address)
        assert entry.address.endswith(f"/{entry.tag}/{entry.file}")
        assert "AGPL-3.0" in entry.licence
    for count, sha256 in ((entry.bytes, entry.sha256), *entry.seen):
        assert count is None or 3_000_000 < count < 700_000_000
        assert sha256 is None or re.fullmatch("[0-9a-f]{64}", sha256)
    spec = variants.named(entry.variant)
    assert spec.family == ("yolo_world" if "world" in entry.name else name[:6])


def test_the_authors_files_are_known_by_their_own_name_too():
    entry = ENTRIES["yolo_world_v2_s_obj365v1_goldg_pretrain-55b943ea"]
    assert entry is ENTRIES["yolo-world-s@v2"]
    assert (entry.variant, entry.bytes) == ("yolov8s-worldv2", 305_052_941)
    assert ENTRIES["yolo-world-s"] is ENTRIES["yolo-world-s@v2.1"]
    assert ENTRIES["yolo-world-l-clip-large-800"].variant == "yolov8l-worldv2-clip-large"
    assert ENTRIES["yolo-world-xl"].variant == "yolov8xl-worldv2"
    files = [entry.file for name, entry in ENTRIES.items() if entry.family == "yolo-world" and "@" in name]
    assert len(set(files)) == len(files) == sum(map(len, YOLO_WORLD.values()))


def test_files_of_changing_contents_are_recognised_by_each():
    names = {entry.name for size in (94_222_200, 94_224_632) for entry in of_size(size).values()}
    assert names == {"yolov8l-worldv2@v8.3.0"}
    assert ENTRIES["yolov8l-worldv2"].sha256 is None  # so that a third is no error
    assert of_size(14_808_437).popitem()[1].name.startswith("yolov5s@")
    assert of_size(1) == {}


def test_the_names_of_coco_are_the_published_list(shared):
    listed = (shared / "data" / "texts" / "coco_class_texts.json").read_text(encoding="utf-8")
    assert list(NAMES) == [first for first, *_ in json.loads(listed)]


def test_no_two_entries_of_one_checksum_differ_in_size_or_file():
    seen = {}
    for entry in ENTRIES.values():
        if entry.sha256:
            assert seen.setdefault(entry.sha256, (entry.bytes, entry.file)) == (entry.bytes, entry.file)


def test_looking_a_name_up_loads_nothing_heavy():
    code = (
        "import wordbox.published.find, sys; print({'numpy', 'cv2', 'onnx', 'onnxruntime', 'torch', 'urllib.request'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
