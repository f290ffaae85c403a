"""What every YOLO network does, whatever its blocks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from wordbox.networks.build import build
from wordbox.specs import ACTIVATIONS
from wordbox.variants import named

KINDS = ["yolov5", "yolov5u", "yolov8", "baked-v1", "baked-v2"]


@pytest.fixture(params=KINDS)
def spec(request, tiny):
    return tiny[request.param]


def channels(spec):
    head = spec.head
    return len(head.anchors[0]) * (5 + spec.classes) if head.kind == "anchor" else 4 * head.bins + spec.classes


def test_a_raw_map_a_level_in_every_mode(spec):
    network, images = build(spec), torch.rand(2, 3, 96, 64)
    expected = [(2, channels(spec), 96 // stride, 64 // stride) for stride in spec.strides]
    assert [tuple(x.shape) for x in network.train()(images)] == expected
    assert [tuple(x.shape) for x in network.eval()(images)] == expected


def test_images_of_a_batch_do_not_touch(spec, randomise):
    network, images = randomise(build(spec)), torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        for whole, one in zip(network(images), network(images[1:2]), strict=True):
            assert torch.allclose(whole[1], one[0], atol=1e-5)


def test_gradients_reach_every_parameter(spec):
    network = build(spec)
    sum(x.square().mean() for x in network(torch.rand(2, 3, 64, 64))).backward()
    still = {name for name, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)}
    assert still == set()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_flow_through_every_activation(activation, tiny):
    network = build(replace(tiny["yolov5"], activation=activation, csp="BottleneckCSP", stem="focus"))
    sum(x.square().mean() for x in network(torch.rand(2, 3, 64, 64))).backward()
    assert network.get_parameter("backbone.stem.conv.conv.weight").grad.abs().sum() > 0


@pytest.mark.parametrize("spec", KINDS[:3], indirect=True)
def test_a_part_can_be_replaced(spec, randomise):
    network, images = randomise(build(spec)), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(images)
        assert all(torch.equal(a, b) for a, b in zip(network.head(network.neck(network.backbone(images))), before, strict=True))
        network.neck = nn.Identity()
        after = network(images)
        assert all(torch.equal(a, b) for a, b in zip(network.head(network.backbone(images)), after, strict=True))
    assert not torch.allclose(before[0], after[0])


@pytest.mark.parametrize(("classes", "first"), [(80, -4.880274), (1, 11.0), (20, None)])
def test_an_anchor_head_starts_with_few_objects(classes, first):
    head = build(named("yolov5n", classes)).head
    torch.manual_seed(1)
    for predict, objectness in zip(head.predict, (-6.684612, -5.298317, -3.912023), strict=True):
        bias = predict.bias.detach().view(3, 5 + classes)
        reach = predict.in_channels**-0.5 + 0.1  # torch's own start of a bias stays inside 1 / sqrt(inputs)
        assert (bias[:, :4].abs() < reach).all()
        assert (bias[:, 4] - objectness).abs().max() < reach
        if first is not None:
            assert (bias[:, 5:] - first).abs().max() < reach


@pytest.mark.parametrize(("name", "expected"), [
    ("yolov8n", (-11.537, -10.150, -8.764)),
    ("yolov8n-p2", (-12.923, -11.537, -10.150, -8.764)),
    ("yolov8n-p6", (-11.537, -10.150, -8.764, -7.378)),
])  # fmt: skip
def test_a_distribution_head_starts_with_few_objects(name, expected):
    head = build(named(name)).head
    for box, label, value in zip(head.box, head.label, expected, strict=True):
        assert (box.predict.bias == 1).all()
        assert torch.allclose(label.predict.bias, torch.tensor(value), atol=1e-3)


def test_a_published_network_has_the_names_that_files_use():
    names = build(named("yolov5n@v6.0")).state_dict().keys()
    assert {
        "backbone.stem.conv.weight", "backbone.stages.0.down.norm.running_mean", "backbone.stages.2.csp.blocks.1.second.conv.weight",
        "backbone.pool.enter.conv.weight", "neck.reduce.1.conv.weight", "neck.top_down.0.side.norm.bias",
        "neck.bottom_up.1.join.norm.weight", "head.predict.2.bias",
    } <= names  # fmt: skip
    old = build(replace(named("yolov5s@v3.1"), widths=(8,) * 5)).state_dict().keys()
    assert {"backbone.stem.conv.conv.weight", "backbone.stages.0.csp.exit.weight", "backbone.stages.0.csp.norm.weight"} <= old
    transformer = build(replace(named("yolov5s-transformer"), widths=(8,) * 5)).state_dict().keys()
    assert {
        f"backbone.stages.3.csp.transformer.{one}" for one in ("position.bias", "layers.0.query.weight", "layers.0.attention.in_proj_bias")
    } <= transformer
    spec = named("yolov8n")
    depthwise = build(replace(spec, head=replace(spec.head, depthwise=True))).state_dict().keys()
    assert {
        "head.label.0.first.depth.conv.weight",
        "head.label.2.second.point.norm.bias",
        "head.box.1.first.conv.weight",
        "head.bins",
    } <= depthwise
