"""Checkpoints of YOLOv5, YOLOv8 and YOLO-World in our terms: arrays by our names, and a Manifest of what the file says."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wordbox.arrays import arrays
from wordbox.checkpoints import foreign
from wordbox.errors import WeightsError
from wordbox.manifest import Thresholds, from_metadata
from wordbox.variants import named, yolov5, yolov8

V1, OLD, PIP, ULTRALYTICS = {"v1": True, "kind": "Model"}, {"kind": "Model"}, {"package": "yolov5.models"}, {"package": "ultralytics"}
BEST = Path("runs/best.pt")


def refusal(call, *arguments, **options):
    with pytest.raises(WeightsError, match=r"^runs/best\.(pt|safetensors): ") as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def bare(found, **options):
    return foreign.state_dict(found, Path("runs/best.safetensors"), **options)


EVERYONE = [
    *(("yolov5s@v1.0", V1), ("yolov5s@v2.0", OLD), ("yolov5s@v3.1", OLD), ("yolov5s@v5.0", OLD), ("yolov5s6@v5.0", OLD), ("yolov5n", {})),
    *(("yolov5n6", {}), ("yolov5s-transformer", {}), ("yolov5s-leakyrelu", {}), ("yolov5s@v3.1", PIP | OLD), ("yolov5nu", ULTRALYTICS)),
    *(("yolov8n", ULTRALYTICS), ("yolov8n", ULTRALYTICS | {"flat": True}), ("yolov8n-p2", ULTRALYTICS), ("yolov8n-p6", ULTRALYTICS)),
]


@pytest.mark.parametrize(
    ("name", "how"), EVERYONE, ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values()))
)
def test_a_pickled_network_comes_out_as_its_spec_and_arrays(yolos, read, name, how):
    spec = replace(named(name, 6), norm_epsilon=0.002)
    spec = replace(spec, leak=0.2) if spec.activation == "LeakyReLU" else spec
    network = yolos.pickled(spec, **how)
    found = read(network)
    assert found.manifest.spec == spec
    assert {name: array.shape for name, array in found.arrays.items()} == {one.name: one.shape for one in arrays(spec)}
    assert all(found.arrays[ours] is network.arrays[theirs] for ours, theirs in found.called.items())
    assert found.manifest.names == tuple(f"thing {i}" for i in range(6))
    assert not found.manifest.open
    anchors = hasattr(spec.head, "anchors")
    assert found.manifest.thresholds == Thresholds(conf=0.25, iou=0.45 if anchors else 0.7)
    assert found.manifest.preprocessing.size == (1280 if spec.strides[-1] == 64 else 640)
    assert found.manifest.preprocessing.stride == spec.strides[-1]
    assert found.manifest.name == "best"
    assert "AGPL-3.0" in found.manifest.licence
    assert from_metadata(found.manifest.to_metadata(), "f") == found.manifest


@pytest.mark.parametrize("count", [0, 1, 79, 81])
def test_a_wrong_number_of_names_is_refused_with_both_numbers(yolos, read, count):
    network = yolos.changed(yolos.pickled(yolov5("n")), "", names=dict(enumerate("x" * count)))
    if count:
        said = refusal(read, network)
        assert f"{count} names" in said
        assert "80 classes" in said
    else:
        assert read(network).manifest.names == tuple(map(str, range(80)))


def test_a_network_without_names_gets_numbers_and_it_is_said(yolos, read, caplog):
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert read(yolos.changed(yolos.pickled(yolov5("n", classes=2)), "", names=None)).manifest.names == ("0", "1")
    assert "labels are numbers" in caplog.text


@pytest.mark.parametrize(
    ("facts", "size"),
    [
        ({"train_args": {"imgsz": 320}}, 320),
        ({"opt": {"imgsz": 512}}, 512),
        ({"train_args": {"imgsz": 600}}, 608),
        ({"train_args": {"imgsz": 320}, "opt": {"imgsz": 512}}, 320),
        *(({"train_args": value}, 640) for value in (None, [], "640", {"imgsz": True}, {"imgsz": 0}, {"imgsz": 10**9}, {"imgsz": "640"})),
        ({"opt": {"imgsz": [512, 512]}}, 640),
    ],
)
def test_the_size_is_the_one_it_was_trained_at(yolos, read, facts, size):
    assert read(yolos.pickled(yolov5("n"), **facts)).manifest.preprocessing.size == size


def test_what_the_file_says_of_itself_is_kept(yolos, read):
    facts = {"license": "AGPL-3.0 (https://ultralytics.com/license)", "version": "8.0.5", "date": "2023-01-10", "epoch": -1}
    found = read(yolos.pickled(yolov8("n"), **ULTRALYTICS, **facts)).manifest
    assert found.licence == facts["license"]
    assert found.origin == "a checkpoint of YOLOv8, version 8.0.5, date 2023-01-10"
    assert read(yolos.pickled(named("yolov5nu"), **ULTRALYTICS)).manifest.origin == "a checkpoint of YOLOv5u"
    assert read(yolos.pickled(yolov5("n"), date=7)).manifest.origin == "a checkpoint of YOLOv5"


def test_texts_that_are_no_utf8_or_several_lines_become_one_line(yolos, read):
    found = read(yolos.pickled(yolov8("n"), license="AGPL\n3\udce9", version="\ud800"), Path("caf\udce9.pt")).manifest
    assert (found.licence, found.name) == ("AGPL 3?", "caf?")
    found.to_json().encode()


@pytest.mark.parametrize(
    ("spec", "path", "change", "said"),
    [
        (yolov5("n"), "model.24", {"stride": [8, 16, 64]}, "its strides are [8, 16, 64], expected [8, 16, 32]"),
        (yolov5("n"), "model.24", {"stride": [16, 8, 16]}, "its strides are [8, 16, 16]"),
        (yolov5("n"), "model.9.m", {"kernel_size": 4}, "found pools of sides [4]"),
        (yolov5("n"), "model.2.cv1.bn", {"eps": 7.0}, "epsilons"),
        (yolov5("n"), "model.19", {"f": [-1, 14, 6]}, "a modified network: row 19"),
        (yolov5("n"), "model.4.m.0", {"kind": "models.common.CBAM"}, "models.common.CBAM"),
        (yolov5("n"), "", {"kind": "models.yolo.SegmentationModel"}, "segmentation"),
    ],
)
def test_what_the_modules_contradict_is_refused(yolos, read, spec, path, change, said):
    assert said in refusal(read, yolos.changed(yolos.pickled(spec), path, **change))


def test_other_pools_and_slopes_than_the_published_are_heard(yolos, read):
    spec = replace(yolov5("s", generation="v2.0", classes=2), leak=0.3, pool_sides=(3, 7, 11))
    assert read(yolos.pickled(spec)).manifest.spec == spec
    mish = replace(yolov5("n"), activation="Mish")
    assert read(yolos.pickled(mish)).manifest.spec == mish


def test_a_named_spec_must_agree_with_what_the_file_says(yolos, read):
    network = yolos.pickled(yolov5("s", generation="v3.1"))
    assert read(network, spec="YOLOv5s@V3.1").manifest.spec == yolov5("s", generation="v3.1")
    said = refusal(read, network, spec="yolov5s@v2.0")
    assert "the file itself says activation 'Hardswish'" in said
    assert "leave the spec 'yolov5s@v2.0' out" in said
    assert "it is no yolov5s@v7.0" in refusal(read, network, spec="yolov5s@v7.0")
    with pytest.raises(WeightsError, match="nearest are"):
        read(network, spec="yolov5q")


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, 10**5000, -(10**400)]),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.complex_numbers(),
    st.lists(st.integers(-1, 99) | st.floats() | st.text(max_size=3) | st.just([1, [2]]), max_size=4),
    st.dictionaries(st.integers(-1, 3) | st.text(max_size=2) | st.floats() | st.none(), st.text(max_size=3) | st.integers(), max_size=3),
    st.sampled_from([np.ones(3), np.zeros((0, 2)), np.array(["a"]), np.array([1j]), np.full(3, np.nan, np.float16), np.array(8)]),
)
FACTS = st.dictionaries(st.sampled_from(["train_args", "opt", "license", "version", "date"]), ODD | st.fixed_dictionaries({"imgsz": ODD}))
NETWORKS = ("yolov5n", "yolov5s@v3.1", "yolov8n-p2", "yolov5s-transformer")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(NETWORKS), facts=FACTS)
def test_nothing_but_our_error_ever_comes_of_odd_modules(yolos, read, data, name, facts):
    network = yolos.pickled(named(name, 3), **facts)
    own = {module.path: sorted(module.attributes) for module in network.modules if module.attributes and module.path.count(".") <= 3}
    for path in data.draw(st.lists(st.sampled_from(sorted(own)), max_size=3)):
        network = yolos.changed(network, path, **data.draw(st.dictionaries(st.sampled_from(own[path]), ODD, min_size=1)))
    try:
        found = read(network).manifest
        said = f"{BEST}: {from_metadata(found.to_metadata(), 'f') == found}"
    except WeightsError as error:
        said = str(error)
    assert said.startswith(f"{BEST}: ")
    assert not said.endswith("False")
    assert "\n" not in said


# -- bare arrays


@pytest.mark.parametrize("name", ["yolov5s@v3.1", "yolov5s@v2.0", "yolov5x@v3.0"])
def test_where_two_networks_fit_the_error_lists_them_and_the_spec_decides(yolos, name):
    found, size = yolos.published(named(name)), name[:7]
    said = refusal(bare, found)
    assert f"{size}@v2.0 and {size}@v3.1 both fit" in said
    assert "--spec" in said
    for answer, activation in ((f"{size}@v2.0", "LeakyReLU"), (f"{size}@v3.1", "Hardswish"), (f"{size.upper()}@V3.1", "Hardswish")):
        spec = bare(found, spec=answer).manifest.spec
        assert (spec.activation, spec.csp_activation) == (activation, "LeakyReLU")
    assert "stem is 'focus', expected 'conv'" in refusal(bare, found, spec=size)
    assert "csp is 'BottleneckCSP', expected 'C3'" in refusal(bare, found, spec=f"{size}@v5.0")


@pytest.mark.parametrize(
    "name",
    [
        *("yolov5n", "yolov5n6", "yolov5s@v5.0", "yolov5s6@v5.0", "yolov5s@v1.0", "yolov5s-transformer", "yolov5s-transformer@v5.0"),
        *("yolov5nu", "yolov5n6u", "yolov8n", "yolov8n-p2", "yolov8n-p6"),
    ],
)
def test_where_one_published_network_fits_it_is_taken_and_said(yolos, caplog, name):
    spec = named(name, 3)
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        found = bare(yolos.published(spec, v1=name.endswith("@v1.0")))
    assert found.manifest.spec == spec
    assert found.manifest.names == ("0", "1", "2")
    assert f"{spec.activation} is taken, as published" in caplog.text


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        (replace(yolov5("n"), widths=(8, 24, 40, 56, 88), repeats=(2, 2, 1, 1), neck_repeats=2), None),
        (replace(yolov5("s", generation="v3.1"), widths=(8, 24, 40, 56, 88)), "yolov5s@v3.1"),
        (replace(yolov5("s", generation="v3.1"), widths=(16, 32, 64, 128, 256)), "yolov5s@v3.1"),  # n, which came later
        (replace(yolov8("n"), widths=(8, 24, 40, 56, 88)), None),
        (replace(yolov5("n"), activation="LeakyReLU"), "yolov5n-LeakyReLU"),
    ],
)
def test_widths_and_depths_of_ones_own_load(yolos, spec, answer):
    assert bare(yolos.published(spec), spec=answer).manifest.spec == spec


def test_a_structure_that_was_never_published_is_refused_rather_than_guessed(yolos):
    said = refusal(bare, yolos.published(replace(yolov5("s"), csp="BottleneckCSP")))
    assert "no YOLOv5 was published with conv stem, BottleneckCSP" in said


def test_counters_and_buffers_of_tools_are_no_arrays_of_the_network(yolos):
    spec = named("yolov5s@v1.0")
    more = {"model.0.conv.bn.num_batches_tracked": np.array(7), "model.27.anchor_grid": np.ones((3, 1, 3, 1, 1, 2))}
    more |= {"model.0.total_ops": np.zeros(1), "total_params": np.zeros(1)}  # trap T19
    found = bare(yolos.published(spec, v1=True) | more)
    assert found.arrays.keys() == {one.name for one in arrays(spec)}


def test_arrays_that_nobody_wants_stay_for_the_error_or_are_named_and_left_out(yolos, caplog):
    spec = yolov5("n")
    found = yolos.published(spec) | {"model.24.extra.weight": np.zeros(3), "seen": np.zeros(1)}
    assert {"model.24.extra.weight", "seen"} <= bare(found).arrays.keys()
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert bare(found, strict=False).arrays.keys() == {one.name for one in arrays(spec)}
    assert "2 arrays that the network does not want are left out: model.24.extra.weight, seen" in caplog.text


def test_an_array_under_both_names_is_not_silently_one_of_them(yolos):
    assert "backbone.stem.conv.weight" in refusal(bare, yolos.published(yolov5("n")) | {"backbone.stem.conv.weight": np.zeros(1)})


def test_what_is_no_yolo_is_said(yolos):
    assert "it is no YOLO" in refusal(bare, {"layer1.0.conv1.weight": np.zeros((64, 3, 7, 7))})


def test_a_file_that_holds_a_state_dict_is_read_as_one(yolos, read):
    assert read(yolos.published(yolov8("n"))).manifest.spec == yolov8("n")
    assert "both fit" in refusal(read, yolos.published(yolov5("s", generation="v2.0")))
