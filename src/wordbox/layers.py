"""The layer table of a network: its rows as the community writes them, and where each stands in our drawing.

A row says index, from, repeats, module and arguments (spec yolov5-yolov8.md, sections 1.5 to 1.7 and 4.3). Foreign files name
their arrays by these rows, and `wordbox info` prints them.
"""

from dataclasses import dataclass, replace

from wordbox.specs import GATE_HEAD, AnchorHead, NanoSpec, YoloSpec, Yolov5Spec, Yolov8Spec, YoloWorldSpec

Sources = tuple[int, ...]

V1_ROWS = {18: 19, 19: 20, 20: 21, 21: 23, 22: 24, 23: 25}
"""Where rows of the neck stand in YOLOv5 v1.0."""
V1_HEAD = (18, 22, 26)
"""The rows of v1.0 that are its head's convolutions, finest level first."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One row."""

    index: int
    sources: Sources
    """The rows whose output it takes; -1 is the row before."""
    repeats: int
    """How many blocks are inside."""
    module: str
    """The block's name, as published."""
    arguments: tuple[object, ...]
    """What the block is built with."""
    name: str
    """Attribute path of the block in our networks; empty where it holds no arrays."""
    channels: int
    """Channels of the output; 0 for the head, which has several."""
    stride: int
    """Canvas pixels a cell of the output; 0 for the head."""


class _Table:
    """Collects rows."""

    def __init__(self) -> None:
        self.rows: list[Layer] = []

    def add(
        self, module: str, channels: int, stride: int, *arguments: object, name: str = "", repeats: int = 1, sources: Sources = (-1,)
    ) -> int:
        index = len(self.rows)
        self.rows.append(
            Layer(
                index=index,
                sources=sources,
                repeats=repeats,
                module=module,
                arguments=arguments,
                name=name,
                channels=channels,
                stride=stride,
            )
        )
        return index


def layers(spec: YoloSpec) -> tuple[Layer, ...]:
    """Every row of the network, head last."""
    table = _Table()
    match spec:
        case Yolov5Spec():
            levels = _yolov5_neck(table, spec, _yolov5_backbone(table, spec))
        case Yolov8Spec():
            levels = _yolov8_neck(table, spec, _yolov8_backbone(table, spec))
        case YoloWorldSpec():
            levels = _yolo_world_neck(table, spec, _yolov8_backbone(table, spec))
            table.add("WorldDetect", 0, 0, spec.classes or 80, spec.embedding, spec.version == "v2", name="head", sources=tuple(levels))
            return tuple(table.rows)
    arguments = (spec.classes, spec.head.anchors) if isinstance(spec.head, AnchorHead) else (spec.classes,)
    table.add("Detect", 0, 0, *arguments, name="head", sources=tuple(levels))
    return tuple(table.rows)


def layers_of_nano(spec: NanoSpec) -> tuple[Layer, ...]:
    """Every row of wordbox-nano in the same form: sums in place of concatenations, and a head that compares cells with words."""
    table = _Table()
    table.add("Conv", spec.stem, 2, 3, spec.stem, 3, 2, name="backbone.stem")
    table.add("MaxPool", spec.stem, 4, 3, 2)
    ends, c_in, stride = [], spec.stem, 4
    for i, stage in enumerate(spec.stages):
        stride *= stage.stride
        width = 2 * stage.width
        ends.append(table.add("Stage", width, stride, c_in, width, stage.stride, name=f"backbone.stages.{i}", repeats=stage.blocks))
        c_in = width
    count, mixed = len(spec.strides), []
    for i, (end, stage, stride) in enumerate(zip(ends[-count:], spec.stages[-count:], spec.strides, strict=True)):
        mixed.append(table.add("Conv", spec.neck, stride, 2 * stage.width, spec.neck, 1, 1, name=f"neck.lateral.{i}", sources=(end,)))
    down = [(level, level + 1, "Upsample", (2, "linear")) for level in range(count - 2, -1, -1)]
    up = [(level, level - 1, "AvgPool", (2, 2)) for level in range(1, count)]
    for level, other, resize, arguments in (*down, *up):
        table.add(resize, spec.neck, spec.strides[level], *arguments, sources=(mixed[other],))
        mixed[level] = table.add("Add", spec.neck, spec.strides[level], sources=(-1, mixed[level]))
    for i, (end, stride) in enumerate(zip(mixed, spec.strides, strict=True)):
        mixed[i] = table.add("Conv", spec.neck, stride, spec.neck, spec.neck, 3, 1, name=f"head.stem.{i}", sources=(end,))
    table.add("Contrast", 0, 0, spec.embedding, spec.bins, name="head", sources=tuple(mixed))
    return tuple(table.rows)


