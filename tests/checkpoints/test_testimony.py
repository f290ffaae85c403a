"""What pickled modules testify: every generation is heard rightly, and what is modified or foreign is named."""

from dataclasses import replace

import numpy as np
import pytest

from wordbox.checkpoints import testimony
from wordbox.checkpoints.modules import Module
from wordbox.errors import WeightsError
from wordbox.layers import layers, of_v1
from wordbox.specs import DistributionHead
from wordbox.variants import named, yolov5, yolov8

TORCH = "torch.nn.modules"
V1, PIP = {"v1": True, "kind": "Model"}, {"package": "yolov5.models"}
ULTRALYTICS = {"package": "ultralytics"}
EVERYONE = [
    *(("yolov5s@v1.0", V1), ("yolov5s@v2.0", {"kind": "Model"}), ("yolov5m@v3.1", {"kind": "Model"}), ("yolov5s@v4.0", {"kind": "Model"})),
    *(("yolov5s@v5.0", {"kind": "Model"}), ("yolov5s6@v5.0", {"kind": "Model"}), ("yolov5n@v6.0", {"kind": "Model"})),
    *(("yolov5n", {}), ("yolov5n6", {}), ("yolov5s-transformer", {}), ("yolov5s-transformer@v5.0", {}), ("yolov5n-leakyrelu", {})),
    *(("yolov5n", PIP), ("yolov5s@v3.1", PIP), ("yolov5nu", ULTRALYTICS), ("yolov5n6u", ULTRALYTICS)),
    *(("yolov8n", ULTRALYTICS), ("yolov8n", ULTRALYTICS | {"flat": True}), ("yolov8s-p2", ULTRALYTICS), ("yolov8s-p6", ULTRALYTICS)),
]
IDS = [f"{name}-{'-'.join(map(str, how.values()))}" for name, how in EVERYONE]


def refusal(call, *arguments):
    with pytest.raises(WeightsError, match=r"^best\.pt: ") as caught:
        call(*arguments, "best.pt")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "how"), EVERYONE, ids=IDS)
def test_every_generation_is_heard_and_has_the_published_wiring(yolos, name, how):
    spec = replace(named(name, 5), leak=0.17, norm_epsilon=0.004)
    network = yolos.pickled(spec, **how)
    heard = testimony.hear(network, "f")
    csp = getattr(spec, "csp", None) == "BottleneckCSP"
    assert heard == testimony.Testimony(
        activation=spec.activation,
        leak=0.17 if csp or spec.activation == "LeakyReLU" else None,
        csp_activation="LeakyReLU" if csp else None,
        epsilon=0.004,
        strides=spec.strides,
        names=tuple(f"thing {i}" for i in range(5)),
        pool_sides=spec.pool_sides,
    )
    rows = layers(spec)
    testimony.check_wiring(network, of_v1(rows) if "v1" in how else rows, "f")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((f"{TORCH}.activation.{one}", one) for one in ("SiLU", "Hardswish", "LeakyReLU", "Mish", "ReLU")),
        ("models.common.Hardswish", "Hardswish"),
        *(
            (f"utils.activations.{kind}", one)
            for kind, one in (("MemoryEfficientMish", "Mish"), ("Swish", "SiLU"), ("Hardswish", "Hardswish"))
        ),
    ],
)
def test_activations_are_known_by_every_name_that_files_give_them(yolos, kind, expected):
    network = yolos.pickled(yolov5("n"))
    modules = tuple(replace(module, kind=kind) if module.path.endswith(".act") else module for module in network.modules)
    assert testimony.hear(replace(network, modules=modules), "f").activation == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b", "c"], ("a", "b", "c")),
        (("a", "b", "c"), ("a", "b", "c")),
        ({0: "a", 1: "b", 2: "c"}, ("a", "b", "c")),
        ({2: "c", 0: "a", 1: "b"}, ("a", "b", "c")),  # trap T17
        ({"0": "a", "1": "b", "2": "c"}, ("a", "b", "c")),
        ({"10": "k", **{str(i): str(i) for i in range(10)}}, (*map(str, range(10)), "k")),
        ([0, 1.5, True], ("0", "1.5", "True")),
        (["猫", "\udce9", "two\nlines"], ("猫", "?", "two lines")),
        ([], None),
        ({}, None),
        (None, None),
        (7, None),
        ("person", None),
    ],
)
def test_names_are_lists_or_mappings_of_numbers(yolos, names, expected):
    network = yolos.changed(yolos.pickled(yolov5("n")), "", names=names)
    assert testimony.hear(network, "f").names == expected


