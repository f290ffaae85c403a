"""The OpenVINO engine: the same graph, float32 unless asked, and nothing sent or written anywhere."""

import os
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from wordbox.engines.base import Array, TensorInfo
from wordbox.engines.feeds import listed, misfit
from wordbox.engines.threads import thread_count
from wordbox.errors import EngineError, InputError, extra_module

_PRECISIONS = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}
"""Our names, what OpenVINO calls them as a hint, and as a capability of a processor."""

_DTYPES = {
    "f32": np.float32,
    "f16": np.float16,
    "f64": np.float64,
    "u8": np.uint8,
    "i32": np.int32,
    "i64": np.int64,
    "boolean": np.bool_,
}

_NOISE = ("Exception from ", "Check '", "FrontEnd API failed", "Summary:")  # lines of its errors that tell a user nothing


class OpenVinoEngine:
    """Runs an ONNX graph given as bytes, or an .xml with its .bin beside it. Implements `engines.base.Engine`.

    OpenVINO computes whole numbers in 32 bits, so larger int64 inputs are refused.
    """

    def __init__(
        self, graph: bytes | Path, *, where: str, threads: int | None = None, device: str = "cpu", precision: str = "float32"
    ) -> None:
        """Load `graph`: an ONNX graph's bytes, or the path of an .xml. `where` names it in errors.

        `precision` is "float32", or "bfloat16" or "float16" where the processor computes in them. Raises InputError for another
        precision or device, MissingExtraError without OpenVINO, EngineError where a file is missing or OpenVINO refuses.
        """
        if device != "cpu":
            raise InputError(f"found device {device!r}, expected 'cpu', which is all that OpenVINO is used on here")
        if precision not in _PRECISIONS:
            raise InputError(f"found precision {precision!r}, expected one of {', '.join(_PRECISIONS)}")
        options = {"INFERENCE_NUM_THREADS": thread_count(threads), "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY"}
        self._where = where
        openvino = runtime()
        self._name = f"OpenVINO {openvino.__version__.partition('-')[0]}"
        hint, capability = _PRECISIONS[precision]
        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if capability not in able:  # it would compute in float32 and not say so
            raise EngineError(f"{where}: this processor does not compute in {precision} under OpenVINO (it has {', '.join(able)})")
        if isinstance(graph, Path):
            _check_files(graph, where)
        try:
            model = _read(openvino, graph) if isinstance(graph, Path) else core.read_model(graph)
            self._compile = partial(core.compile_model, model, "CPU", options | {"INFERENCE_PRECISION_HINT": hint})
            self._request = self._compile().create_infer_request()
        except Exception as error:  # OpenVINO's exceptions share no narrower parent
            raise EngineError(f"{where}: {self._name} refuses this graph: {told(error)}") from error
        self._inputs = {port.get_any_name(): _info(port) for port in model.inputs}
        self._outputs = {_output_name(port): _info(port) for port in model.outputs}
        self._metadata = _metadata(model)
        self._twin = model.clone()
        self._known_shapes: set[tuple[tuple[str, tuple[int, ...]], ...]] = set()
        self._one_at_a_time = Lock()  # as its one stream computes anyway

    @property
    def name(self) -> str:
        """What computes, and its version."""
        return self._name

    @property
    def inputs(self) -> Mapping[str, TensorInfo]:
        """Name, dtype and shape of every input."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorInfo]:
        """Name, dtype and shape of every output."""
        return self._outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata properties of an ONNX graph, or what an .xml holds in their place."""
        return self._metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output for `feeds`. Raises EngineError where they do not fit or OpenVINO refuses them."""
        wrong = misfit(self._inputs, feeds) or _too_large(feeds)  # OpenVINO itself would convert what does not fit
        if wrong is not None:
            raise EngineError(f"{self._where}: {wrong}")
        with self._one_at_a_time:
            try:
                self._infer_shapes({name: value.shape for name, value in feeds.items()})
                found = self._request.infer(dict(feeds))
            except Exception as error:  # as above
                self._request = self._compile().create_infer_request()  # a failure may leave the old one unable to take good inputs
                raise EngineError(f"{self._where}: OpenVINO refuses {listed(feeds)}: {told(error)}") from error
        return {name: found[position] for position, name in enumerate(self._outputs)}

    def _infer_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise a RuntimeError where inputs of these `shapes` do not go together.

        On one thread OpenVINO itself lets them pass and gives the answers of the run before. Each set of shapes is tried once.
        """
        key = tuple(sorted(shapes.items()))
        if key not in self._known_shapes:
            self._twin.reshape({name: list(shape) for name, shape in shapes.items()})
            self._known_shapes.add(key)


@cache
def runtime() -> Any:
    """The package openvino. Raises MissingExtraError without it.

    Importing it sends a usage event and writes into the home folder, through the package openvino_telemetry and where nobody has
    opted out. It does without that package where it is not installed, so that is what it sees.
    """
    hidden = "openvino_telemetry" not in sys.modules
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        return extra_module("openvino", "openvino")
    finally:
        if hidden:
            del sys.modules["openvino_telemetry"]


def told(error: Exception) -> str:
    """What an error of OpenVINO says, on one line."""
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join(line for line in lines if line and not line.startswith(_NOISE))[:300] or type(error).__name__


def _check_files(path: Path, where: str) -> None:
    for file in (path, path.with_suffix(".bin")):
        if not os.path.isfile(file):
            raise EngineError(f"{where}: found no {file.name} (looked for {file.resolve()}); an .xml and its .bin belong beside each other")


def _read(openvino: Any, path: Path) -> Any:
    """The model of an .xml, by the one reader for it: asked in general, all of them try, and one writes to standard error."""
    reader = openvino.frontend.FrontEndManager().load_by_framework("ir")
    return reader.convert(reader.load(str(path)))


def _metadata(model: Any) -> dict[str, str]:
    """What the ONNX reader files under "framework", which an .xml keeps."""
    info = model.rt_info
    return {key: str(value.value) for key, value in info["framework"].items()} if "framework" in info else {}


def _output_name(port: Any) -> str:
    """What the graph calls an output; versions before 2026 list the names of the values behind it too."""
    name: str = port.get_node().get_friendly_name().removesuffix("/sink_port_0")
    return name if name in port.get_names() else str(port.get_any_name())


def _info(port: Any) -> TensorInfo:
    sides = tuple(side.get_length() if side.is_static else None for side in port.get_partial_shape())
    return TensorInfo(np.dtype(_DTYPES.get(port.get_element_type().get_type_name(), np.object_)), sides)


def _too_large(feeds: Mapping[str, Array]) -> str | None:
    most = np.iinfo(np.int32)
    for name, value in feeds.items():
        if value.dtype == np.int64 and value.size and (value.min() < most.min or value.max() > most.max):
            return f"found {value.min()} to {value.max()} in {name}, expected whole numbers of 32 bits, which is what OpenVINO computes in"
    return None
