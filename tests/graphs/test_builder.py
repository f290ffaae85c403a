import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from wordbox.graphs import blocks
from wordbox.graphs.builder import IR_VERSION, OPSET, GraphBuilder


def test_a_graph_says_its_version_and_carries_its_metadata(engine):
    graph = GraphBuilder()
    x = graph.input("x", np.float32, ("B", 3))
    graph.output("y", graph.op("Add", x, graph.constant([1, 2, 3])), np.float32, ("B", 3))
    model = graph.model({"wordbox": "{}", "ünïcode": "猫"}, "drawing")
    onnx.checker.check_model(model, full_check=True)
    assert (OPSET, IR_VERSION) == (17, 9)
    assert [entry.version for entry in model.opset_import] == [17]
    assert model.ir_version == 9
    running = engine(model)
    assert running.metadata == {"wordbox": "{}", "ünïcode": "猫"}
    assert running.run({"x": np.zeros((2, 3), np.float32)})["y"].tolist() == [[1, 2, 3], [1, 2, 3]]


def test_equal_unnamed_constants_are_stored_once():
    graph = GraphBuilder()
    assert graph.constant([1, 2]) == graph.constant(np.array([1, 2]))
    assert graph.constant([1, 2]) != graph.constant([[1, 2]])
    assert graph.constant([1, 2]) != graph.constant([1, 2], np.int64)
    assert len(graph.initializers) == 3


def test_named_constants_never_stand_in_for_each_other():
    graph = GraphBuilder()
    one, two = graph.constant([1, 2], name="a.weight"), graph.constant([3, 4], name="a.weight")
    assert one == "a.weight"
    assert two != one
    assert [numpy_helper.to_array(tensor).tolist() for tensor in graph.initializers] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("values", [7, [7], [], [[1, 2], [3, 4]]])
def test_constants_keep_their_shape(values):
    graph = GraphBuilder()
    graph.constant(values)
    assert numpy_helper.to_array(graph.initializers[0]).shape == np.shape(values)


def test_every_value_has_a_name_of_its_own():
    graph = GraphBuilder()
    x = graph.input("add", np.float32, (1,))
    names = [x, graph.op("Add", x, x), graph.op("Add", x, x), *graph.op_many("Split", x, count=2)]
    assert len(set(names)) == 5


@pytest.mark.parametrize("opset", [17, 18])
def test_the_maximum_is_written_in_the_form_of_the_opset(engine, opset):
    graph = GraphBuilder(opset)
    x = graph.input("x", np.float32, ("B", "N"))
    graph.output("y", graph.maximum(x, 1), np.float32, ("B",))
    model = graph.model({})
    onnx.checker.check_model(model, full_check=True)
    assert engine(model).run({"x": np.array([[1, 5, 2], [-3, -1, -2]], np.float32)})["y"].tolist() == [5, -1]


def drawn(engine, draw, x, rank=4):
    graph = GraphBuilder()
    value = graph.input("x", np.float32, x.shape)
    graph.output("y", draw(graph, value), np.float32, [f"side{i}" for i in range(rank)])
    return engine(graph.model({})).run({"x": x})["y"]


def test_blocks_do_what_they_say(engine, twin, rng):
    x = rng.normal(size=(2, 3, 6, 10)).astype(np.float32)
    assert np.allclose(drawn(engine, blocks.upsample_linear, x), twin.resize(x, 12, 20), atol=1e-6)
    assert np.allclose(drawn(engine, blocks.halve_linear, x), twin.resize(x, 3, 5), atol=1e-6)
    assert np.array_equal(drawn(engine, blocks.cells_first, x, rank=3), x.reshape(2, 3, 60).transpose(0, 2, 1))
    assert np.allclose(drawn(engine, lambda graph, value: blocks.leaky_relu(graph, value, 0.1), x), np.where(x > 0, x, 0.1 * x))


def test_pooling_takes_no_zeros_from_the_border(engine):
    pooled = drawn(engine, lambda graph, value: blocks.max_pool(graph, value, 3, 2), np.full((1, 1, 4, 4), -5, np.float32))
    assert pooled.shape == (1, 1, 2, 2)
    assert (pooled == -5).all()


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_convolution_agrees_with_the_twin(engine, twin, rng, side, stride):
    x = rng.normal(size=(2, 3, 8, 6)).astype(np.float32)
    arrays = {"c.weight": rng.normal(size=(4, 3, side, side)).astype(np.float32), "c.bias": rng.normal(size=4).astype(np.float32)}
    found = drawn(engine, lambda graph, value: blocks.convolution(graph, value, *arrays.values(), "c", stride), x)
    assert np.allclose(found, twin.conv(arrays, "c", x, stride), atol=1e-4)