@pytest.mark.parametrize(
    "names",
    [
        *({1: "a", 2: "b"}, {0: "a", 2: "b"}, {0: "a", "0": "b"}, {"person": 0}, {float("inf"): "a"}, {float("nan"): "a"}, {None: "a"}),
        *({(0,): "a"}, {10**5000: "a"}, {"9" * 5000: "a"}, {-1: "a"}),
    ],
    ids=lambda names: str(list(names))[:30] if 10**5000 not in names else "endless",
)
def test_mappings_that_are_no_numbering_are_refused(yolos, names):
    assert "names" in refusal(testimony.hear, yolos.changed(yolos.pickled(yolov5("n")), "", names=names))


@pytest.mark.parametrize("name", [10**5000, None, ["a"]], ids=["endless", "none", "list"])
def test_what_is_no_name_is_refused(yolos, name):
    assert "names" in refusal(testimony.hear, yolos.changed(yolos.pickled(yolov5("n")), "", names=["a", name]))


@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        (np.array([8, 16, 32], np.float16), (8, 16, 32)),
        ([32, 16, 8], (8, 16, 32)),
        ([8.0, 16.0], (8, 16)),
        (16, (16,)),
        (np.zeros(3), (8, 16, 32)),  # not yet set: the root says it
        ([], (8, 16, 32)),
        (None, (8, 16, 32)),
        (..., (8, 16, 32)),
    ],
    ids=str,
)
def test_strides_are_those_of_the_head_then_of_the_root(yolos, stride, expected):
    assert testimony.hear(yolos.changed(yolos.pickled(yolov5("n")), "model.24", stride=stride), "f").strides == expected


@pytest.mark.parametrize(
    "stride",
    [
        *(
            [8, [16, 32]],
            "8",
            ["8", "16"],
            {8: 1},
            [8.5, 16],
            [-8, 16],
            [0, 8, 16],
            [float("nan")] * 3,
            [float("inf")] * 3,
            [10**400],
            [10**5000],
        ),
        *(np.array([8j]), [1e30], True, b"8", {8}),
    ],
    ids=lambda stride: str(stride)[:20] if stride != [10**5000] else "endless",
)
def test_strides_that_are_no_whole_numbers_are_refused(yolos, stride):
    assert "strides" in refusal(testimony.hear, yolos.changed(yolos.pickled(yolov5("n")), "model.24", stride=stride))


def test_several_activations_are_refused_with_their_names(yolos):
    network = yolos.changed(yolos.pickled(yolov5("n")), "model.7.act", kind=f"{TORCH}.activation.ReLU")
    assert "SiLU, ReLU" in refusal(testimony.hear, network)
    leaky = yolos.changed(yolos.pickled(named("yolov5n-leakyrelu")), "model.7.act", negative_slope=0.3)
    assert "LeakyReLU of slope 0.1, LeakyReLU of slope 0.3" in refusal(testimony.hear, leaky)
    old = yolos.changed(yolos.pickled(yolov5("s", generation="v3.1")), "model.4.act", kind=f"{TORCH}.activation.Hardswish")
    assert "several activations" in refusal(testimony.hear, old)


def test_a_convolution_without_an_activation_is_refused(yolos):
    network = yolos.changed(yolos.pickled(yolov8("n"), package="ultralytics"), "model.9.cv1.act", kind=f"{TORCH}.linear.Identity")
    assert "model.9.cv1.act" in refusal(testimony.hear, network)
    none = yolos.pickled(yolov5("n"))
    none = replace(none, modules=tuple(module for module in none.modules if not module.path.endswith(".act")))
    assert "an activation behind every convolution" in refusal(testimony.hear, none)


def test_several_epsilons_are_refused_with_their_values(yolos):
    network = yolos.pickled(yolov5("n"))
    said = refusal(testimony.hear, yolos.changed(network, "model.3.bn", eps=1e-5))
    assert "0.001" in said
    assert "1e-05" in said


