"""Both drawings of a network, graph and module, take the same arrays and say the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.graphs import yolo
from wordbox.networks.build import build
from wordbox.networks.engine import TorchEngine, fused
from wordbox.networks.weights import arrays
from wordbox.specs import ACTIVATIONS, AnchorHead, DistributionHead
from wordbox.variants import GENERATIONS, named

NAMES = [
    *(f"yolov5s@{tag}" for tag in GENERATIONS),
    *("yolov5m@v1.0", "yolov5m@v5.0", "yolov5n", "yolov5m", "yolov5n6", "yolov5s6@v5.0", "yolov5s-transformer", "yolov5s-leakyrelu"),
    *("yolov5nu", "yolov5n6u", "yolov8n", "yolov8m", "yolov8n-p2", "yolov8n-p6", "yolov8m-p6"),
]
LISTED = ["yolov5s@v1.0", "yolov5n", "yolov5s6@v5.0", "yolov5nu", "yolov8n", "yolov8n-p2", "yolov8n-bins", "one anchor"]


def narrow(spec):
    """The same network with few channels; heads keep their kind."""
    widths = tuple(8 * (1 + i) for i in range(len(spec.widths)))
    head = replace(spec.head, box_width=16, label_width=24) if isinstance(spec.head, DistributionHead) else spec.head
    return replace(spec, classes=4, widths=widths, head=head)


CASES = {
    **{name: narrow(named(name)) for name in NAMES},
    **{f"yolov5n-{one}": replace(narrow(named("yolov5n")), activation=one) for one in ACTIVATIONS},
    **{f"yolov5s@v3.1-{one}": replace(narrow(named("yolov5s@v3.1")), csp_activation=one) for one in ACTIVATIONS},
    **{f"yolov8n-{one}": replace(narrow(named("yolov8n")), activation=one) for one in ACTIVATIONS},
    "leak": replace(narrow(named("yolov5s@v1.0")), leak=0.3),
    "epsilon": replace(narrow(named("yolov8n")), norm_epsilon=0.2),
    "transformer-v5": replace(narrow(named("yolov5s@v5.0")), transformer=True),
    "one anchor": replace(narrow(named("yolov5n")), strides=(16, 32), head=AnchorHead(anchors=(((20, 20),), ((80.5, 60.25),)))),
}
for _name in ("yolov8n", "yolov5nu"):
    _spec = narrow(named(_name))
    CASES[f"{_name}-depthwise"] = replace(_spec, head=replace(_spec.head, depthwise=True))
    CASES[f"{_name}-bins"] = replace(_spec, head=replace(_spec.head, bins=7))


def both(spec, randomise):
    """The network with random weights, and its arrays: all that a graph takes, and no others, or it would refuse them."""
    torch.manual_seed(3)
    network = randomise(build(spec))
    return network, arrays(network)


def onnx_engine(model):
    return OnnxRuntimeEngine(model.SerializeToString(), where="a test's graph", threads=1)


@pytest.mark.parametrize("case", CASES)
def test_both_take_the_same_arrays_and_give_the_same_raw_maps(case, randomise, rng):
    spec = CASES[case]
    network, stored = both(spec, randomise)
    images = rng.integers(0, 256, (2, spec.strides[-1], 2 * spec.strides[-1], 3), np.uint8)
    found = onnx_engine(yolo.draw_raw(spec, stored, "here")).run({"images": images})
    with torch.inference_mode():
        x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        expected = [level.numpy() for level in network(x)]
        folded = [level.numpy() for level in fused(network)(x)]
    assert list(found) == [f"level_{i}" for i in range(len(spec.strides))]
    for (name, level), whole, one in zip(found.items(), expected, folded, strict=True):
        reach = np.ptp(whole)
        assert np.std(whole) > 1e-3, name  # they do not agree by being flat
        assert np.abs(level - whole).max() <= 1e-4 * reach, name
        assert np.abs(one - whole).max() <= 1e-4 * reach, name


@pytest.mark.parametrize("case", LISTED)
def test_shortlists_agree(case, randomise, rng):
    spec = CASES[case]
    network, stored = both(spec, randomise)
    graph = onnx_engine(yolo.draw(spec, stored, {}, "here"))
    module = TorchEngine(network, {}, where="here", threads=1)
    images = rng.integers(0, 256, (2, 2 * spec.strides[-1], spec.strides[-1], 3), np.uint8)
    feeds = {"images": images, "conf": np.array(0, np.float32), "max_candidates": np.array([200])}
    everything = graph.run(feeds)
    assert everything["count"].tolist() == [everything["scores"].shape[1]] * 2
    assert_same(everything, module.run(feeds), 0.0)
    half = np.median(everything["scores"])
    feeds["conf"] = np.array(half, np.float32)
    assert_same(graph.run(feeds), module.run(feeds), half)


def assert_same(one, other, conf):
    assert [(name, value.shape) for name, value in one.items()] == [(name, value.shape) for name, value in other.items()]
    for b in range(2):
        near = (np.abs(one["scores"][b] - conf) < 1e-4).sum()
        assert abs(one["count"][b] - other["count"][b]) <= near
        assert np.abs(one["scores"][b] - other["scores"][b])[: min(one["count"][b], other["count"][b])].max(initial=0) < 1e-3
        last = one["scores"][b, one["count"][b] - 1]
        clear = np.flatnonzero(one["scores"][b] > max(last, conf) + 1e-4)  # behind them, ties with what did not come in
        assert len(clear) > 10
        same = other["labels"][b] == one["labels"][b][clear, None]
        same &= np.abs(other["scores"][b] - one["scores"][b][clear, None]) < 1e-3
        same &= np.abs(other["boxes"][b] - one["boxes"][b][clear, None]).max(2) < 1e-2
        assert same.any(1).all()
