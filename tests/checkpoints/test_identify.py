"""Which network arrays belong to: every published one from its names and shapes, and what is none."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordbox import variants
from wordbox.checkpoints import identify
from wordbox.errors import WeightsError
from wordbox.specs import DistributionHead
from wordbox.variants import named, yolov5, yolov8

UNSAID = {"activation": "SiLU"}  # shapes cannot tell


def refusal(arrays):
    with pytest.raises(WeightsError, match=r"^folder/best\.pt: ") as caught:
        identify.structure(arrays, "folder/best.pt")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", variants.names()[1:])
def test_every_published_network_is_known_by_its_shapes(yolos, name):
    spec, v1 = named(name), name.endswith("@v1.0")
    assert identify.structure(yolos.published(spec, v1=v1), "f") == identify.Structure(replace(spec, **UNSAID), v1)


@pytest.mark.parametrize(
    "spec",
    [
        *(yolov5("s", classes=1), yolov5("x", classes=365), yolov5("s", classes=20, p6=True), yolov5("m", generation="v3.1", classes=2)),
        yolov5("s", p6=True, classes=251),  # trap T20
        replace(yolov8("n", classes=64), widths=(64, 32, 64, 128, 256)),
        replace(yolov8("n", classes=512), widths=(16, 32, 64, 512, 256)),
        *(yolov8("n", classes=1), yolov8("s", classes=600, levels="p2"), yolov8("m", classes=3, levels="p6")),
        replace(yolov8("n", classes=601), head=DistributionHead(box_width=64, label_width=601)),  # trap T13
        replace(yolov8("n"), head=replace(yolov8("n").head, depthwise=True)),  # trap T14
        replace(yolov8("n"), head=replace(yolov8("n").head, bins=8)),
        replace(yolov5("n"), widths=(8, 24, 40, 56, 88), repeats=(5, 7, 2, 3), neck_repeats=4),
        replace(yolov8("n"), widths=(8, 24, 40, 56, 88), repeats=(5, 7, 2, 3), neck_repeats=4),
    ],
    ids=lambda spec: f"{spec.family}-{spec.classes}-{spec.widths[0]}",
)
def test_other_classes_widths_and_quirks_are_read_from_the_shapes(yolos, spec):
    assert identify.structure(yolos.published(spec), "f").spec == replace(spec, **UNSAID)


@pytest.mark.parametrize("name", ["yolov5n", "yolov5n6", "yolov5s@v1.0"])
def test_anchors_of_their_own_come_out_in_pixels_finest_first(yolos, name):
    rng = np.random.default_rng(0)
    spec, v1 = named(name), name.endswith("@v1.0")
    cells = rng.uniform(0.5, 10, (len(spec.strides), 5, 2)).astype(np.float16)
    spec = replace(spec, head=replace(spec.head, anchors=tuple(tuple(map(tuple, level)) for level in np.ones((len(cells), 5, 2)).tolist())))
    arrays = yolos.published(spec, v1=v1)
    arrays[f"model.{max(int(key.split('.')[1]) for key in arrays)}.anchors"] = cells[::-1] if v1 else cells  # traps T10, T16
    found = identify.structure(arrays, "f").spec
    expected = cells.astype(np.float64) * np.array(spec.strides).reshape(-1, 1, 1)
    assert np.array_equal(np.array(found.head.anchors), expected)
    assert found.classes == spec.classes


def test_without_their_buffer_the_published_anchors_are_taken_and_it_is_said(yolos, caplog):
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert identify.structure(yolos.published(yolov5("n"), anchors=False), "f").spec == yolov5("n")
    assert "model.24.anchors is missing" in caplog.text


@pytest.mark.parametrize(
    "buffer",
    [
        *(np.ones((2, 3, 2)), np.ones((3, 3)), np.ones((3, 3, 3)), np.ones((3, 0, 2)), np.zeros((3, 3, 2)), -np.ones((3, 3, 2))),
        *(np.full((3, 3, 2), np.nan), np.full((3, 3, 2), np.inf), np.ones((3, 3, 2), complex), np.ones((3, 3, 2), bool), np.array(1.0)),
        np.arange(6.0).reshape(1, 3, 2).repeat(3, 0),  # the placeholders before auto-anchor
    ],
    ids=lambda buffer: f"{buffer.dtype}{buffer.shape}",
)
def test_anchors_that_are_none_are_refused(yolos, buffer):
    assert "anchor" in refusal(yolos.published(yolov5("n"), anchors=False) | {"model.24.anchors": buffer})


def renamed(arrays, start, end):
    return {re.sub(rf"^{re.escape(start)}", end, name): array for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: {}, "found 0 arrays"),
        (lambda a: renamed(a, "model.", "backbone."), r"expected names such as model\.0\.conv\.weight"),
        (lambda a: renamed(a, "model.24.", "model.31."), "modified network: its head is row 31.*24, 27, 33"),
        (lambda a: {k: v for k, v in a.items() if not k.startswith("model.24.")}, "last row, 23, is the head of no YOLO"),
        (lambda a: {k: v for k, v in a.items() if k != "model.0.conv.weight"}, r"model\.0\.conv\.weight is missing"),
        (lambda a: {k: v for k, v in a.items() if k != "model.5.conv.weight"}, r"model\.5\.conv\.weight is missing"),
        (lambda a: a | {"model.0.conv.weight": np.zeros(())}, r"model\.0\.conv\.weight has shape \[\]"),
        (lambda a: a | {"model.0.conv.weight": np.zeros((0, 3, 6, 6))}, r"has shape \[0, 3, 6, 6\]"),
        (lambda a: a | {"model.13.m.9999.cv1.conv.weight": np.zeros(1)}, "at most 100 repeats"),
        (lambda a: a | {"model.4.m.101.cv1.conv.weight": np.zeros(1)}, "at most 100 repeats"),
        (lambda a: a | {"model.9999.x": np.zeros(1)}, "last row, 9999"),
        (lambda a: a | {"model.0.conv.weight": np.broadcast_to(np.float32(0), (10**6, 3, 6, 6))}, "from 1 to 65536"),
        (lambda a: a | {"model.24.m.0.weight": np.broadcast_to(np.float32(0), (10**7, 64, 1, 1))}, "from 1 to 65536"),
        (lambda a: a | {"model.24.proto.cv1.conv.weight": np.zeros(1)}, "these weights are for segmentation"),
    ],
)
def test_what_is_no_known_network_is_told_apart(yolos, change, said):
    assert re.search(said, refusal(change(yolos.published(yolov5("n")))))


def test_all_telling_kernels_that_are_missing_are_named_at_once(yolos):
    lacking = {"model.0.conv.weight", "model.3.conv.weight", "model.22.cv3.0.2.weight", "model.12.cv1.conv.weight"}
    said = refusal({name: array for name, array in yolos.published(yolov8("n")).items() if name not in lacking})
    assert all(f"{name} is missing" in said for name in lacking)


def test_other_tasks_of_yolov8_are_named(yolos):
    assert "oriented boxes" in refusal(yolos.published(yolov8("n")) | {"model.22.cv4.0.0.conv.weight": np.zeros(1)})


def test_an_endless_number_in_a_name_is_no_row(yolos):
    spec = yolov5("n")
    assert identify.structure(yolos.published(spec) | {f"model.{'9' * 5000}.x": np.zeros(1)}, "f").spec == spec


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolov5s", ["yolov5s@v7.0"]),
        ("yolov5m6", ["yolov5m6@v7.0"]),
        ("yolov5s6@v5.0", ["yolov5s6@v5.0"]),
        ("yolov5l@v4.0", ["yolov5l@v5.0"]),
        ("yolov5x@v3.0", ["yolov5x@v2.0", "yolov5x@v3.1"]),
        ("yolov5x@v1.0", ["yolov5x@v1.0"]),
        ("yolov5s-transformer", ["yolov5s-transformer@v7.0"]),
        ("yolov5s-transformer@v5.0", ["yolov5s-transformer@v5.0"]),
        ("yolov5su", []),
        ("yolov8n", []),
    ],
)
def test_candidates_are_published_names_one_for_each_activation(yolos, name, expected):
    found = identify.structure(yolos.published(named(name), v1=name.endswith("@v1.0")), "f")
    assert identify.candidates(found) == expected
    for candidate in expected:
        assert identify.decided(found.spec, candidate, "f") == named(candidate)


def test_a_size_that_a_generation_never_had_is_somebodys_own(yolos):
    spec = replace(yolov5("n"), stem="focus", csp="BottleneckCSP", pool="SPP", pool_sides=(5, 9, 13), pool_first=True)
    found = identify.structure(yolos.published(spec), "f")
    assert identify.published_size(found.spec) is None
    assert identify.candidates(found) == ["yolov5s@v2.0", "yolov5s@v3.1"]
    assert identify.decided(found.spec, "yolov5s@v3.1", "f") == replace(spec, activation="Hardswish")


@pytest.mark.parametrize(
    ("found", "name", "said"),
    [
        ("yolov5s", "yolov5m", r"it is no yolov5m: widths is \(32, .*expected \(48, "),
        ("yolov5s@v5.0", "yolov5s", "stem is 'focus', expected 'conv'"),
        ("yolov5s", "yolov5s-transformer", "transformer is False, expected True"),
        ("yolov5s6", "yolov5s", "strides is"),
        ("yolov5s", "yolov5su", "the head has the kind 'anchor', expected 'distribution'"),
        ("yolov5s", "yolov8s", "family yolov5, and yolov8s is of the family yolov8"),
        ("yolov8s", "yolov8n", r"it is no yolov8n: widths is"),
        ("yolov8s", "yolov5s@v7.0", "family yolov8"),
        ("yolov8s", "wordbox-nano", "of the family nano"),
    ],
)
def test_a_wrong_name_is_told_what_differs(yolos, found, name, said):
    with pytest.raises(WeightsError, match=rf"^best\.pt: .*{said}") as caught:
        identify.decided(identify.structure(yolos.published(named(found)), "f").spec, name, "best.pt")
    assert "\n" not in str(caught.value)


def test_a_yolov8_may_be_named_too(yolos):
    spec = named("yolov8s-p2", 7)
    assert identify.decided(identify.structure(yolos.published(spec), "f").spec, "YOLOv8s-P2", "f") == spec


def test_widths_of_its_own_never_hide_another_head(yolos):
    spec = replace(yolov5("n"), widths=(8, 24, 40, 56, 88))
    with pytest.raises(WeightsError, match="head"):
        identify.decided(spec, "yolov5nu", "f")


KEPT = {
    name: named(name) for name in ("yolov5n", "yolov5s@v1.0", "yolov5s@v3.1", "yolov5n6", "yolov5nu", "yolov8n", "yolov8n-p2", "yolov8n-p6")
}
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 7, 64, 255, 10**5]), max_size=5).map(tuple)


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(KEPT)))
def test_nothing_but_our_error_ever_comes_of_odd_arrays(yolos, data, name):
    arrays = yolos.published(KEPT[name], v1=name.endswith("@v1.0"))
    told = [key for key in arrays if key.endswith(("conv.weight", ".weight", "anchors"))]
    for key in data.draw(st.lists(st.sampled_from(told), max_size=6)):
        arrays.pop(key, None)
    for key in data.draw(st.lists(st.sampled_from(told), max_size=6)):
        arrays[key] = np.broadcast_to(
            data.draw(st.sampled_from([np.float32(0), np.int8(3), np.bool_(True), np.float64("nan")])), data.draw(SHAPES)
        )
    if data.draw(st.booleans()):
        start, end = f"model.{data.draw(st.integers(0, 30))}.", f"model.{data.draw(st.integers(0, 34))}."
        arrays = renamed(arrays, start, end)
    try:
        said = f"f: {identify.candidates(identify.structure(arrays, 'f'))}"
    except WeightsError as error:
        said = str(error)
    assert said.startswith("f: ")
