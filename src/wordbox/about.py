"""What a model is, in figures: its layer table, parameters and operations, beside what its file says."""

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from wordbox import variants
from wordbox.arrays import Named, of_layer
from wordbox.errors import WeightsError
from wordbox.graphs import count
from wordbox.graphs.pooling import PATCHES
from wordbox.layers import Layer, layers, layers_of_nano
from wordbox.manifest import Manifest
from wordbox.opening import Model
from wordbox.specs import DistributionHead, NanoSpec, YoloSpec, YoloWorldSpec, is_open

YOLO_SIZE = 640
"""Operations of YOLOs are counted on a square canvas of this side, as published."""
WORDS = 80
"""... and those of words for this many of them, where they are an input."""


def file(model: Model) -> dict[str, Any]:
    """Everything about a model file. Raises WeightsError where its arrays do not fit its network."""
    facts, graph = model.manifest, model.graph()
    if isinstance(facts.spec, YoloSpec):
        return manifest(facts)
    said = _said_of_itself(facts)
    height, width = said["size"]
    embedding = facts.spec.embedding if facts.spec is not None else 0
    shapes = {
        "images": (1, height, width, 3),
        "words": (1, len(facts.names), embedding),
        "words_mask": (1, len(facts.names)),
        "conf": (),
        "iou": (),
        "max_candidates": (1,),
    }
    rows = _nano_rows(facts.spec, model.arrays, (height, width)) if facts.spec is not None and model.arrays is not None else None
    return {
        "name": facts.name,
        "network": None if facts.spec is None else variants.called(facts.spec),
        "parameters": count.parameters(graph) or None,  # none: another tool's graph of operators that are not counted
        "flops": count.flops(graph, shapes) or None,
        "layers": rows,
        **said,
    }


def manifest(facts: Manifest) -> dict[str, Any]:
    """What a file says of itself where its graph cannot be looked into."""
    figures = {"parameters": None, "flops": None, "layers": None}
    if isinstance(facts.spec, YoloSpec):
        figures = _figures(facts.spec)
    return {
        "name": facts.name,
        "network": None if facts.spec is None else variants.called(facts.spec),
        **figures,
        **_said_of_itself(facts),
    }


def network(name: str) -> dict[str, Any]:
    """Everything about the network called `name`, without weights. Raises WeightsError where there is none of that name."""
    spec = variants.named(name)
    if isinstance(spec, NanoSpec):
        raise WeightsError(f"{name!r} is a model, not a bare network; leave the name out to see it")
    size = variants.native_size(spec.strides)
    return {
        "name": name,
        "network": name,
        **_figures(spec),
        "size": [size, size],
        "open": is_open(spec),
        "words": None,
        "licence": None,
        "origin": None,
    }


def _said_of_itself(facts: Manifest) -> dict[str, Any]:
    size = facts.preprocessing.size
    return {
        "size": [size, size] if isinstance(size, int) else list(size),
        "open": facts.open,
        "words": list(facts.names),
        "licence": facts.licence or None,
        "origin": facts.origin or None,
    }


def _figures(spec: YoloSpec) -> dict[str, Any]:
    rows = [_row(layer, spec) for layer in layers(spec)]
    every = [named for layer in layers(spec) for named in of_layer(layer, spec)]
    return {"parameters": sum(row["parameters"] for row in rows), "flops": _flops(spec, every), "layers": rows}


def _row(layer: Layer, spec: YoloSpec) -> dict[str, Any]:
    own = sum(math.prod(named.shape) for named in of_layer(layer, spec) if not named.is_statistic)
    cells = YOLO_SIZE // layer.stride if layer.stride else 0
    output: list[Any] = [layer.channels, cells, cells] if layer.stride else _head_shapes(spec)
    if isinstance(spec, YoloWorldSpec) and layer.module == "ImagePoolingAttn":
        output = [spec.folded or WORDS, spec.embedding]  # words that have looked at the picture
    return _said(layer, own, output)


def _nano_rows(spec: NanoSpec, arrays: Mapping[str, NDArray[Any]], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Rows with the parameters that are left when norms and scales are folded, on a canvas of `size`."""
    rows = layers_of_nano(spec)
    owners = sorted((row.name for row in rows if row.name), key=len, reverse=True)  # head.stem.0 before head
    sizes = dict.fromkeys(owners, 0)
    for name, array in arrays.items():
        if not name.startswith(("head.norm.", "head.scale.", "head.offset.")):
            sizes[next(owner for owner in owners if name.startswith(f"{owner}."))] += array.size
    height, width = size
    heads = [[4 * spec.bins + (spec.classes or spec.embedding), height // stride, width // stride] for stride in spec.strides]
    shapes = [[row.channels, height // row.stride, width // row.stride] if row.stride else heads for row in rows]
    return [_said(row, sizes.get(row.name, 0), shape) for row, shape in zip(rows, shapes, strict=True)]


def _said(layer: Layer, parameters: int, output: list[Any]) -> dict[str, Any]:
    return {
        "index": layer.index,
        "from": list(layer.sources),
        "repeats": layer.repeats,
        "module": layer.module,
        "arguments": list(layer.arguments),
        "name": layer.name,
        "parameters": parameters,
        "output": output,
    }


def _head_shapes(spec: YoloSpec) -> list[list[int]]:
    head, labels = spec.head, WORDS if is_open(spec) else spec.classes
    depth = 4 * head.bins + labels if isinstance(head, DistributionHead) else len(head.anchors[0]) * (5 + labels)
    return [[depth, YOLO_SIZE // stride, YOLO_SIZE // stride] for stride in spec.strides]


def _flops(spec: YoloSpec, every: list[Named]) -> int:
    """Twice the multiply-adds of all convolutions ("conv" in spec yolov5-yolov8.md, section 1.9), and of words."""
    total = sum(math.prod(named.shape) * (YOLO_SIZE // named.stride) ** 2 for named in every if named.stride and len(named.shape) == 4)
    if isinstance(spec.head, DistributionHead):  # the ramp is a convolution too, over four sides of every cell
        total += spec.head.bins * 4 * sum((YOLO_SIZE // stride) ** 2 for stride in spec.strides)
    if isinstance(spec, YoloWorldSpec):
        total += _of_words(spec, every, spec.folded or WORDS)
    return 2 * total


def _of_words(spec: YoloWorldSpec, every: list[Named], words: int) -> int:
    """Multiply-adds of what words do: gates, attention, and the comparison with every cell, as published: each cell's vector with each
    word's (spec yolo-world.md, section 1.5)."""
    cells = [(YOLO_SIZE // stride) ** 2 for stride in spec.strides]
    total = sum(math.prod(named.shape) * words for named in every if named.name.endswith(".guide.weight"))
    total += sum(named.shape[0] * words * (YOLO_SIZE // named.stride) ** 2 for named in every if ".gate.project.conv." in named.name)
    if not (spec.phrases and spec.version == "v2"):
        total += spec.embedding * words * sum(cells)
    if spec.version == "v1":
        width, patches = spec.pooled_width, PATCHES**2 * len(cells)
        widths = spec.widths[-len(cells) :]
        total += sum(c_in * width * count for c_in, count in zip(widths, cells, strict=True))
        total += 2 * width * width * patches + 2 * spec.embedding * width * words + 2 * width * patches * words
    return total