@pytest.mark.parametrize("eps", [..., None, "0.001", [], float("nan"), float("inf"), 10**400, {}, True, np.ones(3)], ids=str)
def test_an_epsilon_that_is_no_number_is_refused(yolos, eps):
    assert "epsilons" in refusal(testimony.hear, yolos.changed(yolos.pickled(yolov5("n")), "model.3.bn", eps=eps))


TASKS = [
    *(("yolov5n", {}, "SegmentationModel", "segmentation"), ("yolov5n", {}, "ClassificationModel", "classification")),
    *(("yolov8n", ULTRALYTICS, kind, task) for kind, task in (("SegmentationModel", "segmentation"), ("PoseModel", "pose estimation"))),
    *(("yolov8n", ULTRALYTICS, kind, task) for kind, task in (("OBBModel", "oriented boxes"), ("ClassificationModel", "classification"))),
    *(("yolov8n", ULTRALYTICS, kind, task) for kind, task in (("YOLOEModel", "YOLOE"), ("RTDETRDetectionModel", "RT-DETR"))),
]


@pytest.mark.parametrize(("name", "how", "kind", "task"), TASKS)
def test_another_task_is_named(yolos, name, how, kind, task):
    said = refusal(testimony.hear, yolos.pickled(named(name), kind=kind, **how))
    assert task in said
    assert "detection networks of YOLOv5, YOLOv8 and YOLO-World" in said


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        *(
            ("models.yolo.Segment", "segmentation"),
            ("yolov5.models.yolo.Segment", "segmentation"),
            ("models.common.Classify", "classification"),
        ),
        *(("ultralytics.nn.modules.head.Segment", "segmentation"), ("ultralytics.nn.modules.head.Pose", "pose")),
        ("ultralytics.nn.modules.head.OBB", "oriented boxes"),
        ("ultralytics.nn.modules.Segment", "segmentation"),
    ],
)
def test_another_task_is_known_by_its_head_too(yolos, kind, task):
    assert task in refusal(testimony.hear, yolos.changed(yolos.pickled(yolov5("n")), "model.24", kind=kind))


@pytest.mark.parametrize(
    "kind",
    [
        *("models.common.CBAM", "models.experimental.CrossConv", "models.experimental.GhostConv", "ultralytics.nn.modules.block.C3k2"),
        *("ultralytics.nn.modules.head.v10Detect", "timm.layers.SqueezeExcite", "torch.nn.modules.activation.Sigmoid", "mine.C3", "C3"),
        *("utils.activations.FReLU", "torchvision.ops.misc.FrozenBatchNorm2d", "models.common.AutoShape", "os.system"),
    ],
)
def test_foreign_modules_are_named(yolos, kind):
    network = yolos.changed(yolos.pickled(yolov5("n")), "model.4.m.0", kind=kind)
    assert kind in refusal(testimony.hear, network)


def test_losses_that_were_left_in_a_file_do_no_harm(yolos):
    network = yolos.pickled(yolov8("n"), package="ultralytics")
    left = [
        Module(f"criterion.{i}", kind, {}) for i, kind in enumerate(("ultralytics.utils.loss.BboxLoss", f"{TORCH}.loss.BCEWithLogitsLoss"))
    ]
    left.append(Module("criterion.2", "ultralytics.yolo.utils.loss.BboxLoss", {}))
    network = replace(network, modules=(*network.modules, *left))
    assert testimony.hear(network, "f").activation == "SiLU"
    testimony.check_wiring(network, layers(yolov8("n")), "f")


def test_a_network_has_one_head(yolos):
    network = yolos.pickled(yolov5("n"))
    assert "found 0 modules called Detect" in refusal(testimony.hear, yolos.changed(network, "model.24", kind="models.common.Concat"))
    assert "found 2 modules called Detect" in refusal(testimony.hear, yolos.changed(network, "model.19", kind="models.yolo.Detect"))


