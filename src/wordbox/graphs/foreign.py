"""Other tools' exports: recognised by shapes and metadata, given our ending in memory, and run like our own.

Recognised is an output (B, 4 + K, N) of boxes (centre, width, height, in canvas pixels) over K class scores, as YOLOv8's
exporter writes it (spec yolov5-yolov8.md). Names, size and stride in the metadata are parsed as data, never evaluated.
"""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import compose, helper, version_converter

from wordbox.errors import WeightsError
from wordbox.graphs import ending
from wordbox.graphs.blocks import scalar
from wordbox.graphs.builder import OPSET, GraphBuilder
from wordbox.manifest import Manifest, Preprocessing

_LITERAL_LIMIT = 1_000_000  # characters of metadata that are parsed at all
# Numbers, strings and brackets: a long chain of operators would crash Python 3.10's own parser.
_LITERAL = re.compile(r"""(?:[\s\d{}\[\](),:.]|None|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")*""")
_FLOATS: dict[int, type[np.generic]] = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.FLOAT16: np.float16}


@dataclass(frozen=True)
class _Ends:
    """The image input and the candidates output of a foreign graph."""

    image: onnx.ValueInfoProto
    candidates: onnx.ValueInfoProto
    classes: int


def read(path: Path) -> onnx.ModelProto:
    """The graph in an ONNX file. Raises WeightsError that names the file if it cannot be read."""
    try:
        return onnx.load_model(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); looked for {path.resolve()}") from error
    except Exception as error:  # protobuf's DecodeError is no public name
        raise WeightsError(f"{path}: cannot be read as ONNX ({_first_line(error)}); export or copy it anew") from error