def of_v1(rows: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The rows of a YOLOv5 with three levels as v1.0 has them: three bare convolutions among those of the neck (section 1.6)."""
    *own, head = rows
    found = {moved: replace(row, index=moved) for row in own for moved in (V1_ROWS.get(row.index, row.index),)}
    for row in (19, 23):  # they pass over the convolution before them
        found[row] = replace(found[row], sources=(-2,))
    for row in V1_HEAD:
        found[row] = replace(found[row - 1], index=row, sources=(-1,), module="Conv2d", arguments=(), name="", channels=0)
    return (*(found[row] for row in sorted(found)), replace(head, index=27, sources=V1_HEAD[::-1]))


def _yolov5_backbone(table: _Table, spec: Yolov5Spec) -> list[int]:
    """Rows of the backbone; gives the last row of each stage."""
    stem, *widths = spec.widths
    if spec.stem == "focus":
        table.add("Focus", stem, 2, 3, stem, 3, name="backbone.stem")
    else:
        table.add("Conv", stem, 2, 3, stem, 6, 2, 2, name="backbone.stem")
    ends, c_in = [], stem
    for i, (width, repeats) in enumerate(zip(widths, spec.repeats, strict=True)):
        stride, last = 4 * 2**i, i == len(widths) - 1
        table.add("Conv", width, stride, c_in, width, 3, 2, name=f"backbone.stages.{i}.down")
        if last and spec.pool_first:
            table.add(spec.pool, width, stride, width, width, _pools(spec), name="backbone.pool")
        shortcut = () if not (last and spec.pool_first) else (False,)
        csp = "C3TR" if last and spec.transformer else spec.csp
        end = table.add(csp, width, stride, width, width, *shortcut, name=f"backbone.stages.{i}.csp", repeats=repeats)
        if last and not spec.pool_first:
            end = table.add(spec.pool, width, stride, width, width, _pools(spec), name="backbone.pool")
        ends.append(end)
        c_in = width
    return ends


def _yolov5_neck(table: _Table, spec: Yolov5Spec, ends: list[int]) -> list[int]:
    """Rows of the neck: down the pyramid with a 1x1 convolution before each step, then up again. Gives the rows of the levels."""
    count = len(spec.strides)
    widths, ends = spec.widths[-count:], ends[-count:]
    reduced: dict[int, int] = {}
    outputs: dict[int, int] = {}
    for level in range(count - 2, -1, -1):
        coarse, fine, stride = widths[level + 1], widths[level], spec.strides[level]
        reduced[level + 1] = table.add("Conv", fine, 2 * stride, coarse, fine, 1, 1, name=f"neck.reduce.{level}")
        table.add("Upsample", fine, stride, 2, "nearest")
        table.add("Concat", 2 * fine, stride, 1, sources=(-1, ends[level]))
        outputs[level] = table.add(spec.csp, fine, stride, 2 * fine, fine, False, name=f"neck.top_down.{level}", repeats=spec.neck_repeats)
    for level in range(1, count):
        fine, coarse, stride = widths[level - 1], widths[level], spec.strides[level]
        table.add("Conv", fine, stride, fine, fine, 3, 2, name=f"neck.down.{level - 1}")
        table.add("Concat", 2 * fine, stride, 1, sources=(-1, reduced[level]))
        outputs[level] = table.add(
            spec.csp, coarse, stride, 2 * fine, coarse, False, name=f"neck.bottom_up.{level - 1}", repeats=spec.neck_repeats
        )
    return [outputs[level] for level in range(count)]


def _yolov8_backbone(table: _Table, spec: Yolov8Spec | YoloWorldSpec) -> list[int]:
    """Rows of the backbone; gives the last row of each stage."""
    stem, *widths = spec.widths
    table.add("Conv", stem, 2, 3, stem, 3, 2, name="backbone.stem")
    ends, c_in = [], stem
    for i, (width, repeats) in enumerate(zip(widths, spec.repeats, strict=True)):
        stride = 4 * 2**i
        table.add("Conv", width, stride, c_in, width, 3, 2, name=f"backbone.stages.{i}.down")
        ends.append(table.add("C2f", width, stride, width, width, True, name=f"backbone.stages.{i}.csp", repeats=repeats))
        c_in = width
    ends[-1] = table.add("SPPF", c_in, 2 * 2 ** len(widths), c_in, c_in, spec.pool_sides[0], name="backbone.pool")
    return ends


def _yolov8_neck(table: _Table, spec: Yolov8Spec, ends: list[int]) -> list[int]:
    """Rows of the neck, which has no 1x1 convolutions. Gives the rows of the levels."""
    count = len(spec.strides)
    widths, ends = spec.widths[-count:], ends[-count:]
    inner: dict[int, int] = {count - 1: ends[-1]}
    for level in range(count - 2, -1, -1):
        coarse, fine, stride = widths[level + 1], widths[level], spec.strides[level]
        table.add("Upsample", coarse, stride, 2, "nearest")
        table.add("Concat", coarse + fine, stride, 1, sources=(-1, ends[level]))
        inner[level] = table.add(
            spec.neck_csp, fine, stride, coarse + fine, fine, False, name=f"neck.top_down.{level}", repeats=spec.neck_repeats
        )
    outputs = {0: inner[0]}
    for level in range(1, count):
        fine, coarse, stride = widths[level - 1], widths[level], spec.strides[level]
        table.add("Conv", fine, stride, fine, fine, 3, 2, name=f"neck.down.{level - 1}")
        table.add("Concat", fine + coarse, stride, 1, sources=(-1, inner[level]))
        outputs[level] = table.add(
            spec.neck_csp, coarse, stride, fine + coarse, coarse, False, name=f"neck.bottom_up.{level - 1}", repeats=spec.neck_repeats
        )
    return [outputs[level] for level in range(count)]


def _yolo_world_neck(table: _Table, spec: YoloWorldSpec, ends: list[int]) -> list[int]:
    """YOLOv8's neck with gated stages; in v1 words look at the picture between the ways (spec yolo-world.md, section 1.3)."""
    count = len(spec.strides)
    widths, ends = spec.widths[-count:], ends[-count:]
    inner: dict[int, int] = {count - 1: ends[-1]}

    def stage(name: str, c_in: int, level: int) -> int:
        width, stride = widths[level], spec.strides[level]
        half = width // 2
        return table.add(
            "C2fAttn", width, stride, c_in, width, half, half // GATE_HEAD, spec.embedding, name=name, repeats=spec.neck_repeats
        )

    for level in range(count - 2, -1, -1):
        coarse, fine, stride = widths[level + 1], widths[level], spec.strides[level]
        table.add("Upsample", coarse, stride, 2, "nearest")
        table.add("Concat", coarse + fine, stride, 1, sources=(-1, ends[level]))
        inner[level] = stage(f"neck.top_down.{level}", coarse + fine, level)
    outputs, way = {0: inner[0]}, -1
    if spec.version == "v1":
        sources = tuple(inner[level] for level in range(count))
        table.add("ImagePoolingAttn", spec.embedding, 0, spec.pooled_width, name="neck.pooling", sources=sources)
        way = inner[0]
    for level in range(1, count):
        fine, coarse, stride = widths[level - 1], widths[level], spec.strides[level]
        table.add("Conv", fine, stride, fine, fine, 3, 2, name=f"neck.down.{level - 1}", sources=(way,))
        table.add("Concat", fine + coarse, stride, 1, sources=(-1, inner[level]))
        outputs[level], way = stage(f"neck.bottom_up.{level - 1}", fine + coarse, level), -1
    return [outputs[level] for level in range(count)]


def _pools(spec: Yolov5Spec) -> object:
    return spec.pool_sides[0] if spec.pool == "SPPF" else spec.pool_sides
