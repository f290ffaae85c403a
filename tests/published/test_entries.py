import re
import subprocess
import sys

import pytest

from wordbox import variants
from wordbox.published.entries import ENTRIES


def test_the_networks_that_people_ask_for_are_there():
    asked = [f"yolov5{size}{rest}" for size in "nsmlx" for rest in ("", "6", "u", "6u")] + [f"yolov8{size}" for size in "nsmlx"]
    old = [f"yolov5{size}@{tag}" for size in "smlx" for tag in ("v2.0", "v3.0", "v3.1", "v4.0", "v5.0", "v6.0", "v6.1", "v6.2")]
    assert not {*asked, *old} - set(ENTRIES)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_entry_is_whole(name):
    entry = ENTRIES[name]
    assert name in (entry.name, entry.file.removesuffix(".pt"))
    assert entry.name == f"{entry.file.removesuffix('.pt')}@{entry.tag}"
    assert re.fullmatch(
        r"https://github\.com/ultralytics/(yolov5|assets)/releases/download/v\d\.\d(\.\d)?/yolov[58][nsmlx]6?u?\.pt", entry.address
    )
    assert entry.address.endswith(f"/{entry.tag}/{entry.file}")
    assert "AGPL-3.0" in entry.licence
    assert entry.bytes is None or 3_000_000 < entry.bytes < 400_000_000
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert variants.named(entry.variant).family == (name[:6])


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
