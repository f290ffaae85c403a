"""A thin layer over onnx: nodes, constants and names, one call a node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

OPSET = 17
IR_VERSION = 9  # with opset 17, what the oldest runtime we support reads


class GraphBuilder:
    """Collects the nodes of one graph. Every method that makes a value returns its name, to be passed on."""

    def __init__(self, opset: int = OPSET) -> None:
        """Start an empty graph of `opset`, which is another one where the graph is to be joined to a newer one."""
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._taken: set[str] = set()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def input(self, name: str, dtype: DTypeLike, shape: Sequence[int | str]) -> str:
        """A graph input; a string in `shape` names an axis of any length."""
        self.inputs.append(_value(self._name(name), dtype, shape))
        return self.inputs[-1].name

    def output(self, name: str, value: str, dtype: DTypeLike, shape: Sequence[int | str]) -> None:
        """Make `value` a graph output called `name`."""
        self.nodes.append(helper.make_node("Identity", [value], [self._name(name)]))
        self.outputs.append(_value(name, dtype, shape))

    def constant(self, values: Any, dtype: DTypeLike = np.float32, name: str | None = None) -> str:
        """An array as an initialiser; equal unnamed ones are stored once."""
        array = np.ascontiguousarray(np.asarray(values, dtype)).reshape(np.shape(values))
        if name is not None:
            return self._initializer(array, name)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._initializer(array, "constant")
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """A one-dimensional int64 constant, as axes and shapes want it."""
        return self.constant(values, np.int64)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One node with one output."""
        return self.op_many(kind, *inputs, count=1, **attributes)[0]

    def op_many(self, kind: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """One node with `count` outputs."""
        outputs = [self._name(kind.lower()) for _ in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """`value` with another dtype."""
        return self.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def maximum(self, value: str, axis: int) -> str:
        """The largest value along `axis`, which goes."""
        if self.opset < 18:
            return self.op("ReduceMax", value, axes=[axis], keepdims=0)
        return self.op("ReduceMax", value, self.integers(axis), keepdims=0)

    def dimension(self, value: str, axis: int) -> str:
        """The length of one axis at run time, as an int64 (1)."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def model(self, metadata: Mapping[str, str], name: str = "wordbox") -> onnx.ModelProto:
        """The finished graph, with `metadata` as its properties."""
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.initializers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=IR_VERSION, producer_name="wordbox"
        )
        helper.set_model_props(model, dict(metadata))
        return model

    def _initializer(self, array: NDArray[Any], wanted: str) -> str:
        self.initializers.append(numpy_helper.from_array(array, self._name(wanted)))
        return self.initializers[-1].name

    def _name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        return name


def _value(name: str, dtype: DTypeLike, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
