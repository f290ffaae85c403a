"""The shapes of a graph's outputs where its file does not state them: worked out by onnx, or read from the graph's last nodes."""

import onnx
from onnx import numpy_helper, shape_inference

from wordbox.errors import WeightsError

_LAST = (-1, 2)  # the last axis of a table (B, N, C)


def sides(value: onnx.ValueInfoProto) -> list[int | None]:
    """The declared shape; None for an axis of any length, which some exporters write as 0 or -1."""
    return [side.dim_value if side.dim_value > 0 else None for side in value.type.tensor_type.shape.dim]


def with_shapes(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model itself where its outputs have shapes, else a copy whose outputs have them as far as they can be told.

    Exporters leave out every side of a table when the size of the picture is free. Raises WeightsError that names `where` if the graph
    cannot be followed.
    """
    if all(_is_stated(value) for value in model.graph.output):
        return model
    found = onnx.ModelProto()
    found.CopyFrom(model)
    for value in found.graph.output:
        if not _is_stated(value):
            value.type.tensor_type.ClearField("shape")
    try:
        found = shape_inference.infer_shapes(found, data_prop=True)
    except Exception as error:  # C++ errors of onnx without a narrower public parent
        raise WeightsError(
            f"{where}: the shapes of its outputs cannot be worked out ({error}); export it anew".replace("\n", " ")
        ) from error
    for before, value in zip(model.graph.output, found.graph.output, strict=True):
        if not _is_stated(value) and len(sides(before)) == 3:
            stated = value.type.tensor_type.shape
            stated.ClearField("dim")
            stated.dim.extend(
                [onnx.TensorShapeProto.Dimension(dim_value=side) for side in (0, 0, _last_side(model.graph, value.name) or 0)]
            )
    return found


def _is_stated(value: onnx.ValueInfoProto) -> bool:
    """Whether a side besides the batch is known; lists and single numbers have no other."""
    found = sides(value)
    return len(found) in (1, 2) or any(found[1:])


def _last_side(graph: onnx.GraphProto, name: str) -> int | None:
    """The last side of a table that a Reshape with a constant at its end made, through what leaves that side alone."""
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
    for _ in range(len(graph.node)):  # a broken graph may run in a circle
        node = makers.get(name)
        if node is None or not node.input:
            return None
        axis = next((one.i for one in node.attribute if one.name == "axis"), None)
        if node.op_type in ("Identity", "Cast") or (node.op_type == "Concat" and axis not in _LAST):
            name = node.input[0]
            continue
        if node.op_type != "Reshape" or len(node.input) < 2:
            return None
        wanted = node.input[1]
        if wanted in makers and makers[wanted].op_type == "Concat" and makers[wanted].input:
            wanted = makers[wanted].input[-1]
        return _last_number(constants.get(wanted))
    return None


def _last_number(tensor: onnx.TensorProto | None) -> int | None:
    """The last of constant whole numbers, if it is a length."""
    if tensor is None or tensor.data_type != onnx.TensorProto.INT64 or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        numbers = numpy_helper.to_array(tensor).ravel()
    except (ValueError, TypeError):  # its bytes are not what its shape says
        return None
    return int(numbers[-1]) if numbers.size and numbers[-1] > 0 else None
