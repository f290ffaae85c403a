"""Loading: the packaged model, files of ours, partners by checksum, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import wordbox
from wordbox import api
from wordbox.checkpoints import native
from wordbox.errors import EngineError, InputError, WeightsError
from wordbox.graphs import nano

MODELS = Path(wordbox.__file__).parent / "models"
PACKAGED = MODELS / "wordbox-nano.safetensors"


def test_a_copy_of_the_model_elsewhere_finds_its_encoder_in_the_package(tmp_path, photo, detector, assert_same):
    copy = shutil.copy(PACKAGED, tmp_path / "mine.safetensors")
    assert_same(wordbox.load(copy).detect(photo), detector.detect(photo))


def test_the_graph_as_a_file_is_the_model(tmp_path, photo, detector, assert_same):
    arrays, manifest = native.read(PACKAGED)
    onnx.save(nano.draw(manifest.spec, arrays, manifest.to_metadata(), "nano"), tmp_path / "nano.onnx")
    other = wordbox.load(tmp_path / "nano.onnx")
    assert other.manifest == detector.manifest
    assert_same(other.detect(photo, words="cup, red bus"), detector.detect(photo, words="cup, red bus"))


def test_an_encoder_with_another_checksum_is_refused(tmp_path):
    arrays, manifest = native.read(PACKAGED)
    wrong = replace(manifest, encoder=replace(manifest.encoder, sha256="0" * 64))
    native.write(tmp_path / "wrong.safetensors", arrays, wrong)
    with pytest.raises(WeightsError, match=manifest.encoder.name):
        wordbox.load(tmp_path / "wrong.safetensors")


def test_arrays_that_do_not_fit_are_listed_at_once(tmp_path):
    arrays, manifest = native.read(PACKAGED)
    del arrays["backbone.stem.bias"]
    arrays["head.stem.0.weight"] = np.zeros((1, 2, 3), np.float32)
    arrays["telepathy"] = np.zeros(1, np.float32)
    native.write(tmp_path / "broken.safetensors", arrays, manifest)
    with pytest.raises(
        WeightsError, match=r"(?s)broken\.safetensors.*missing backbone\.stem\.bias.*head\.stem\.0\.weight.*unexpected telepathy"
    ):
        wordbox.load(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("name", ["yolo99", "nowhere.safetensors", "nowhere.onnx", "model.pt"])
def test_what_is_no_model_is_named(name):
    with pytest.raises(WeightsError, match=name):
        wordbox.load(name)


def test_devices_are_checked():
    with pytest.raises(InputError, match="telepathy"):
        wordbox.load(device="telepathy")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(EngineError, match="CUDAExecutionProvider"):
            wordbox.load(device="cuda")


def test_without_synonyms_everything_is_left_to_meaning(photo):
    with_list, without = wordbox.load(), wordbox.load(synonyms=False)
    same, listed = with_list.detect(photo, words="cup"), with_list.detect(photo, words="teacup")
    assert same.scores == pytest.approx(without.detect(photo, words="cup").scores, abs=1e-4)
    assert listed.scores == pytest.approx(same.scores, abs=1e-4)
    assert len(without.detect(photo, words="teacup", conf=0.01, max_detections=1)) == 1
    assert without.detect(photo, words="teacup", conf=0.01, max_detections=1).scores < same.scores.max() - 1e-3


def test_describe_counts_what_the_specification_counts():
    facts = api.describe()
    closed = 3_786_068 - 3 * 80 * 129  # NanoDet-G (spec nano.md, section 2) without its class rows
    assert facts["parameters"] == closed + 3 * 256 * 129
    assert facts["size"] == [512, 512]
    # 4.18 GFLOP at 416 x 416 grow with the canvas; the rest are words.
    assert facts["flops"] == pytest.approx(4.18e9 * (512 / 416) ** 2, rel=0.05)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"open": False}, "of fixed classes"), ({"names": ()}, "lacks names"), ({"encoder": None}, "lacks the text encoder")],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(tmp_path, change, said):
    arrays, manifest = native.read(PACKAGED)
    native.write(tmp_path / "lying.safetensors", arrays, replace(manifest, **change))
    for call in (wordbox.load, api.describe):
        with pytest.raises(WeightsError, match=rf"lying\.safetensors.*{said}"):
            call(tmp_path / "lying.safetensors")


def test_a_graph_that_is_none_of_ours_is_refused_whatever_its_manifest_says(tmp_path):
    _, manifest = native.read(PACKAGED)
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [onnx.helper.make_tensor_value_info("y", 1, [1])]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.helper.set_model_props(model, manifest.to_metadata())
    onnx.save(model, tmp_path / "lying.onnx")
    with pytest.raises(WeightsError, match=r"lying\.onnx.*takes \['x'\]"):
        wordbox.load(tmp_path / "lying.onnx")


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_at_least_one(threads):
    with pytest.raises(InputError, match="threads"):
        wordbox.load(threads=threads)
