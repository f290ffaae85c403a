"""A deployed graph as OpenVINO's own pair of files."""

from pathlib import Path

import onnx

from wordbox.engines.openvino import runtime, told
from wordbox.errors import EngineError


def write_xml(graph: onnx.ModelProto, path: Path) -> None:
    """Write `path`, an .xml, and the .bin beside it: weights in float32, metadata where `OpenVinoEngine` finds it.

    Raises MissingExtraError without OpenVINO, EngineError where OpenVINO refuses the graph or cannot write it.
    """
    openvino = runtime()
    try:
        model = openvino.Core().read_model(graph.SerializeToString())
        openvino.save_model(model, str(path), compress_to_fp16=False)  # by itself it would round the weights
    except Exception as error:  # OpenVINO's exceptions share no narrower parent
        raise EngineError(f"{path.name}: OpenVINO cannot write this graph: {told(error)}") from error
