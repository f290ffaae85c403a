import json
from dataclasses import FrozenInstanceError, replace

import pytest

from wordbox.errors import WeightsError
from wordbox.specs import ACTIVATIONS, DistributionHead, NanoSpec, Stage, from_dict, to_dict
from wordbox.variants import named, names, yolov5, yolov8

NARROW = NanoSpec(
    stem=8, stages=(Stage(width=8, blocks=1, stride=2), Stage(width=4, blocks=3, stride=2)), strides=(8, 16), leak=0.2, bins=17
)


TRANSFORMER = yolov5("n", transformer=True)


@pytest.mark.parametrize(
    "spec",
    [
        *(NanoSpec(), NARROW, replace(NARROW, strides=(16,), point=0.0, norm_epsilon=1e-3)),
        *(replace(yolov5("s", classes=3), activation=activation, leak=0.2, norm_epsilon=1e-5) for activation in ACTIVATIONS),
        *(replace(TRANSFORMER, head=DistributionHead(box_width=7, label_width=3, bins=5, depthwise=True)), yolov8("x", levels="p6")),
    ],
)
def test_a_spec_comes_back_through_json(spec):
    assert from_dict(json.loads(json.dumps(to_dict(spec))), "file") == spec


def test_a_spec_does_not_change():
    with pytest.raises(FrozenInstanceError):
        NanoSpec().neck = 64


@pytest.mark.parametrize(
    "change",
    [
        {"family": "yolov99"},
        {"family": None},
        {"family": ["nano"]},
        {"neck": 0},
        {"neck": -128},
        {"neck": 128.0},
        {"neck": "128"},
        {"neck": True},
        {"neck": 10**9},
        {"embedding": None},
        {"strides": []},
        {"strides": [8, 16, 33]},
        {"strides": [4, 8, 16]},
        {"strides": [4, 4, 8, 16, 32]},
        {"strides": "8"},
        {"strides": 8},
        {"stages": []},
        {"stages": 7},
        {"stages": [7]},
        {"stages": [{"width": 8}]},
        {"stages": [{"width": 8, "blocks": 10**9, "stride": 2}] * 4},
        {"stages": [{"width": 8, "blocks": 1, "stride": 2, "groups": 2}] * 4},
        {"point": "middle"},
        {"leak": float("nan")},
        {"leak": None},
        {"norm_epsilon": -1},
        {"depth": 3},
    ],
    ids=str,
)
def test_a_spec_that_cannot_be_is_refused_with_the_file(change):
    with pytest.raises(WeightsError, match=r"^folder/file: ") as caught:
        from_dict(to_dict(NanoSpec()) | change, "folder/file")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["family", "stages", "strides"])
def test_what_a_spec_must_say_is_missed(missing):
    fields = to_dict(NanoSpec())
    del fields[missing]
    with pytest.raises(WeightsError, match="file"):
        from_dict(fields, "file")


@pytest.mark.parametrize("spec", [NanoSpec(), named("yolov5s@v3.1"), named("yolov8n"), named("yolov8s-worldv2")], ids=lambda s: s.family)
def test_every_field_must_be_said_but_those_of_folded_words(spec):
    fields = to_dict(spec)
    for name in fields:
        less = {key: value for key, value in fields.items() if key != name}
        if name in ("phrases", "background"):
            assert from_dict(less, "file") == spec
        else:
            with pytest.raises(WeightsError, match="file"):
                from_dict(less, "file")


def test_every_published_network_comes_back_through_json():
    for name in names():
        assert from_dict(json.loads(json.dumps(to_dict(named(name)))), name) == named(name)


HEAD = {"kind": "distribution", "box_width": 64, "label_width": 80, "bins": 16, "depthwise": False}
YOLO_FAULTS = [
    *({"classes": value} for value in (0, -1, 10**9, 80.0, True, "80", None, [80], float("nan"))),
    *({"widths": value} for value in ([], [16], [16, 32, 64, 128], [16] * 12, [10**9] * 5, [16, 32, 64, 128, 1], [[16]] * 5, "16", 16)),
    *({"repeats": value} for value in ([1, 2, 2], [0, 1, 1, 1], [101, 1, 1, 1], [1] * 100, None)),
    *({"neck_repeats": value} for value in (0, 101, 65536, 10**12, "1")),
    *({"strides": value} for value in ([], [8], [32], [8, 16], [32, 16, 8], [8, 16, 32, 64], [2, 4, 8, 16, 32], [8.0, 16, 32], 8)),
    *({"pool_sides": value} for value in ([], [4], [0], [5, -5], [5] * 9, [5] * 10**4, [None], 5)),
    *({"activation": value} for value in ("GELU", "silu", "", None, ["SiLU"], {})),
    *({"leak": value} for value in (-0.1, 2, float("inf"), float("nan"), 10**400)),
    *({"norm_epsilon": value} for value in (-1, float("nan"), "0.001")),
    *({"head": value} for value in (None, [], {}, "anchor", {"kind": "anchor"}, {"kind": ["anchor"]}, {"kind": {}}, HEAD | {"bins": 0})),
    *({"head": HEAD | change} for change in ({"box_width": 10**9}, {"label_width": None}, {"depthwise": 1}, {"kind": "word"}, {"more": 1})),
    *({"telepathy": 1}, {"family": "yolov9"}, {"family": 5}),
]
V5_FAULTS = [
    *({"stem": value} for value in ("small", None, [])),
    *({"csp": "C2f"}, {"pool": "ASPP"}, {"pool_first": 1}, {"transformer": "yes"}, {"csp_activation": "Swish"}),
    *({"transformer": True, "widths": [16, 32, 64, 128, 252]},),
    *(
        {"head": {"kind": "anchor", "anchors": value}}
        for value in (
            *([], [[]], [[], [], []], [[[1, 1]]], [[[1, 1]]] * 2, [[[1, 1]], [[1, 1]], [[1, 1], [2, 2]]], [[[1, 1, 1]]] * 3, [[[1]]] * 3),
            *([[[0, 1]]] * 3, [[[-1, 1]]] * 3, [[[float("nan"), 1]]] * 3, [[[float("inf"), 1]]] * 3, [[["1", 1]]] * 3, [[[True, 1]]] * 3),
            *("anchors", None, [[[10**400, 1]]] * 3, [None] * 3),
        )
    ),
]


@pytest.mark.parametrize(
    ("base", "change"),
    [
        *((yolov8("n"), change) for change in YOLO_FAULTS),
        *((yolov5("n"), change) for change in YOLO_FAULTS + V5_FAULTS),
        *(
            (yolov8("n"), change)
            for change in ({"neck_csp": "C3"}, {"stem": "conv"}, {"head": {"kind": "anchor", "anchors": [[[1, 1]]] * 3}})
        ),
    ],
    ids=lambda value: value.family if hasattr(value, "family") else str(value)[:60],
)
def test_a_yolo_that_cannot_be_is_refused_with_the_file(base, change):
    with pytest.raises(WeightsError, match=r"^folder/file: ") as caught:
        from_dict(json.loads(json.dumps(to_dict(base) | change)), "folder/file")
    assert "\n" not in str(caught.value)


def test_lists_in_lists_without_end_are_refused():
    deep = []
    for _ in range(5000):
        deep = [deep]
    for field in ("head", "widths", "activation"):
        with pytest.raises(WeightsError, match="file"):
            from_dict(to_dict(yolov8("n")) | {field: deep}, "file")
