"""YOLOv5 of every generation, drawn (spec yolov5-yolov8.md, chapter 1).

images ── stem ── down·csp ── down·csp ── down·csp ── down·csp·pool      backbone
                              8 │         16 │        32 │
                                ▼ ◀─ reduce·up ─▼◀─ reduce·up ─┘          neck: down the pyramid
                                csp ─ down ─▶ csp ─ down ─▶ csp           neck: up again
                                 ▼             ▼             ▼            head
"""

from collections.abc import Sequence

from wordbox.graphs.blocks import concatenate, upsample_nearest
from wordbox.graphs.csp import bottleneck_csp, c3, c3_transformer, spp, sppf
from wordbox.graphs.pen import Pen, conv_norm, stem
from wordbox.specs import Yolov5Spec


def trunk(pen: Pen, x: str, spec: Yolov5Spec) -> list[str]:
    """What the head sees of pictures (B, 3, H, W) with values 0 to 255: (B, C, h, w) a level, finest first."""
    return neck(pen, backbone(pen, x, spec), spec)


def backbone(pen: Pen, x: str, spec: Yolov5Spec) -> list[str]:
    """Features of the stages that the neck takes, finest first."""
    c_in, *widths = spec.widths
    x, found = stem(pen, x, "backbone.stem", c_in, spec.stem), []
    for i, (width, repeats) in enumerate(zip(widths, spec.repeats, strict=True)):
        last, name = i == len(widths) - 1, f"backbone.stages.{i}"
        x = conv_norm(pen, x, f"{name}.down", c_in, width, 3, 2)
        if last and spec.pool_first:
            x = pool(pen, x, width, spec)
        if last and spec.transformer:
            x = c3_transformer(pen, x, f"{name}.csp", width, width, repeats)
        else:
            x = stage(pen, x, f"{name}.csp", width, width, repeats, spec, shortcut=not (last and spec.pool_first))
        if last and not spec.pool_first:
            x = pool(pen, x, width, spec)
        found.append(x)
        c_in = width
    return found[-len(spec.strides) :]


def neck(pen: Pen, levels: Sequence[str], spec: Yolov5Spec) -> list[str]:
    """The levels mixed both ways: what comes down is brought to the finer level's width first, and joined again going up."""
    graph, count = pen.graph, len(levels)
    widths = spec.widths[-count:]
    mixed, reduced, x = list(levels), list(levels), levels[-1]
    for level in range(count - 2, -1, -1):
        x = reduced[level + 1] = conv_norm(pen, x, f"neck.reduce.{level}", widths[level + 1], widths[level])
        x = concatenate(graph, upsample_nearest(graph, x), levels[level])
        x = stage(pen, x, f"neck.top_down.{level}", 2 * widths[level], widths[level], spec.neck_repeats, spec, shortcut=False)
        mixed[level] = x
    for level in range(count - 1):
        x = conv_norm(pen, x, f"neck.down.{level}", widths[level], widths[level], 3, 2)
        x = concatenate(graph, x, reduced[level + 1])
        x = stage(pen, x, f"neck.bottom_up.{level}", 2 * widths[level], widths[level + 1], spec.neck_repeats, spec, shortcut=False)
        mixed[level + 1] = x
    return mixed


def stage(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int, spec: Yolov5Spec, *, shortcut: bool) -> str:
    """The CSP block of the network's generation."""
    if spec.csp == "C3":
        return c3(pen, x, name, c_in, c_out, repeats, shortcut=shortcut)
    return bottleneck_csp(pen, x, name, c_in, c_out, repeats, spec.csp_activation, shortcut=shortcut)


def pool(pen: Pen, x: str, width: int, spec: Yolov5Spec) -> str:
    """The pools of the network's generation."""
    if spec.pool == "SPPF":
        return sppf(pen, x, "backbone.pool", width, spec.pool_sides[0])
    return spp(pen, x, "backbone.pool", width, spec.pool_sides)