WIRING = [
    ("yolov5n", "model.19", {"f": [-1, 14, 6]}, r"row 19 takes rows [-1, 14, 6], expected [-1, 14]"),  # bifpn
    ("yolov5n", "model.12", {"f": [6, -1]}, "row 12 takes rows [6, -1]"),
    ("yolov5n", "model.24", {"f": [20, 17, 23]}, "row 24 takes rows"),
    ("yolov5n", "model.3", {"f": -2}, "row 3 takes rows -2, expected [-1]"),
    ("yolov5n", "model.3", {"f": [10**5000]}, "row 3 takes rows"),
    ("yolov5n", "model.2", {"kind": "ultralytics.nn.modules.block.C2"}, "row 2 is a C2, expected C3"),
    ("yolov5n", "model.9", {"kind": "models.common.SPP"}, "row 9 is a SPP, expected SPPF"),
    ("yolov5n", "model.2.m.0", {"add": False}, "model.2.m.0 lacks a shortcut"),
    ("yolov5n", "model.13.m.0", {"add": True}, "model.13.m.0 has a shortcut"),
    ("yolov8n", "model.12.m.0", {"add": True}, "model.12.m.0 has a shortcut"),
    ("yolov8n", "model.8.m.0", {"add": False}, "model.8.m.0 lacks a shortcut"),
    ("yolov5s@v5.0", "model.9.m.0", {"add": True}, "model.9.m.0 has a shortcut"),
    ("yolov5n", "model.11", {"mode": "bilinear"}, "row 11 enlarges 2.0 times, 'bilinear', expected 2 times, nearest"),
    ("yolov5n", "model.11", {"mode": np.ones(3)}, "row 11 enlarges"),
    ("yolov5n", "model.11", {"scale_factor": 4.0}, "row 11 enlarges 4.0 times"),
    ("yolov5n", "model.11", {"kind": f"{TORCH}.container.Sequential"}, "row 11 is a Sequential, expected Upsample"),
    ("yolov5n", "model.3.conv", {"stride": (1, 1)}, "model.3.conv has the stride 1, expected 2"),
    ("yolov5n", "model.2.cv1.conv", {"stride": 2}, "model.2.cv1.conv has the stride 2, expected 1"),
    ("yolov5n", "model.7.conv", {"dilation": (2, 2)}, "model.7.conv has the dilation 2, expected 1"),
    ("yolov5n", "model.9.m", {"stride": 2}, "model.9.m has the stride 2, expected 1"),
]


@pytest.mark.parametrize(
    ("name", "path", "change", "said"),
    WIRING,
    ids=[f"{name}-{path}-{str(change)[:20]}" for name, path, change, _ in WIRING[:4]]
    + [f"{name}-{path}-{i}" for i, (name, path, *_) in enumerate(WIRING[4:])],
)
def test_another_wiring_is_refused_with_its_rows(yolos, name, path, change, said):
    spec = named(name)
    network = yolos.changed(yolos.pickled(spec), path, **change)
    found = refusal(testimony.check_wiring, network, layers(spec))
    assert found.startswith("best.pt: a modified network: ")
    assert said in found


def test_another_wiring_of_the_first_release_is_refused_too(yolos):
    spec = named("yolov5s@v1.0")
    network = yolos.changed(yolos.pickled(spec, v1=True), "model.27", f=[18, 22, 26])
    assert "row 27 takes rows [18, 22, 26], expected [26, 22, 18]" in refusal(testimony.check_wiring, network, of_v1(layers(spec)))


def test_rows_that_are_missing_or_too_many_are_named_and_counted(yolos):
    spec = yolov5("n")
    network = yolos.pickled(spec)
    fewer = replace(network, modules=tuple(module for module in network.modules if not module.path.startswith("model.20")))
    assert "row 20 is missing, expected C3" in refusal(testimony.check_wiring, fewer, layers(spec))
    more = replace(network, modules=(*network.modules, Module("model.25", "models.common.Conv", {})))
    assert "row 25 is a Conv, expected nothing" in refusal(testimony.check_wiring, more, layers(spec))
    assert "and 15 more" in refusal(testimony.check_wiring, replace(network, modules=network.modules[:1]), layers(spec))


@pytest.mark.parametrize("value", [None, ..., np.ones(3), "yes"], ids=str)
def test_attributes_of_another_kind_say_nothing(yolos, value):
    spec = yolov5("n")
    network = yolos.changed(yolos.changed(yolos.pickled(spec), "model.2.m.0", add=value), "model.3", f=value)
    testimony.check_wiring(network, layers(spec), "f")


def test_a_depthwise_class_tower_is_the_published_head(yolos):
    head = DistributionHead(box_width=64, label_width=80, depthwise=True)
    spec = replace(yolov8("n"), head=head)
    network = yolos.pickled(spec, package="ultralytics")
    testimony.hear(network, "f")
    testimony.check_wiring(network, layers(spec), "f")
