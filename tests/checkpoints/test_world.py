"""YOLO-Worlds are told by shapes in both layouts, heard when pickled, and read whole from either."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox.arrays import arrays
from wordbox.checkpoints import foreign, identify, testimony, world
from wordbox.checkpoints.word_vectors import WordVectors
from wordbox.errors import WeightsError
from wordbox.layers import layers
from wordbox.manifest import Thresholds, from_metadata
from wordbox.published.coco import NAMES
from wordbox.variants import named, yolo_world

ULTRALYTICS = {"package": "ultralytics", "kind": "WorldModel"}
PUBLISHED = [
    *(f"yolov8{size}-world{version}" for size in "nsmlx" for version in ("", "v2")),
    *("yolov8xl-worldv2", "yolov8l-worldv2-clip-large", "yolov8l-world-clip-large"),
]
BEST, OFFICIAL = Path("runs/best.pt"), Path("runs/best.pth")
SMALL = replace(yolo_world("n"), widths=(8, 8, 64, 128, 64), embedding=16)
SMALL_V1 = replace(SMALL, version="v1", pooled_width=32)


def refusal(call, *arguments, **options):
    with pytest.raises(WeightsError, match=r"^runs/best\.pth?: ") as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def bare(found, **options):
    return foreign.state_dict(found, OFFICIAL, **options)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_network_is_known_by_its_shapes_in_both_layouts(yolos, name):
    spec = named(name)
    assert identify.structure(yolos.published(spec), "f") == identify.Structure(spec, v1=False)
    assert world.of_official(yolos.official(spec), "f") == spec


@pytest.mark.parametrize("spec", [SMALL, SMALL_V1, replace(SMALL, repeats=(2, 1, 3, 1), neck_repeats=4)])
def test_widths_and_depths_of_ones_own_are_read_from_the_shapes(yolos, spec):
    assert identify.structure(yolos.published(spec), "f").spec == spec
    assert bare(yolos.official(spec)).manifest.spec == spec


@pytest.mark.parametrize("name", ["yolov8s-world", "yolov8s-worldv2", "yolov8l-worldv2-clip-large"])
def test_a_pickled_network_comes_out_as_its_spec_and_arrays(yolos, read, name):
    spec = replace(named(name), norm_epsilon=0.002)
    names = dict(enumerate(NAMES))
    network = yolos.pickled(spec, names=names, version="8.1.21", **ULTRALYTICS)
    network = yolos.changed(network, f"model.{len(layers(spec)) - 1}.cv4.0", training=False)
    for path in [module.path for module in network.modules if module.kind.endswith("BatchNorm2d")]:
        network = yolos.changed(network, path, eps=0.002)
    found = read(network)
    assert found.manifest.spec == spec
    assert {name: array.shape for name, array in found.arrays.items()} == {one.name: one.shape for one in arrays(spec)}
    facts = found.manifest
    assert (facts.names, facts.open, facts.background, facts.encoder) == (NAMES, True, " ", None)
    assert facts.thresholds == Thresholds(conf=0.1, iou=0.7)
    assert facts.preprocessing.size == 640
    assert facts.origin == f"a checkpoint of YOLO-World {spec.version}, version 8.1.21"
    assert "AGPL-3.0 as Ultralytics does" in facts.licence
    assert found.words is None
    assert found.text == {}
    assert from_metadata(facts.to_metadata(), "f") == facts


@pytest.mark.parametrize("name", ["yolov8n-world", "yolov8n-worldv2"])
def test_the_numbers_that_stand_alone_may_stand_in_a_list(yolos, name):
    network = yolos.published(named(name))
    listed = {key: array.reshape(1) if array.shape == () else array for key, array in network.items()}
    assert any(array.shape == () for array in network.values())
    assert {key: array.shape for key, array in bare(listed).arrays.items()} == {one.name: one.shape for one in arrays(named(name))}


def unit(count, width, dtype=np.float32):
    vectors = np.random.default_rng(0).normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(dtype)[None]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_vectors_that_are_unit_vectors_of_the_names_are_given_out(yolos, read, dtype):
    vectors = unit(3, 16, dtype)
    found = read(yolos.changed(yolos.pickled(SMALL, names=["cat", "dog", "red bus"], **ULTRALYTICS), "", txt_feats=vectors))
    assert isinstance(found.words, WordVectors)
    assert found.words.names == found.manifest.names == ("cat", "dog", "red bus")
    assert found.words.vectors.dtype == np.float32
    assert np.array_equal(found.words.vectors, vectors[0].astype(np.float32))


def test_a_blank_name_is_background(yolos, read):
    vectors = unit(3, 16)
    found = read(yolos.changed(yolos.pickled(SMALL, names=["cat", "dog", " "], **ULTRALYTICS), "", txt_feats=vectors))
    assert found.manifest.names == found.words.names == ("cat", "dog")
    assert np.array_equal(found.words.vectors, vectors[0, :2])
    assert np.array_equal(found.words.background, vectors[0, 2])
    nameless = read(yolos.changed(yolos.pickled(SMALL, names=[""], **ULTRALYTICS), "", txt_feats=vectors[:, :1]))
    assert (nameless.manifest.names, nameless.words) == (NAMES, None)


def test_the_modules_are_those_of_published_files(yolos):
    kinds = {kind.rpartition(".")[2] for kind in (module.kind for module in yolos.pickled(named("yolov8s-worldv2"), **ULTRALYTICS).modules)}
    assert kinds == {
        *("WorldModel", "Conv", "Concat", "C2f", "Bottleneck", "SPPF", "C2fAttn", "MaxSigmoidAttnBlock", "DFL", "BNContrastiveHead"),
        *("WorldDetect", "Sequential", "ModuleList", "Conv2d", "BatchNorm2d", "SiLU", "MaxPool2d", "Upsample", "Linear", "Identity"),
    }  # spec yolo-world.md, section 7.4
    first = {kind.rpartition(".")[2] for kind in (module.kind for module in yolos.pickled(named("yolov8s-world"), **ULTRALYTICS).modules)}
    assert first - kinds == {"ImagePoolingAttn", "ContrastiveHead", "LayerNorm", "AdaptiveMaxPool2d"}


def test_random_numbers_of_a_fresh_network_are_nobodys_vectors(yolos, read, caplog):
    fresh = np.random.default_rng(0).normal(size=(1, 3, 16)).astype(np.float32)
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        found = read(yolos.changed(yolos.pickled(SMALL, names=["a", "b", "c"], **ULTRALYTICS), "", txt_feats=fresh))
    assert found.words is None
    assert caplog.text == ""


def test_vectors_of_another_number_than_the_names_are_left_out_and_it_is_said(yolos, read, caplog):
    network = yolos.changed(yolos.pickled(SMALL, names=["a", "b"], **ULTRALYTICS), "", txt_feats=unit(3, 16))
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert read(network).words is None
    assert "vectors of 3 words and 2 names" in caplog.text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((unit(3, 32), "words of 16"), (unit(3, 16)[0], "txt_feats [3, 16]"), (np.zeros((1, 0, 16)), "txt_feats [1, 0, 16]")),
        *(([1.0], "txt_feats list"), (np.full((1, 2, 16), np.nan), "not finite"), (np.zeros((1, 2, 16), np.int64), "int64")),
        (np.zeros((2, 2, 16), np.float32), "txt_feats [2, 2, 16]"),
    ],
)
def test_vectors_of_another_shape_are_refused(yolos, read, value, said):
    network = yolos.changed(yolos.pickled(SMALL, names=["a", "b"], **ULTRALYTICS), "", txt_feats=value)
    assert said in refusal(read, network)


def test_a_network_without_names_looks_for_those_of_coco(yolos, read, caplog):
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert read(yolos.changed(yolos.pickled(SMALL, **ULTRALYTICS), "", names=None)).manifest.names == NAMES
        assert bare(yolos.published(SMALL)).manifest.names == NAMES
        assert bare(yolos.official(SMALL)).manifest.names == NAMES
    assert caplog.text == ""


@pytest.mark.parametrize("spec", [SMALL, SMALL_V1], ids=lambda spec: spec.version)
def test_the_published_wiring_is_heard(yolos, spec):
    network = yolos.pickled(spec, **ULTRALYTICS)
    heard = testimony.hear(network, "f")
    assert (heard.activation, heard.epsilon, heard.strides, heard.pool_sides) == ("SiLU", 0.001, (8, 16, 32), (5,))
    testimony.check_wiring(network, layers(spec), "f")
    absolute = yolos.changed(network, "model.16", f=15) if spec.version == "v2" else network
    testimony.check_wiring(absolute, layers(spec), "f")  # the row before, by its number


@pytest.mark.parametrize(
    ("spec", "path", "change", "said"),
    [
        (SMALL, "model.12.attn", {"hc": 16}, "model.12.attn has the hc 16, expected 32"),
        (SMALL, "model.12.attn", {"scale": 2.0}, "the scale 2.0"),
        *((SMALL, "model.12.attn", {"scale": odd}, "the scale") for odd in (float("nan"), "1", True, 10**400, [[1]])),
        (SMALL, "model.15.attn.proj_conv.act", {"kind": "torch.nn.modules.activation.SiLU"}, "expected none behind the convolution"),
        (SMALL, "model.22.cv4.0", {"kind": "ultralytics.nn.modules.block.ContrastiveHead"}, "expected BNContrastiveHead"),
        (SMALL_V1, "model.23.cv4.0", {"kind": "ultralytics.nn.modules.block.BNContrastiveHead"}, "expected ContrastiveHead"),
        (SMALL_V1, "model.16", {"k": 2}, "the k 2, expected 3"),
        (SMALL_V1, "model.16", {"f": [15, 12, 8]}, "row 16 takes rows [15, 12, 8], expected [15, 12, 9]"),
        (SMALL_V1, "model.16.key.0", {"eps": 0.001}, "the eps 0.001, expected 1e-05"),
        (SMALL_V1, "model.16.im_pools.0", {"output_size": (2, 2)}, "the output_size (2, 2), expected 3"),
        (SMALL, "model.15", {"kind": "ultralytics.nn.modules.block.C2f"}, "row 15 is a C2f, expected C2fAttn"),
        (SMALL, "model.12.m.0", {"add": True}, "model.12.m.0 has a shortcut"),
        (SMALL, "model.22.cv4.0.norm", {"eps": 1e-5}, "epsilons"),
        (SMALL, "model.0.act", {"kind": "torch.nn.modules.linear.Identity"}, "an activation behind every convolution (model.0.act)"),
        (SMALL, "", {"kind": "ultralytics.nn.tasks.DetectionModel"}, "do not belong together"),
        (SMALL, "model.22", {"kind": "ultralytics.nn.modules.head.Detect"}, "do not belong together"),
    ],
)
def test_what_is_wired_otherwise_is_refused(yolos, read, spec, path, change, said):
    assert said in refusal(read, yolos.changed(yolos.pickled(spec, **ULTRALYTICS), path, **change))


def test_parts_of_yolo_world_are_foreign_in_other_networks(yolos, read):
    network = yolos.changed(
        yolos.pickled(named("yolov8n"), package="ultralytics"), "model.10", kind="torch.nn.modules.normalization.LayerNorm"
    )
    assert "LayerNorm" in refusal(read, network)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a | {"model.16.query.1.weight": np.ones((32, 16))}, "mixes two networks"),
        (lambda a: {k: v for k, v in a.items() if ".cv4.0.norm" not in k}, "neither v1's model.16.query.1.weight nor v2's"),
        (lambda a: a | {"model.23.cv2.0.0.conv.weight": np.ones(1)}, "neither v1's"),
        (lambda a: {k: v for k, v in a.items() if not k.startswith("model.3.")}, "model.3.conv.weight is missing"),
        (lambda a: a | {"model.3.conv.weight": np.zeros((48, 8, 3, 3), np.float32)}, "expected heads of 32"),
    ],
)
def test_what_is_no_whole_yolo_world_is_told(yolos, change, said):
    assert said in refusal(bare, change(yolos.published(SMALL)))


def test_a_named_spec_must_be_the_files(yolos):
    assert bare(yolos.published(named("yolov8n-worldv2")), spec="yolov8n-worldv2").manifest.spec == named("yolov8n-worldv2")
    assert "widths is" in refusal(bare, yolos.published(named("yolov8n-worldv2")), spec="yolov8s-worldv2")
    assert "family yolo_world" in refusal(bare, yolos.official(named("yolov8n-worldv2")), spec="yolov8n")


def test_arrays_that_nobody_wants_stay_for_the_error_or_are_named_and_left_out(yolos, caplog):
    for found in (yolos.published(SMALL), yolos.official(SMALL)):
        more = found | {"telepathy": np.zeros(1)}
        assert "telepathy" in bare(more).arrays
        assert bare(more, strict=False).arrays.keys() == {one.name for one in arrays(SMALL)}
    assert caplog.text.count("telepathy") == 2


def test_the_published_file_is_covered_exactly(shared, yolos):
    listed = json.loads((shared / "data" / "weights" / "yolov8s-worldv2.manifest.json").read_text(encoding="utf-8"))
    shapes = {one["name"]: tuple(one["shape"]) for one in listed["tensors"] if one["kind"] != "attribute"}
    network = {name: np.broadcast_to(np.float16(0), shape) for name, shape in shapes.items()}
    found = bare(network)
    spec = named("yolov8s-worldv2")
    assert found.manifest.spec == spec
    assert {name: array.shape for name, array in found.arrays.items()} == {one.name: one.shape for one in arrays(spec)}
    counted = [name for name in shapes if name.endswith("num_batches_tracked")]
    assert len(shapes) == len(found.arrays) + len(counted)
    learned = sum(array.size for name, array in found.arrays.items() if not name.endswith((".mean", ".variance", "head.bins")))
    assert learned + 16 == listed["params"] == 12_759_880  # the bins of the box head are counted there
