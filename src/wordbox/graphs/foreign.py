"""Other tools' exports: recognised by shapes and metadata, given our ending in memory, and run like our own."""

from pathlib import Path

import numpy as np
import onnx
from onnx import compose, helper, version_converter

from wordbox.errors import WeightsError, first_line
from wordbox.graphs import ending, foreign_metadata
from wordbox.graphs.blocks import scalar
from wordbox.graphs.builder import OPSET, GraphBuilder
from wordbox.graphs.foreign_layout import Ends, Layout, ends
from wordbox.graphs.foreign_shapes import sides, with_shapes
from wordbox.manifest import Manifest, Thresholds, line

_THRESHOLDS = {  # the defaults of the tools that write these layouts (spec yolov5-yolov8.md 1.11, T25)
    "classes": Thresholds(conf=0.25, iou=0.7),
    "objectness": Thresholds(conf=0.25, iou=0.45),
    "finished": Thresholds(conf=0.25, iou=1.0),  # nothing more is dropped unless asked
}


def read(path: Path) -> onnx.ModelProto:
    """The graph in an ONNX file. Raises WeightsError that names the file if it cannot be read."""
    try:
        return onnx.load_model(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); looked for {path.resolve()}") from error
    except Exception as error:  # protobuf's DecodeError is no public name
        raise WeightsError(f"{path}: cannot be read as ONNX ({first_line(error)}); export or copy it anew") from error


def adopt(model: onnx.ModelProto, where: str) -> tuple[onnx.ModelProto, Manifest]:
    """Another tool's export with our ending, and a Manifest made of what it says about itself.

    Raises WeightsError that names `where` and says what was found if it is of no layout that `foreign_layout` lists.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if not all(isinstance(text, str) for text in (*metadata, *metadata.values())):  # protobuf gives bytes where they are no UTF-8
        raise WeightsError(f"{where}: its metadata is no UTF-8; copy or export the file anew")
    foreign_metadata.check_task(metadata, where)
    names = foreign_metadata.names(metadata, where)
    known = with_shapes(model, where)
    found = ends(known.graph, len(names), foreign_metadata.suppresses(metadata), where)
    manifest = Manifest(
        name=line(where.replace("\\", "/").rsplit("/", 1)[-1]),
        names=names or tuple(f"class {i}" for i in range(found.layout.classes)),
        open=False,
        preprocessing=foreign_metadata.preprocessing(metadata, found.canvas, where),
        thresholds=_THRESHOLDS[found.layout.kind],
        origin=metadata.get("description", ""),
        licence=metadata.get("license", ""),
    )
    try:
        renamed = compose.add_prefix(_modern(model, where), "foreign/")  # our names are a contract, so theirs make room
    except TypeError as error:  # a name that is no UTF-8
        raise WeightsError(f"{where}: the names in its graph cannot be read ({error}); copy or export the file anew") from error
    return _with_ending(renamed, found, manifest), manifest


def _with_ending(renamed: onnx.ModelProto, found: Ends, manifest: Manifest) -> onnx.ModelProto:
    """The graph `renamed`, whose names begin with foreign/, between our inputs and our ending."""
    kept = renamed.graph
    graph = GraphBuilder(opset=next(entry.version for entry in renamed.opset_import if entry.domain in ("", "ai.onnx")))
    batch = sides(found.image)[0]
    height, width = found.canvas
    images = ending.image_input(graph, batch or "B", height or "H", width or "W")
    limits = ending.limit_inputs(graph)

    scaled = graph.op("Div", graph.cast(images, np.float32), scalar(graph, 255))
    wanted = helper.tensor_dtype_to_np_dtype(found.image.type.tensor_type.elem_type)
    before = helper.make_node(
        "Transpose", [graph.cast(scaled, wanted)], [f"foreign/{found.image.name}"], name="foreign/enter", perm=[0, 3, 1, 2]
    )
    entrance = [*graph.nodes, before]
    graph.nodes = []

    boxes, scores = _boxes_and_scores(graph, f"foreign/{found.candidates.name}", found.layout)

    def decode(cells: str) -> str:
        chosen = ending.gather_cells(graph, boxes, cells)
        return chosen if found.layout.kind == "finished" else _corners(graph, chosen)

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


def _boxes_and_scores(graph: GraphBuilder, candidates: str, layout: Layout) -> tuple[str, str]:
    """Boxes (B, N, 4) as the layout writes them, and scores (B, N, K), both float32."""
    rows = graph.cast(candidates if layout.rows else graph.op("Transpose", candidates, perm=[0, 2, 1]), np.float32)
    match layout.kind:
        case "classes":
            boxes, scores = graph.op_many("Split", rows, graph.integers(4, layout.classes), count=2, axis=2)
        case "objectness":
            boxes, there, classes = graph.op_many("Split", rows, graph.integers(4, 1, layout.classes), count=3, axis=2)
            scores = graph.op("Mul", there, classes)
        case "finished":
            boxes, best, label = graph.op_many("Split", rows, graph.integers(4, 1, 1), count=3, axis=2)
            its_class = graph.op("Equal", graph.op("Round", label), graph.constant(np.arange(layout.classes)))  # (B, N, K)
            scores = graph.op("Mul", best, graph.cast(its_class, np.float32))
    return boxes, scores


def _corners(graph: GraphBuilder, boxes: str) -> str:
    """xyxy boxes (B, P, 4) of centres and sides."""
    centre, sides = graph.op_many("Split", boxes, graph.integers(2, 2), count=2, axis=2)
    half = graph.op("Mul", sides, scalar(graph, 0.5))
    return graph.op("Concat", graph.op("Sub", centre, half), graph.op("Add", centre, half), axis=2)


def _modern(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model, brought to our opset if it is older: some nodes of the ending have no older form."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version >= OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises plain RuntimeErrors of C++
        raise WeightsError(
            f"{where}: its opset {version} cannot be brought to {OPSET} ({first_line(error)}); export it with opset {OPSET}"
        ) from error
