"""Hostile manifests in files of ours and in graphs: each is refused in one line, and nothing outside the file's folder is touched."""

import json

import numpy as np
import onnx
import pytest
from safetensors.numpy import save

import wordbox
from wordbox import api, opening
from wordbox.checkpoints import native
from wordbox.errors import WeightsError
from wordbox.manifest import KEY

LONG, ABOVE, SPLIT = "x" * 5000, "../x", "a\nb"
CASES = {
    "an encoder of a long name": {"words_from": {"name": LONG, "sha256": ""}},
    "an encoder of a name too long in bytes": {"words_from": {"name": "\u732b" * 90, "sha256": ""}},
    "an encoder above the folder": {"words_from": {"name": ABOVE, "sha256": ""}},
    "an encoder that is the folder above": {"words_from": {"name": "..", "sha256": ""}},
    "an encoder without a name": {"words_from": {"name": "", "sha256": ""}},
    "an encoder whose name breaks the line": {"words_from": {"name": SPLIT, "sha256": ""}},
    "an encoder whose name ends early": {"words_from": {"name": "x\0", "sha256": ""}},
    "an encoder that is a list": {"words_from": ["clip", ""]},
    "an encoder with more facts": {"words_from": {"name": "clip", "sha256": "", "path": "/x"}},
    "a partner of a long name": {"encoder": {"name": LONG, "sha256": ""}},
    "a partner above the folder": {"encoder": {"name": ABOVE, "sha256": ""}},
    "a partner in a folder of another system": {"encoder": {"name": "..\\x", "sha256": ""}},
    "a partner whose name breaks the line": {"encoder": {"name": SPLIT, "sha256": ""}},
    "a background that is nothing": {"background": 0},
    "a background that is an empty list": {"background": []},
    "a background that is false": {"background": False},
    "a background without end": {"background": "x" * 100_000},
    "a background of half a character": {"background": "\ud800"},
    "a spec whose words are counted in text": {"spec": {"phrases": "1"}},
    "a spec with folded words below nothing": {"spec": {"background": -1}},
}


@pytest.fixture
def hostile(worlds, tmp_path, monkeypatch):
    """Makes an open network, in a file of ours or as a graph, whose manifest is changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))

    def hostile(ending, change):
        path = worlds.native_file(tmp_path / "hostile.safetensors")
        arrays, facts = native.read(path)
        said = json.loads(facts.to_json())
        said |= {key: said[key] | value if key == "spec" else value for key, value in change.items()}
        if ending == ".safetensors":
            stored = {name: np.array(array, order="C") for name, array in arrays.items()}
            path.write_bytes(save(stored, metadata={KEY: json.dumps(said)}))
            return path
        graph = opening.read(path).graph()
        onnx.helper.set_model_props(graph, {KEY: json.dumps(said)})
        path.unlink()
        onnx.save(graph, path.with_suffix(".onnx"))
        return path.with_suffix(".onnx")

    return hostile


@pytest.mark.parametrize("ending", [".safetensors", ".onnx"])
@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_line(hostile, tmp_path, ending, name):
    path = hostile(ending, CASES[name])
    for call in (wordbox.load, lambda path: api.export(path, tmp_path / "out.onnx")):
        with pytest.raises(WeightsError) as caught:
            call(path)
        message = str(caught.value)
        assert message.isprintable()
        assert message.startswith(f"{path}: ")
        assert len(message) < 1000
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".safetensors", ".onnx"])
def test_the_seed_of_the_cases_is_sound(hostile, ending):
    assert wordbox.load(hostile(ending, {})).manifest.background == " "
