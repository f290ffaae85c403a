import pytest

from wordbox.engines.names import ENGINES, chosen
from wordbox.errors import InputError


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".pt", ""])
def test_auto_is_the_base_installs_engine_and_a_name_is_itself(suffix):
    assert chosen("auto", suffix) == "onnxruntime"
    assert [chosen(name, suffix) for name in ENGINES] == list(ENGINES)


@pytest.mark.parametrize("suffix", [".xml", ".XML"])
def test_an_xml_is_openvinos(suffix):
    assert chosen("auto", suffix) == chosen("openvino", suffix) == "openvino"
    for name in ("onnxruntime", "torch"):
        with pytest.raises(InputError, match=rf"xml.*{name}"):
            chosen(name, suffix)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"'tensorrt'.*auto, onnxruntime, openvino, torch"):
        chosen("tensorrt", ".onnx")
