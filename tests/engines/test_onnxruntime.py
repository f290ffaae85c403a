import pytest

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import EngineError, InputError


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_another_precision_names_the_engines_that_have_it(precision):
    with pytest.raises(InputError, match=rf"'{precision}'.*float32.*openvino"):
        OnnxRuntimeEngine(b"", where="graph.onnx", precision=precision)


def test_a_device_that_this_build_lacks_is_refused_with_what_it_has():
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has the device")
    with pytest.raises(EngineError, match=r"CPUExecutionProvider.*docs/gpu\.md"):
        OnnxRuntimeEngine(b"", where="graph.onnx", device="cuda")
