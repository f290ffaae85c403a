"""What a graph costs: its parameters, and the floating-point operations of one run."""

import math
from collections.abc import Mapping, Sequence

import onnx
from onnx import shape_inference

_LAYERS = ("Conv", "Gemm", "MatMul")


def parameters(model: onnx.ModelProto) -> int:
    """Numbers in the weights and biases of the layers of `model`, norms folded in."""
    layers = {name for node in model.graph.node if node.op_type in _LAYERS for name in node.input}
    stored = [one for one in model.graph.initializer if one.name in layers and not one.name.startswith("constant")]
    return sum(math.prod(one.dims) for one in stored)


def flops(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> int | None:
    """Twice the multiply-adds of the convolutions and matrix products in one run with inputs of `shapes`.

    What follows the shortlist, whose length is known at run time only, does not count. None where the graph does not tell its shapes.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        for side, length in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            side.dim_value = length
    inferred = shape_inference.infer_shapes(fixed, data_prop=True).graph
    known = {value.name: _shape(value) for value in [*inferred.input, *inferred.value_info, *inferred.output]}
    known |= {initializer.name: tuple(initializer.dims) for initializer in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type in _LAYERS and not known.keys() >= {node.input[0], node.input[1], node.output[0]}:
            return None
        if node.op_type == "Conv":
            total += math.prod(known[node.output[0]]) * math.prod(known[node.input[1]][1:])
        elif node.op_type in ("MatMul", "Gemm"):
            total += math.prod(known[node.output[0]]) * known[node.input[0]][-1]
    return 2 * total


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The inferred shape; 0 for an axis known at run time only."""
    return tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
