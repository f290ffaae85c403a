"""Every array of a YOLO: our name, the published one, and the shape, row by row of the layer table.

Published names are `model.<row>.<path>` (spec yolov5-yolov8.md, sections 1.1, 2.4, 2.7 and 4.1; yoloworld_keymap.json); ours
are attribute paths of the drawing. Pure: nothing here sees a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wordbox.layers import V1_HEAD, V1_ROWS, Layer, layers
from wordbox.specs import GATE_HEAD, AnchorHead, DistributionHead, YoloSpec, YoloWorldSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Named:
    """One array."""

    name: str
    """Ours."""
    published: str
    shape: Shape
    stride: int
    """Canvas pixels a cell of what its layer gives."""

    @property
    def is_statistic(self) -> bool:
        """Whether it is measured, not learned: a BatchNorm's mean or variance."""
        return self.name.endswith((".mean", ".variance"))


_Part = tuple[str, str, Shape]
"""Our path and the published one below the block, and the shape."""


def arrays(spec: YoloSpec) -> tuple[Named, ...]:
    """Every array of the network, in the order of its rows."""
    return tuple(named for layer in layers(spec) for named in of_layer(layer, spec))


def of_layer(layer: Layer, spec: YoloSpec) -> tuple[Named, ...]:
    """The arrays of one row."""
    published = f"model.{layer.index}"
    if layer.module in ("Detect", "WorldDetect"):
        levels = zip(spec.strides, spec.widths[-len(spec.strides) :], strict=True)
        found = [
            Named(name=f"head.{ours}", published=f"{published}.{theirs}", shape=shape, stride=stride)
            for level, (stride, width) in enumerate(levels)
            for ours, theirs, shape in _head(spec, level, width)
        ]
        if isinstance(spec, YoloWorldSpec) and spec.version == "v1" and spec.phrases:
            found.append(Named(name="words", published="words", shape=(spec.folded, spec.embedding), stride=0))
        if isinstance(spec.head, DistributionHead):
            shape = (1, spec.head.bins, 1, 1)
            found.append(Named(name="head.bins", published=f"{published}.dfl.conv.weight", shape=shape, stride=0))
        return tuple(found)
    return tuple(
        Named(name=f"{layer.name}.{ours}", published=f"{published}.{theirs}", shape=shape, stride=layer.stride)
        for ours, theirs, shape in _block(layer, spec)
    )


def of_v1(named: tuple[Named, ...]) -> tuple[Named, ...]:
    """The same with the published names of v1.0, whose head is three bare convolutions among the rows of the neck (section 1.6)."""
    heads = {f"model.24.m.{level}": f"model.{row}" for level, row in enumerate(V1_HEAD)}
    found = []
    for one in named:
        _, row, rest = one.published.split(".", 2)
        published = f"model.{V1_ROWS.get(int(row), row)}.{rest}"
        for old, new in heads.items():
            if one.published.startswith(f"{old}."):
                published = new + one.published[len(old) :]
        found.append(replace(one, published=published))
    return tuple(found)


def _block(layer: Layer, spec: YoloSpec) -> Iterator[_Part]:
    c_in, c_out = (layer.arguments[0], layer.arguments[1]) if len(layer.arguments) > 1 else (0, 0)
    if not isinstance(c_in, int) or not isinstance(c_out, int):
        return
    half = c_out // 2
    match layer.module:
        case "Conv":
            side = layer.arguments[2]
            yield from _conv("", "", c_in, c_out, side if isinstance(side, int) else 1)
        case "Focus":
            yield from _conv("conv", "conv", 4 * c_in, c_out, 3)
        case "SPP" | "SPPF":
            yield from _conv("enter", "cv1", c_in, half)
            yield from _conv("join", "cv2", (len(spec.pool_sides) + 1 if layer.module == "SPP" else 4) * half, c_out)
        case "C3" | "C3TR":
            yield from _conv("main", "cv1", c_in, half)
            yield from _conv("side", "cv2", c_in, half)
            yield from _conv("join", "cv3", 2 * half, c_out)
            inside = _transformer(half, layer.repeats) if layer.module == "C3TR" else _bottlenecks(half, layer.repeats, 1)
            yield from inside
        case "BottleneckCSP":
            yield from _conv("main", "cv1", c_in, half)
            yield "side.weight", "cv2.weight", (half, c_in, 1, 1)
            yield "exit.weight", "cv3.weight", (half, half, 1, 1)
            yield from _conv("join", "cv4", 2 * half, c_out)
            yield from _norm("norm", "bn", 2 * half)
            yield from _bottlenecks(half, layer.repeats, 1)
        case "C2f" | "C2":
            yield from _conv("split", "cv1", c_in, 2 * half)
            yield from _conv("join", "cv2", (2 + layer.repeats if layer.module == "C2f" else 2) * half, c_out)
            yield from _bottlenecks(half, layer.repeats, 3)
        case "C2fAttn":
            yield from _conv("split", "cv1", c_in, 2 * half)
            yield from _conv("join", "cv2", (3 + layer.repeats) * half, c_out)
            yield from _bottlenecks(half, layer.repeats, 3)
            if isinstance(spec, YoloWorldSpec):
                yield from _gate(half, spec)
        case "ImagePoolingAttn":
            if isinstance(spec, YoloWorldSpec):
                yield from _pooling(spec)


