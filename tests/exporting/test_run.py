"""An export computes what its source does, says so of itself, and is there whole or not at all."""

import json
import os
import sys

import numpy as np
import onnx
import pytest

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.engines.openvino import OpenVinoEngine, runtime
from wordbox.errors import EngineError, InputError, MissingExtraError, WordboxError
from wordbox.exporting.run import export
from wordbox.exporting.verify import KEY
from wordbox.images.sources import find


@pytest.fixture(params=["model.onnx", "model.xml"])
def out(request, tmp_path):
    if request.param.endswith(".xml"):
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    return tmp_path / request.param


def opened(out):
    if out.suffix == ".xml":
        return OpenVinoEngine(out, where=out.name)
    return OnnxRuntimeEngine(out.read_bytes(), where=out.name)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_export_detects_what_its_source_does(packaged, out, manifest_of, assert_same):
    assert export(packaged.graph, out, nms="host", check=None) is None
    assert names(out.parent) == (["model.onnx"] if out.suffix == ".onnx" else ["model.bin", "model.xml"])
    engine = opened(out)
    assert manifest_of(engine) == packaged.manifest
    assert engine.inputs == packaged.engine().inputs
    assert engine.outputs == packaged.engine().outputs
    asked = {"words": ["cat", "woman", "space suit"], "conf": 0.1}
    found = packaged.over(engine).detect([photo.name for photo in packaged.photos], **asked)
    expected = packaged.over(packaged.engine()).detect([photo.name for photo in packaged.photos], **asked)
    assert sum(map(len, expected)) >= 2
    for one, other in zip(expected, found, strict=True):
        assert_same(one, other, pixels=1e-2, score=1e-3, conf=0.1)


@pytest.mark.parametrize("nms", ["host", "graph"])
def test_what_was_verified_stands_in_the_file(packaged, out, nms, manifest_of):
    verified = export(packaged.graph, out, nms=nms, check=packaged.check())
    assert verified.promised
    assert verified.compared > 100
    assert verified.photos == 2
    assert verified.against == "the reference"
    assert verified.engine.startswith("OpenVINO" if out.suffix == ".xml" else "ONNX Runtime")
    engine = opened(out)
    assert manifest_of(engine) == packaged.manifest
    assert json.loads(engine.metadata[KEY]) == {
        "boxes": verified.boxes,
        "scores": verified.scores,
        "unmatched": 0,
        "compared": verified.compared,
        "photos": 2,
        "engine": verified.engine,
        "against": "the reference",
    }
    assert ("iou" in engine.inputs) == (nms == "graph")


def test_an_onnx_is_valid_and_the_graph_that_was_given_stays_as_it_was(packaged, tmp_path):
    before = packaged.graph.SerializeToString(deterministic=True)
    export(packaged.graph, tmp_path / "a.onnx", nms="graph", check=packaged.check(packaged.photos[:1]))
    assert packaged.graph.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(str(tmp_path / "a.onnx"), full_check=True)


def test_suppression_in_the_graph_does_what_the_host_does(packaged, tmp_path):
    export(packaged.graph, tmp_path / "a.onnx", nms="graph", check=None)
    inside = opened(tmp_path / "a.onnx")
    canvas = np.stack([packaged.photos[0].read().pixels[:256, :256]])
    vectors = packaged.encoder.encode(packaged.manifest.names)[None]
    feeds = {
        "images": canvas,
        "words": vectors,
        "words_mask": np.ones(vectors.shape[:2], np.bool_),
        "conf": np.array(0.02, np.float32),
        "max_candidates": np.array([1000]),
    }
    before = packaged.engine().run(feeds)
    after, none = (inside.run(feeds | {"iou": np.array(iou, np.float32)}) for iou in (0.5, 1.0))
    assert after["candidates"] == none["candidates"] == before["count"] == none["count"]
    assert 0 < after["count"] < before["count"]
    assert all(np.array_equal(none[name], before[name]) for name in before)


def test_a_verification_of_before_does_not_outlive_a_new_export(packaged, tmp_path):
    export(packaged.graph, tmp_path / "a.onnx", nms="host", check=packaged.check(packaged.photos[:1]))
    export(onnx.load(tmp_path / "a.onnx"), tmp_path / "b.onnx", nms="host", check=None)
    assert set(opened(tmp_path / "b.onnx").metadata) == {"wordbox"}


def test_suppression_that_is_there_is_neither_doubled_nor_lost(packaged, tmp_path):
    export(packaged.graph, tmp_path / "a.onnx", nms="graph", check=None)
    again = onnx.load(tmp_path / "a.onnx")
    export(again, tmp_path / "b.onnx", nms="graph", check=None)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    with pytest.raises(InputError, match="suppression inside"):
        export(again, tmp_path / "c.onnx", nms="host", check=None)


def test_older_files_give_way_and_folders_are_made(packaged, out):
    out = out.parent / "new" / "folder" / out.name
    for _ in range(2):
        export(packaged.graph, out, nms="host", check=None)
        first = out.read_bytes()
    export(packaged.graph, out, nms="graph", check=None)
    assert out.read_bytes() != first
    assert opened(out).inputs["iou"].shape == ()


def test_what_fails_leaves_what_was_there(packaged, out):
    out.write_text("precious")
    foreign = onnx.ModelProto()
    foreign.CopyFrom(packaged.graph)
    foreign.graph.node[0].op_type = "Teleport"
    attempts = [(foreign, "host", packaged.check()), (packaged.graph, "sideways", None)]
    attempts.append((packaged.graph, "host", packaged.check(find([str(out.parent / "nowhere.jpg"), packaged.photos[0].name]).items)))
    for graph, nms, check in attempts:
        with pytest.raises(WordboxError) as caught:
            export(graph, out, nms=nms, check=check)
        assert isinstance(caught.value, EngineError | InputError)
        assert "\n" not in str(caught.value)
        assert names(out.parent) == [out.name]
        assert out.read_text() == "precious"


@pytest.mark.parametrize("stop", ["words", "model", None])
def test_a_partner_is_there_before_its_model_and_never_without_it(packaged, out, tmp_path, monkeypatch, stop):
    moved, real = [], os.replace

    def replace(source, target):
        moved.append(target.name)
        if target.stem == stop:
            raise PermissionError(13, "no")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    draft, place = tmp_path / "words.draft", tmp_path / "out" / out.name
    draft.write_text("words")
    if stop is None:
        export(packaged.graph, place, nms="host", check=None, partner=draft)
        assert names(place.parent) == sorted(moved)
        assert place.with_name(draft.name).read_text() == "words"
    else:
        with pytest.raises(InputError, match="cannot be written"):
            export(packaged.graph, place, nms="host", check=None, partner=draft)
        assert names(place.parent) == []
    assert moved[0] == draft.name


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(packaged, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"model\.onnx cannot be written \("):
        export(packaged.graph, tmp_path / "file" / "model.onnx", nms="host", check=None)


def test_an_xml_without_openvino_says_how_to_install_it(packaged, tmp_path, monkeypatch):
    runtime.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"wordbox\[openvino\]"):
        export(packaged.graph, tmp_path / "model.xml", nms="host", check=None)
    runtime.cache_clear()
    assert names(tmp_path) == []
