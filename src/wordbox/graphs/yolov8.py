"""YOLOv8, drawn (spec yolov5-yolov8.md, chapter 4).

images ── stem ── down·C2f ── down·C2f ── down·C2f ── down·C2f·SPPF      backbone
                              8 │         16 │        32 │
                                ▼ ◀──── up ─────▼◀──── up ─────┘          neck: down the pyramid
                                C2f ─ down ─▶ C2f ─ down ─▶ C2f           neck: up again
                                 ▼             ▼             ▼            head
"""

from collections.abc import Sequence

from wordbox.graphs.blocks import concatenate, upsample_nearest
from wordbox.graphs.csp import c2, c2f, sppf
from wordbox.graphs.pen import Pen, conv_norm, stem
from wordbox.specs import Yolov8Spec, YoloWorldSpec


def trunk(pen: Pen, x: str, spec: Yolov8Spec) -> list[str]:
    """What the head sees of pictures (B, 3, H, W) with values 0 to 255: (B, C, h, w) a level, finest first."""
    return neck(pen, backbone(pen, x, spec), spec)


def backbone(pen: Pen, x: str, spec: Yolov8Spec | YoloWorldSpec) -> list[str]:
    """Features of the stages that the neck takes, finest first."""
    c_in, *widths = spec.widths
    x, found = stem(pen, x, "backbone.stem", c_in, "small"), []
    for i, (width, repeats) in enumerate(zip(widths, spec.repeats, strict=True)):
        x = conv_norm(pen, x, f"backbone.stages.{i}.down", c_in, width, 3, 2)
        x = c2f(pen, x, f"backbone.stages.{i}.csp", width, width, repeats, shortcut=True)
        found.append(x)
        c_in = width
    found[-1] = sppf(pen, x, "backbone.pool", c_in, spec.pool_sides[0])
    return found[-len(spec.strides) :]


def neck(pen: Pen, levels: Sequence[str], spec: Yolov8Spec) -> list[str]:
    """The levels mixed both ways, with no convolution before what comes down is enlarged."""
    graph, count, csp = pen.graph, len(levels), c2f if spec.neck_csp == "C2f" else c2
    widths = spec.widths[-count:]
    mixed, x = list(levels), levels[-1]
    for level in range(count - 2, -1, -1):
        fine, coarse = widths[level], widths[level + 1]
        x = concatenate(graph, upsample_nearest(graph, x), levels[level])
        x = mixed[level] = csp(pen, x, f"neck.top_down.{level}", coarse + fine, fine, spec.neck_repeats, shortcut=False)
    for level in range(count - 1):
        fine, coarse = widths[level], widths[level + 1]
        x = conv_norm(pen, x, f"neck.down.{level}", fine, fine, 3, 2)
        x = concatenate(graph, x, mixed[level + 1])
        x = mixed[level + 1] = csp(pen, x, f"neck.bottom_up.{level}", fine + coarse, coarse, spec.neck_repeats, shortcut=False)
    return mixed