def _gate(width: int, spec: YoloWorldSpec) -> Iterator[_Part]:
    """What multiplies a stage's last bottleneck by its likeness to words (spec yolo-world.md, section 1.6)."""
    if spec.version == "v2" and spec.phrases:
        yield "gate.words", "attn.words", (spec.folded, width)
    else:
        yield "gate.guide.weight", "attn.gl.weight", (width, spec.embedding)
        yield "gate.guide.bias", "attn.gl.bias", (width,)
    yield "gate.bias", "attn.bias", (width // GATE_HEAD,)
    yield from _conv("gate.project", "attn.proj_conv", width, width, 3)


def _pooling(spec: YoloWorldSpec) -> Iterator[_Part]:
    """v1's attention of words to pooled patches of three levels (same section)."""
    width = spec.pooled_width
    for i, c_in in enumerate(spec.widths[-len(spec.strides) :]):
        yield from _bare(f"projections.{i}", f"projections.{i}", c_in, width)
    for part, c_in in (("query", spec.embedding), ("key", width), ("value", width)):
        for ours, theirs, shape in (("norm", "0", (c_in,)), ("linear", "1", (width, c_in))):
            yield f"{part}.{ours}.weight", f"{part}.{theirs}.weight", shape
            yield f"{part}.{ours}.bias", f"{part}.{theirs}.bias", shape[:1]
    yield "out.weight", "proj.weight", (spec.embedding, width)
    yield "out.bias", "proj.bias", (spec.embedding,)


def _head(spec: YoloSpec, level: int, width: int) -> Iterator[_Part]:
    head = spec.head
    if isinstance(head, AnchorHead):
        out = len(head.anchors[0]) * (spec.classes + 5)
        yield from _bare(f"predict.{level}", f"m.{level}", width, out)
        return
    for j, part in enumerate(("first", "second")):
        yield from _conv(f"box.{level}.{part}", f"cv2.{level}.{j}", head.box_width if j else width, head.box_width, 3)
    yield from _bare(f"box.{level}.predict", f"cv2.{level}.2", head.box_width, 4 * head.bins)
    for j, part in enumerate(("first", "second")):
        ours, theirs, c_in = f"label.{level}.{part}", f"cv3.{level}.{j}", head.label_width if j else width
        if head.depthwise:
            yield from _conv(f"{ours}.depth", f"{theirs}.0", 1, c_in, 3)
            yield from _conv(f"{ours}.point", f"{theirs}.1", c_in, head.label_width)
        else:
            yield from _conv(ours, theirs, c_in, head.label_width, 3)
    if not isinstance(spec, YoloWorldSpec):
        yield from _bare(f"label.{level}.predict", f"cv3.{level}.2", head.label_width, spec.classes)
        return
    inside = spec.version == "v2" and bool(spec.phrases)  # the comparison with words is folded into the last convolution
    yield from _bare(f"label.{level}.predict", f"cv3.{level}.2", head.label_width, sum(spec.phrases) if inside else spec.embedding)
    if not inside:
        if spec.version == "v2":
            yield from _norm(f"contrast.{level}.norm", f"cv4.{level}.norm", spec.embedding)
        yield f"contrast.{level}.scale", f"cv4.{level}.logit_scale", ()
        yield f"contrast.{level}.offset", f"cv4.{level}.bias", ()


def _conv(ours: str, theirs: str, c_in: int, c_out: int, side: int = 1) -> Iterator[_Part]:
    """Convolution and BatchNorm."""
    ours, theirs = (f"{path}." if path else "" for path in (ours, theirs))
    yield f"{ours}conv.weight", f"{theirs}conv.weight", (c_out, c_in, side, side)
    yield from _norm(f"{ours}norm", f"{theirs}bn", c_out)


def _norm(ours: str, theirs: str, channels: int) -> Iterator[_Part]:
    for our, their in (("weight", "weight"), ("bias", "bias"), ("mean", "running_mean"), ("variance", "running_var")):
        yield f"{ours}.{our}", f"{theirs}.{their}", (channels,)


def _bare(ours: str, theirs: str, c_in: int, c_out: int) -> Iterator[_Part]:
    yield f"{ours}.weight", f"{theirs}.weight", (c_out, c_in, 1, 1)
    yield f"{ours}.bias", f"{theirs}.bias", (c_out,)


def _bottlenecks(width: int, repeats: int, first: int) -> Iterator[_Part]:
    for j in range(repeats):
        yield from _conv(f"blocks.{j}.first", f"m.{j}.cv1", width, width, first)
        yield from _conv(f"blocks.{j}.second", f"m.{j}.cv2", width, width, 3)


def _transformer(width: int, repeats: int) -> Iterator[_Part]:
    square = (width, width)
    yield "transformer.position.weight", "m.linear.weight", square
    yield "transformer.position.bias", "m.linear.bias", (width,)
    for j in range(repeats):
        ours, theirs = f"transformer.layers.{j}", f"m.tr.{j}"
        for our, their in (("query", "q"), ("key", "k"), ("value", "v")):
            yield f"{ours}.{our}.weight", f"{theirs}.{their}.weight", square
        yield f"{ours}.attention.in_proj_weight", f"{theirs}.ma.in_proj_weight", (3 * width, width)
        yield f"{ours}.attention.in_proj_bias", f"{theirs}.ma.in_proj_bias", (3 * width,)
        yield f"{ours}.attention.out_proj.weight", f"{theirs}.ma.out_proj.weight", square
        yield f"{ours}.attention.out_proj.bias", f"{theirs}.ma.out_proj.bias", (width,)
        yield f"{ours}.first.weight", f"{theirs}.fc1.weight", square
        yield f"{ours}.second.weight", f"{theirs}.fc2.weight", square
