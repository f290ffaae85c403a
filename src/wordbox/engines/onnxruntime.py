"""The ONNX Runtime engine: float32 on as many threads as this process may use."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from wordbox.engines.base import Array, TensorInfo
from wordbox.engines.feeds import listed, misfit
from wordbox.engines.threads import thread_count
from wordbox.errors import EngineError, InputError, first_line

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}

_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
_PROVIDER_OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}  # float32 means float32


class OnnxRuntimeEngine:
    """Runs an ONNX graph given as bytes. Implements `engines.base.Engine`."""

    def __init__(self, graph: bytes, *, where: str, threads: int | None = None, device: str = "cpu", precision: str = "float32") -> None:
        """Load `graph` on `device`, "cpu" or "cuda"; `where` names it in errors.

        Raises InputError for another device, or a `precision` other than "float32", EngineError if the runtime cannot use the
        device or refuses the graph.
        """
        if precision != "float32":
            raise InputError(f"found precision {precision!r}, expected 'float32'; ONNX Runtime has no other, openvino and torch have")
        self._where = where
        providers = _providers(device)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count(threads)
        options.log_severity_level = 3  # errors only: warnings about the graphs of others are not for users
        onnxruntime.disable_telemetry_events()
        try:
            # without its fallback, which prints to standard output and tries the same again
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=[(name, _PROVIDER_OPTIONS.get(name, {})) for name in providers], enable_fallback=0
            )
        except Exception as error:  # the runtime's exceptions share no narrower parent
            raise EngineError(f"{where}: {self.name} refuses this graph: {first_line(error)}") from error
        self._session._model_bytes = None  # kept for that fallback alone, and as large as the model
        if self._session.get_providers()[0] != providers[0]:
            raise EngineError(f"{where}: {providers[0]} could not start, so {device!r} cannot be used; docs/gpu.md says what it needs")
        self._inputs = {i.name: _info(i.type, i.shape) for i in self._session.get_inputs()}
        self._outputs = {o.name: _info(o.type, o.shape) for o in self._session.get_outputs()}

    @property
    def name(self) -> str:
        """What computes, and its version."""
        return f"ONNX Runtime {onnxruntime.__version__}"

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
        """The graph's metadata properties."""
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output for `feeds`. Raises EngineError where they do not fit or the runtime refuses them."""
        wrong = misfit(self._inputs, feeds)  # the runtime itself would take one number in a row for a scalar
        if wrong is not None:
            raise EngineError(f"{self._where}: {wrong}")
        try:
            values = self._session.run(None, dict(feeds))
        except Exception as error:  # as above
            raise EngineError(f"{self._where}: ONNX Runtime refuses {listed(feeds)}: {first_line(error)}") from error
        return dict(zip(self._outputs, values, strict=True))


def _providers(device: str) -> list[str]:
    """What ONNX Runtime calls `device`, with the processor behind it for what the device lacks."""
    if device not in _PROVIDERS:
        raise InputError(f"found device {device!r}, expected one of {', '.join(_PROVIDERS)}")
    wanted, here = _PROVIDERS[device], onnxruntime.get_available_providers()
    if wanted[0] not in here:
        raise EngineError(f"this build of ONNX Runtime has no {wanted[0]} (it has {', '.join(here)}); docs/gpu.md says how to install one")
    return wanted


def _info(kind: str, shape: Sequence[Any]) -> TensorInfo:
    dtype = np.dtype(_DTYPES.get(kind, np.object_))
    return TensorInfo(dtype, tuple(side if isinstance(side, int) else None for side in shape))
