"""What every engine that runs graphs must do, whatever runtime is inside; `test_networks` asks the same of networks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.engines.openvino import OpenVinoEngine
from wordbox.errors import EngineError, InputError
from wordbox.graphs.builder import GraphBuilder

ENGINES = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}


@pytest.fixture(params=ENGINES)
def make(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return lambda graph, where="graph.onnx", **options: ENGINES[request.param](graph, where=where, **options)


@pytest.fixture(scope="module")
def graph():
    """scaled = x @ weights + bias; doubled = 2 n; any = mask as it came."""
    drawing = GraphBuilder()
    x = drawing.input("x", np.float32, ("B", 64))
    n, mask = drawing.input("n", np.int64, (1,)), drawing.input("mask", np.bool_, ("B", "K"))
    bias, bytes_ = drawing.input("bias", np.float32, ()), drawing.input("pixels", np.uint8, (2, 2))
    weights = drawing.constant(np.random.default_rng(0).normal(size=(64, 64)))
    drawing.output("scaled", drawing.op("Add", drawing.op("MatMul", x, weights), bias), np.float32, ("B", 64))
    drawing.output("doubled", drawing.op("Add", n, n), np.int64, (1,))
    drawing.output("shown", mask, np.bool_, ("B", "K"))
    drawing.output("whole", drawing.cast(bytes_, np.int32), np.int32, (2, 2))
    return drawing.model({"wordbox": '{"name": "猫"}', "other": ""}).SerializeToString()


def feeds(rng, batch=3):
    return {
        "x": rng.normal(size=(batch, 64)).astype(np.float32),
        "n": np.array([2**29]),
        "mask": rng.random((batch, 5)) < 0.5,
        "bias": np.array(0.5, np.float32),
        "pixels": np.arange(4, dtype=np.uint8).reshape(2, 2),
    }


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_inputs_and_outputs_say_what_they_are(make, graph):
    engine = make(graph)
    assert {name: (info.dtype, info.shape) for name, info in engine.inputs.items()} == {
        "x": (np.float32, (None, 64)),
        "n": (np.int64, (1,)),
        "mask": (np.bool_, (None, None)),
        "bias": (np.float32, ()),
        "pixels": (np.uint8, (2, 2)),
    }
    assert {name: (info.dtype, info.shape) for name, info in engine.outputs.items()} == {
        "scaled": (np.float32, (None, 64)),
        "doubled": (np.int64, (1,)),
        "shown": (np.bool_, (None, None)),
        "whole": (np.int32, (2, 2)),
    }


def test_the_name_says_what_computes(make, graph):
    name, _, version = make(graph).name.rpartition(" ")
    assert name in {"ONNX Runtime", "OpenVINO"}
    assert version.replace(".", "").isdigit()


@pytest.mark.parametrize("options", [{"threads": 0}, {"device": "abacus"}, {"precision": "float8"}], ids=str)
def test_options_that_mean_nothing_are_refused(make, graph, options):
    (name, value), *_ = options.items()
    with pytest.raises(InputError, match=rf"{name}.*{value}.*expected"):
        make(graph, **options)


def test_metadata_comes_back_as_it_was_written(make, graph):
    assert make(graph).metadata == {"wordbox": '{"name": "猫"}', "other": ""}


def test_a_run_gives_every_output_by_name(make, graph, rng):
    fed = feeds(rng)
    kept = {name: value.copy() for name, value in fed.items()}
    found = make(graph).run(fed)
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    assert set(found) == {"scaled", "doubled", "shown", "whole"}
    assert np.allclose(found["scaled"], fed["x"] @ weights + 0.5, rtol=1e-4, atol=1e-4)
    assert found["scaled"].dtype == np.float32
    assert found["doubled"].tolist() == [2**30]
    assert np.array_equal(found["shown"], fed["mask"])
    assert np.array_equal(found["whole"], fed["pixels"])
    assert all(np.array_equal(fed[name], kept[name]) for name in kept)  # what was fed is as it was


def test_the_batch_is_of_any_length(make, graph, rng):
    engine = make(graph)
    for batch in (1, 7, 0):
        assert engine.run(feeds(rng, batch))["scaled"].shape == (batch, 64)


def test_arrays_need_not_be_contiguous(make, graph, rng):
    engine, fed = make(graph), feeds(rng)
    turned = np.asfortranarray(fed["x"])
    sliced = np.repeat(fed["x"], 2, axis=1)[:, ::2]
    assert not turned.flags.c_contiguous
    assert not sliced.flags.c_contiguous
    expected = engine.run(fed)["scaled"]
    assert np.array_equal(engine.run(fed | {"x": turned})["scaled"], expected)
    assert np.array_equal(engine.run(fed | {"x": sliced})["scaled"], expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.zeros((3, 64))),  # float64
        ("x", np.zeros((3, 63), np.float32)),
        ("x", np.zeros((3, 64, 1), np.float32)),
        ("n", np.zeros(1, np.int32)),
        ("n", np.array(0)),
        ("mask", np.zeros((3, 5), np.uint8)),
        ("unheard", np.zeros(1, np.float32)),
    ],
    ids=["dtype", "length", "rank", "int32", "scalar", "mask", "name"],
)
def test_what_does_not_fit_is_refused_and_named(make, graph, rng, name, value):
    engine = make(graph)
    with pytest.raises(EngineError) as caught:
        engine.run(feeds(rng) | {name: value})
    message = str(caught.value)
    assert message.startswith("graph.onnx: ")
    assert f"{name} {value.dtype}{list(value.shape)}" in message
    assert "\n" not in message
    assert engine.run(feeds(rng))  # and the engine lives on


@pytest.mark.parametrize("name", ["x", "n", "mask", "bias", "pixels"])
def test_an_input_that_is_missing_is_named(make, graph, rng, name):
    fed = feeds(rng)
    del fed[name]
    with pytest.raises(EngineError, match=rf"graph\.onnx: .*{name}"):
        make(graph).run(fed)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x00" * 500, b"\xff" * 500, b"\x08\x09"], ids=["empty", "text", "zeros", "ones", "version"]
)
def test_garbage_is_refused_in_one_line(make, content, capfd):
    with pytest.raises(EngineError) as caught:
        make(content, "folder/bad.onnx")
    assert str(caught.value).startswith("folder/bad.onnx: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""  # standard output is for answers


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_truncated_graph_is_refused(make, graph, tenth):
    with pytest.raises(EngineError, match=r"graph\.onnx"):
        make(graph[: len(graph) * tenth // 10])


def test_an_operator_that_nobody_knows_is_refused(make):
    drawing = GraphBuilder()
    x = drawing.input("x", np.float32, (1,))
    drawing.output("y", drawing.op("Teleport", x), np.float32, (1,))
    with pytest.raises(EngineError, match="Teleport"):
        make(drawing.model({}).SerializeToString())


def test_eight_threads_at_once_get_the_answers_of_one(make, graph, rng):
    engine = make(graph)
    fed = [feeds(rng, batch) for batch in range(1, 33)]
    alone = [engine.run(one) for one in fed]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(engine.run, fed))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
