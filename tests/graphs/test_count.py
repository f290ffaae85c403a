import numpy as np
import pytest

from wordbox.graphs import nano
from wordbox.graphs.blocks import cells_first, convolution
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.count import flops, parameters
from wordbox.graphs.weights import Weights
from wordbox.specs import NanoSpec

NANO_INPUTS = {"words_mask": (1, 80), "conf": (), "max_candidates": (1,)}


def tiny():
    """A convolution 3 -> 8, 3x3, stride 2; then 5 words over its cells."""
    graph = GraphBuilder()
    x, words = graph.input("x", np.float32, ("B", 3, "H", "W")), graph.input("words", np.float32, (8, "K"))
    y = convolution(graph, x, np.ones((8, 3, 3, 3), np.float32), np.ones(8, np.float32), "stem", stride=2)
    graph.output("logits", graph.op("MatMul", cells_first(graph, y), words), np.float32, ("B", "N", "K"))
    graph.constant(np.ones((50, 50)))  # no weight
    return graph.model({})


def test_a_tiny_graph_costs_what_arithmetic_says():
    model = tiny()
    assert parameters(model) == 8 * 3 * 9 + 8
    shapes = {"x": (2, 3, 16, 20), "words": (8, 5)}
    cells = 2 * (16 // 2) * (20 // 2)
    assert flops(model, shapes) == 2 * (cells * 8 * 3 * 9 + cells * 8 * 5)
    assert flops(model, shapes) == flops(tiny(), shapes)  # counting changes nothing
    assert flops(model, shapes | {"words": (8, 0)}) == 2 * cells * 8 * 3 * 9


def test_a_grouped_convolution_counts_its_own_channels_only():
    graph = GraphBuilder()
    x, kernel = graph.input("x", np.float32, ("B", 8, "H", "W")), graph.constant(np.ones((8, 1, 3, 3)), name="c.weight")
    graph.output("y", graph.op("Conv", x, kernel, group=8, pads=[1] * 4), np.float32, ("B", 8, "H", "W"))
    assert flops(graph.model({}), {"x": (1, 8, 10, 10)}) == 2 * 100 * 8 * 9


def test_the_published_network_costs_what_its_description_says():
    spec = NanoSpec()
    graph, weights = GraphBuilder(), Weights({}, "none")
    x = graph.input("x", np.float32, ("B", 3, "H", "W"))
    for level, feature in enumerate(nano.trunk(graph, weights, x, spec, scaled=True)):
        name = f"head.closed.{level}"
        kernel, bias = np.zeros((124, spec.neck, 1, 1), np.float32), np.zeros(124, np.float32)
        graph.output(f"level{level}", convolution(graph, feature, kernel, bias, name), np.float32, ("B", 124, f"h{level}", f"w{level}"))
    model = graph.model({})
    assert parameters(model) == 3_786_068
    assert flops(model, {"x": (1, 3, 416, 416)}) == pytest.approx(4.18e9, rel=0.002)


def test_the_deployed_graph_adds_its_words(twin, small_spec, rng):
    model = nano.draw(small_spec, twin.random_arrays(small_spec, rng), {}, "small")
    shapes = twin.shapes(small_spec)
    layers = [shape for name, shape in shapes.items() if name.endswith((".weight", ".bias")) and ".norm." not in name]
    assert parameters(model) == sum(int(np.prod(shape)) for shape in layers)
    both = [
        flops(model, NANO_INPUTS | {"images": (1, 64, 64, 3), "words": (1, words, small_spec.embedding), "words_mask": (1, words)})
        for words in (80, 160)
    ]
    cells, c, d = 64 + 16 + 4, small_spec.neck, small_spec.embedding
    assert both[1] - both[0] == 2 * 80 * (cells + 3 * d) * (c + 1)  # the bias of a word is a channel more
