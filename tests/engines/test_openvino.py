"""What is OpenVINO's own: its two files, its precision, and that it keeps to itself."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from wordbox.engines.openvino import OpenVinoEngine, runtime
from wordbox.errors import EngineError, InputError, MissingExtraError
from wordbox.exporting.openvino import write_xml
from wordbox.graphs.builder import GraphBuilder

pytest.importorskip("openvino", reason="OpenVINO is not installed")


def drawn(metadata):
    """y = x + conf + many weights; n as it came."""
    graph = GraphBuilder()
    x, conf = graph.input("x", np.float32, ("B", 1000)), graph.input("conf", np.float32, ())
    weights = graph.constant(np.random.default_rng(0).normal(size=1000))
    graph.output("y", graph.op("Add", graph.op("Add", x, conf), weights), np.float32, ("B", 1000))
    n = graph.input("n", np.int64, (1,))
    graph.output("m", graph.op("Add", n, graph.integers(0)), np.int64, (1,))
    return graph.model(metadata)


@pytest.fixture
def xml(tmp_path):
    write_xml(drawn({"wordbox": '{"name": "猫 <&> \\n"}', "wordbox-verified": "{}"}), tmp_path / "model.xml")
    return tmp_path / "model.xml"


def feeds(n=7):
    return {"x": np.ones((2, 1000), np.float32), "conf": np.array(0.25, np.float32), "n": np.array([n])}


def test_an_xml_computes_what_its_graph_does_and_says_the_same_of_itself(xml):
    model = drawn({})
    expected = OpenVinoEngine(model.SerializeToString(), where="model.onnx").run(feeds())
    engine = OpenVinoEngine(xml, where=str(xml))
    assert engine.metadata == {"wordbox": '{"name": "猫 <&> \\n"}', "wordbox-verified": "{}"}
    found = engine.run(feeds())
    assert all(np.array_equal(found[name], expected[name]) for name in ("y", "m"))
    weights = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert np.array_equal(found["y"][0], np.float32(1) + np.float32(0.25) + weights)  # nothing was rounded to float16


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_files_that_were_cut_are_refused_in_one_line(xml, tenth, suffix, capfd):
    cut = xml.with_suffix(suffix)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * tenth // 10])
    with pytest.raises(EngineError, match=r"^model\.xml: OpenVINO [^\n]*$"):
        OpenVinoEngine(xml, where="model.xml")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_missing_file_is_refused_in_one_line(xml, suffix):
    xml.with_suffix(suffix).unlink()
    with pytest.raises(EngineError, match=rf"^model\.xml: found no model\{suffix} \(looked for "):
        OpenVinoEngine(xml, where="model.xml")


@pytest.mark.parametrize("n", [2**31, -(2**31) - 1])
def test_numbers_that_it_would_cut_are_refused(xml, n):
    engine = OpenVinoEngine(xml, where="model.xml")
    assert engine.run(feeds(2**31 - 1))["m"].tolist() == [2**31 - 1]
    with pytest.raises(EngineError, match=rf"model\.xml: found {n} to {n} in n, expected .*32 bits"):
        engine.run(feeds(n))


@pytest.mark.parametrize("threads", [1, 2])
def test_inputs_that_do_not_go_together_are_refused_on_any_number_of_threads(threads):
    graph = GraphBuilder()
    x, y = graph.input("x", np.float32, ("A", 3)), graph.input("y", np.float32, ("B", 3))
    graph.output("sum", graph.op("Add", graph.op("Relu", x), y), np.float32, ("A", 3))
    engine = OpenVinoEngine(graph.model({}).SerializeToString(), where="sum.onnx", threads=threads)
    fed = {"x": np.ones((4, 3), np.float32), "y": np.ones((4, 3), np.float32)}
    for _ in range(2):
        assert np.array_equal(engine.run(fed)["sum"], np.full((4, 3), 2, np.float32))
        with pytest.raises(EngineError, match=r"^sum\.onnx: OpenVINO refuses x float32\[4, 3\], y float32\[5, 3\]: [^\n]+$"):
            engine.run(fed | {"y": np.ones((5, 3), np.float32)})


@pytest.mark.parametrize(("precision", "capability"), [("bfloat16", "BF16"), ("float16", "FP16")])
def test_lower_precision_is_used_where_the_processor_has_it_and_refused_elsewhere(precision, capability):
    graph = drawn({}).SerializeToString()
    if capability in runtime().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        found = OpenVinoEngine(graph, where="m", precision=precision).run(feeds())["y"]
        assert np.allclose(found, OpenVinoEngine(graph, where="m").run(feeds())["y"], atol=0.1)
    else:
        with pytest.raises(EngineError, match=f"does not compute in {precision}"):
            OpenVinoEngine(graph, where="m", precision=precision)


def test_another_device_is_refused():
    with pytest.raises(InputError, match=r"'cuda'.*'cpu'"):
        OpenVinoEngine(b"", where="m", device="cuda")


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    runtime.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wordbox\[openvino\]'"):
        OpenVinoEngine(b"", where="m")
    monkeypatch.undo()
    runtime.cache_clear()
    assert runtime().Core()


def test_nothing_is_sent_started_or_written(tmp_path):
    home, graph = tmp_path / "home", tmp_path / "graph.onnx"
    home.mkdir()
    graph.write_bytes(drawn({}).SerializeToString())
    code = f"""
import json, sys, pathlib
import numpy as np
events = []
told = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.mkdir")
sys.addaudithook(lambda event, _: events.append(event) if event in told else None)
from wordbox.engines.openvino import OpenVinoEngine
engine = OpenVinoEngine(pathlib.Path({str(graph)!r}).read_bytes(), where="graph")
engine.run({{"x": np.ones((2, 1000), np.float32), "conf": np.array(0.25, np.float32), "n": np.array([1])}})
import openvino
print(json.dumps([events, "openvino_telemetry" in sys.modules, callable(openvino.convert_model)]))
"""
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "BUILD_ID"}} | {
        "HOME": str(home),
        "LOCALAPPDATA": str(home),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, cwd=home, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == [[], False, True]
    assert list(home.iterdir()) == []
