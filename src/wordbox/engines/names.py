"""Which engine runs a model: by name, or the one that suits its file."""

from wordbox.errors import InputError

AUTO = "auto"
ENGINES = {
    "onnxruntime": "ONNX Runtime, in the base install: processors, and NVIDIA cards with onnxruntime-gpu",
    "openvino": "OpenVINO, the extra `openvino`: processors, in lower precision too",
    "torch": "PyTorch, the extra `torch`: wherever torch computes",
}
"""Every engine, with its sentence."""


def chosen(engine: str, suffix: str) -> str:
    """The name of the engine that runs a model file ending in `suffix`, where `engine` is asked for.

    "auto" is ONNX Runtime, and OpenVINO for an .xml, which no other can read. Raises InputError for a name that is none, and
    where another engine is asked to run an .xml.
    """
    if engine not in (AUTO, *ENGINES):
        raise InputError(f"found engine {engine!r}, expected one of {', '.join((AUTO, *ENGINES))}")
    if suffix.lower() != ".xml":
        return "onnxruntime" if engine == AUTO else engine
    if engine not in (AUTO, "openvino"):
        raise InputError(f"an .xml is OpenVINO's own form, which the engine {engine!r} cannot run; leave the engine out")
    return "openvino"