def adopt(model: onnx.ModelProto, where: str) -> tuple[onnx.ModelProto, Manifest]:
    """Another tool's export with our ending, and a Manifest made of what it says about itself.

    Raises WeightsError that names `where` and says what was found if it is not of the kind above.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if not all(isinstance(text, str) for text in (*metadata, *metadata.values())):  # protobuf gives bytes where they are no UTF-8
        raise WeightsError(f"{where}: its metadata is no UTF-8; copy or export the file anew")
    task = metadata.get("task", "detect")
    if task != "detect":
        raise WeightsError(f"{where}: found a model for the task {task!r}, expected 'detect'; Wordbox detects boxes only")
    names = _names(metadata, where)
    ends = _ends(model.graph, names, where)
    manifest = Manifest(
        name=where.replace("\\", "/").rsplit("/", 1)[-1],
        names=names or tuple(f"class {i}" for i in range(ends.classes)),
        open=False,
        preprocessing=_preprocessing(metadata, ends.image, where),
        origin=metadata.get("description", ""),
        licence=metadata.get("license", ""),
    )
    try:
        renamed = compose.add_prefix(_modern(model, where), "foreign/")  # our names are a contract, so theirs make room
    except TypeError as error:  # a name that is no UTF-8
        raise WeightsError(f"{where}: the names in its graph cannot be read ({error}); copy or export the file anew") from error
    return _with_ending(renamed, ends, manifest), manifest


def _ends(graph: onnx.GraphProto, names: tuple[str, ...], where: str) -> _Ends:
    stored = {initializer.name for initializer in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    images = [
        value for value in inputs if len(_shape(value)) == 4 and _shape(value)[1] == 3 and value.type.tensor_type.elem_type in _FLOATS
    ]
    shapes = ", ".join(f"{value.name} {_shape(value)}" for value in graph.output)
    if len(inputs) != 1 or not images:
        found = ", ".join(f"{value.name} {_shape(value)}" for value in inputs)
        raise WeightsError(f"{where}: found inputs {found or 'none'}, expected one float input (B, 3, H, W)")
    sized = [(value, _classes(_shape(value), names)) for value in graph.output]
    fits = [(value, classes) for value, classes in sized if classes and classes == (len(names) or classes)]
    if len(fits) == 1:
        return _Ends(images[0], *fits[0])
    others = [classes for _, classes in sized if classes]
    if names and len(others) == 1:
        raise WeightsError(f"{where}: its metadata names {len(names)} classes, but its output {shapes} holds scores of {others[0]}")
    raise WeightsError(f"{where}: found outputs {shapes}, expected exactly one of the form (B, 4 + classes, candidates)")


def _classes(shape: list[int | None], names: tuple[str, ...]) -> int:
    """How many classes an output of `shape` holds; 0 if it has not the form (B, 4 + K, N)."""
    if len(shape) != 3:
        return 0
    rows, candidates = shape[1], shape[2]
    if rows is None:
        return len(names)
    return rows - 4 if rows > 4 and (candidates is None or candidates > rows) else 0


def _with_ending(renamed: onnx.ModelProto, ends: _Ends, manifest: Manifest) -> onnx.ModelProto:
    """The graph `renamed`, whose names begin with foreign/, between our inputs and our ending."""
    kept = renamed.graph
    graph = GraphBuilder(opset=next(entry.version for entry in renamed.opset_import if entry.domain in ("", "ai.onnx")))
    batch, _, height, width = _shape(ends.image)
    images = ending.image_input(graph, batch or "B", height or "H", width or "W")
    limits = ending.limit_inputs(graph)

    scaled = graph.op("Div", graph.cast(images, np.float32), scalar(graph, 255))
    wanted = _FLOATS[ends.image.type.tensor_type.elem_type]
    before = helper.make_node(
        "Transpose", [graph.cast(scaled, wanted)], [f"foreign/{ends.image.name}"], name="foreign/enter", perm=[0, 3, 1, 2]
    )
    entrance = [*graph.nodes, before]
    graph.nodes = []

    rows = graph.cast(graph.op("Transpose", f"foreign/{ends.candidates.name}", perm=[0, 2, 1]), np.float32)
    boxes, scores = graph.op_many("Split", rows, graph.integers(4, ends.classes), count=2, axis=2)

    def decode(cells: str) -> str:
        centre, sides = graph.op_many("Split", ending.gather_cells(graph, boxes, cells), graph.integers(2, 2), count=2, axis=2)
        half = graph.op("Mul", sides, scalar(graph, 0.5))
        return graph.op("Concat", graph.op("Sub", centre, half), graph.op("Add", centre, half), axis=2)

    ending.shortlist(graph, scores, decode, limits, sigmoid=False)
    joined = graph.model(manifest.to_metadata(), "adopted")
    nodes = [*entrance, *kept.node, *joined.graph.node]
    del joined.graph.node[:]
    joined.graph.node.extend(nodes)
    joined.graph.initializer.extend(kept.initializer)
    joined.graph.sparse_initializer.extend(kept.sparse_initializer)
    joined.functions.extend(renamed.functions)
    del joined.opset_import[:]
    joined.opset_import.extend(renamed.opset_import)
    joined.ir_version = max(joined.ir_version, renamed.ir_version)
    return joined


def _modern(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model, brought to our opset if it is older: some nodes of the ending have no older form."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version >= OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises plain RuntimeErrors of C++
        raise WeightsError(
            f"{where}: its opset {version} cannot be brought to {OPSET} ({_first_line(error)}); export it with opset {OPSET}"
        ) from error


def _names(metadata: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Class names, from a list or a mapping of numbers to names; none where the metadata has none."""
    if "names" not in metadata:
        return ()
    found = _literal(metadata["names"])
    if isinstance(found, dict):
        try:
            numbered = {int(key): value for key, value in found.items()}
        except (TypeError, ValueError, OverflowError):
            numbered = {}
        found = [numbered[i] for i in range(len(numbered))] if sorted(numbered) == list(range(len(found))) else None
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) for name in found):
        raise WeightsError(f"{where}: found names {metadata['names'][:80]!r} in its metadata, expected a list of names, numbered from 0")
    return tuple(found)


def _preprocessing(metadata: Mapping[str, str], image: onnx.ValueInfoProto, where: str) -> Preprocessing:
    height, width = _shape(image)[2:]
    written, stride = (metadata.get(key, default) for key, default in (("imgsz", "640"), ("stride", "32")))
    try:
        if height and width:
            return Preprocessing(size=(height, width), stride=_literal(stride))
        size = _literal(written)
        return Preprocessing(size=max(size) if isinstance(size, list | tuple) else size, stride=_literal(stride))
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{where}: found imgsz {written[:80]!r} and stride {stride[:80]!r} in its metadata: {error}") from error


def _literal(text: str) -> Any:
    """A value written as JSON or as a Python literal; None where it is neither."""
    if len(text) > _LITERAL_LIMIT:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if not _LITERAL.fullmatch(text):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    """The declared shape; None for an axis of any length, which some exporters write as 0 or -1."""
    return [side.dim_value if side.dim_value > 0 else None for side in value.type.tensor_type.shape.dim]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
