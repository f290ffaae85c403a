"""The published sizes of each family: one literal table, and what a name such as `yolov5s@v3.1` or `yolov8n-p2` says.

Sources: spec yolov5-yolov8.md, sections 1.2 to 1.8 (YOLOv5), 4.2 to 4.4 (YOLOv8); spec yolo-world.md, section 1.2 and trap 19.
"""

import difflib
import math
import re
from dataclasses import dataclass, replace
from typing import Literal

from wordbox.errors import WeightsError
from wordbox.specs import (
    Activation,
    AnchorHead,
    Anchors,
    DistributionHead,
    NanoSpec,
    Spec,
    Yolov5Spec,
    Yolov8Spec,
    YoloWorldSpec,
    alike,
)

YOLOV5_SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Multiples of depth and width."""
YOLOV8_SIZES = {"n": (0.33, 0.25, 1024), "s": (0.33, 0.5, 1024), "m": (0.67, 0.75, 768), "l": (1.0, 1.0, 512), "x": (1.0, 1.25, 512)}
"""Multiples of depth and width, and the most channels before the width multiple."""
YOLO_WORLD_SIZES = YOLOV8_SIZES | {"xl": (1.0, 1.5, 512)}
"""The same multiples; xl is published as version 2 alone, n not at all."""

ANCHORS: dict[int, Anchors] = {
    3: (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)), ((116, 90), (156, 198), (373, 326))),
    4: (
        ((19, 27), (44, 40), (38, 94)),
        ((96, 68), (86, 152), (180, 137)),
        ((140, 301), (303, 264), (238, 542)),
        ((436, 615), (739, 380), (925, 792)),
    ),
}
"""YOLOv5's priors by number of levels: for three at 640 pixels, for four at 1280."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What the releases of YOLOv5 differ in (section 1.2)."""

    stem: Literal["conv", "focus"] = "conv"
    csp: Literal["C3", "BottleneckCSP"] = "C3"
    activation: Activation = "SiLU"
    sizes: str = "nsmlx"
    """Which sizes there are."""
    p6: bool = True
    """Whether there are networks with four levels."""


_FIRST = Generation(stem="focus", csp="BottleneckCSP", activation="LeakyReLU", sizes="smlx", p6=False)
_HARDSWISH = replace(_FIRST, activation="Hardswish")
_FOCUS_C3 = Generation(stem="focus", sizes="smlx")

GENERATIONS = {
    "v1.0": _FIRST,
    "v2.0": _FIRST,
    "v3.0": _HARDSWISH,  # tagged a day before the change, but the published weights are Hardswish's (trap T7)
    "v3.1": _HARDSWISH,
    "v4.0": replace(_FOCUS_C3, p6=False),
    "v5.0": _FOCUS_C3,
    "v6.0": Generation(),
    "v6.1": Generation(),
    "v6.2": Generation(),
    "v7.0": Generation(),
}
LATEST = "v7.0"

_NAME = re.compile(
    r"yolov5(?P<size5>[nsmlx])(?P<p6>6?)(?P<u>u?)(?P<form>-transformer|-leakyrelu)?(?:@(?P<tag>v[\d.]+))?"
    r"|yolov8(?P<size8>[nsmlx])(?P<levels>-p2|-p6)?"
    r"|yolov8(?P<world>[nsmlx]|xl)-world(?P<v2>v2)?(?P<large>-clip-large)?",
    re.IGNORECASE,
)


def named(name: str, classes: int = 80) -> Spec:
    """The network called `name`: yolov5n to yolov5x, ...6 with four levels, ...u without anchors, -transformer, -LeakyReLU and
    @v1.0 to @v7.0 (the last where none is named); yolov8n to yolov8x, -p2, -p6; -world and -worldv2, with n and xl, -clip-large for
    words of 768 numbers; wordbox-nano.

    Raises WeightsError with the nearest names where there is none.
    """
    if name == "wordbox-nano":
        return NanoSpec()
    found = _NAME.fullmatch(name)
    if found is None:
        near = difflib.get_close_matches(name.lower(), names(), 3, 0.4)
        raise WeightsError(f"found no network called {name!r}; the nearest are {', '.join(near) or 'yolov5s, yolov8n'}")
    if found["size8"]:
        return yolov8(found["size8"].lower(), classes=classes, levels={"-p2": "p2", "-p6": "p6"}.get((found["levels"] or "").lower(), "p5"))
    if found["world"]:
        width = 768 if found["large"] else 512
        return yolo_world(found["world"].lower(), version="v2" if found["v2"] else "v1", embedding=width)
    tag, form = (found["tag"] or LATEST).lower(), (found["form"] or "").lower()
    spec = yolov5(found["size5"].lower(), generation=tag, p6=bool(found["p6"]), classes=classes, transformer=form == "-transformer")
    if found["u"]:
        if found["tag"] or form:
            raise WeightsError(f"found {name!r}: YOLOv5u has one generation and no variants; write it without them")
        spec = replace(spec, head=distribution_head(spec.widths[-len(spec.strides)], classes))
    return replace(spec, activation="LeakyReLU") if form == "-leakyrelu" else spec


def names() -> list[str]:
    """Every name that `named` takes, YOLOv5's generations spelt out."""
    v5 = [f"yolov5{size}{p6}@{tag}" for tag, one in GENERATIONS.items() for p6 in ("", "6")[: 1 + one.p6] for size in one.sizes]
    plain = [f"yolov5{size}{rest}" for rest in ("", "6", "u", "6u", "-transformer", "-leakyrelu") for size in YOLOV5_SIZES]
    v8 = [f"yolov8{size}{rest}" for rest in ("", "-p2", "-p6") for size in YOLOV8_SIZES]
    world = [f"yolov8{size}-world{rest}" for rest in ("", "v2", "-clip-large", "v2-clip-large") for size in YOLO_WORLD_SIZES]
    return ["wordbox-nano", *plain, *v5, *v8, *world]


def called(spec: Spec) -> str | None:
    """The name of the published network that `spec` is, without a release where it is v7.0's, else of the first that has it.

    None where it is nobody's. Classes, folded words, anchors and the widths of a head's towers, which follow the data, are left aside.
    """
    if isinstance(spec, YoloWorldSpec):
        spec = replace(spec, phrases=(), background=0)
    elif isinstance(spec, NanoSpec):
        spec = replace(spec, phrases=())
    classes = spec.classes or 80
    return next((name for name in names() if alike(named(name, classes), spec)), None)


def yolov5(size: str, *, generation: str = LATEST, p6: bool = False, classes: int = 80, transformer: bool = False) -> Yolov5Spec:
    """A published YOLOv5. Raises WeightsError where that generation has no such network."""
    if generation not in GENERATIONS:
        raise WeightsError(f"found YOLOv5 {generation!r}, expected one of {', '.join(GENERATIONS)}")
    one = GENERATIONS[generation]
    if size not in one.sizes or (p6 and not one.p6):
        had = f"{', '.join(one.sizes)}{' with three or four levels' if one.p6 else ''}"
        raise WeightsError(f"YOLOv5 {generation} has no network {size}{'6' if p6 else ''}; it has {had}")
    depth, width = YOLOV5_SIZES[size]
    old = one.stem == "focus"
    channels = (64, 128, 256, 512, 768, 1024) if p6 else (64, 128, 256, 512, 1024)
    repeats = (3, 9 if old else 6, 9, *([3] * (len(channels) - 4)))
    anchors = ANCHORS[4 if p6 else 3]
    outputs = len(anchors[0]) * (classes + 5)
    return Yolov5Spec(
        classes=classes,
        widths=tuple(c if c == outputs else rounded(c * width) for c in channels),  # trap T20: that width is not scaled
        repeats=tuple(repeated(n, depth) for n in repeats),
        neck_repeats=repeated(3, depth),
        head=AnchorHead(anchors=anchors),
        stem=one.stem,
        csp=one.csp,
        pool="SPP" if old else "SPPF",
        pool_sides=((3, 5, 7) if p6 else (5, 9, 13)) if old else (5,),
        pool_first=old,
        transformer=transformer,
        strides=(8, 16, 32, 64) if p6 else (8, 16, 32),
        activation=one.activation,
    )


def yolov8(size: str, *, levels: str = "p5", classes: int = 80) -> Yolov8Spec:
    """A YOLOv8 with `levels` "p5", "p2" (from stride 4) or "p6" (to stride 64)."""
    depth, width, most = YOLOV8_SIZES[size]
    channels = (64, 128, 256, 512, 768, 1024) if levels == "p6" else (64, 128, 256, 512, 1024)
    widths = tuple(rounded(min(c, most) * width) for c in channels)
    strides = {"p5": (8, 16, 32), "p2": (4, 8, 16, 32), "p6": (8, 16, 32, 64)}[levels]
    return Yolov8Spec(
        classes=classes,
        widths=widths,
        repeats=tuple(repeated(n, depth) for n in (3, 6, 6, *([3] * (len(channels) - 4)))),
        neck_repeats=repeated(3, depth),
        head=distribution_head(widths[-len(strides)], classes),
        neck_csp="C2" if levels == "p6" else "C2f",
        strides=strides,
    )


def yolo_world(size: str, *, version: Literal["v1", "v2"] = "v2", embedding: int = 512) -> YoloWorldSpec:
    """A YOLO-World that takes words; `embedding` is 512 for those of CLIP ViT-B/32, 768 for ViT-L/14."""
    depth, width, last = YOLO_WORLD_SIZES[size]
    widths = tuple(rounded(min(c, last) * width) for c in (64, 128, 256, 512, 1024))
    return YoloWorldSpec(
        version=version,
        widths=widths,
        repeats=tuple(repeated(n, depth) for n in (3, 6, 6, 3)),
        neck_repeats=repeated(3, depth),
        head=distribution_head(widths[-3], 80),
        embedding=embedding,
    )


def distribution_head(finest: int, classes: int) -> DistributionHead:
    """YOLOv8's head over levels whose finest has `finest` channels (section 4.4)."""
    return DistributionHead(box_width=max(16, finest // 4, 64), label_width=max(finest, min(classes, 100)))


def native_size(strides: tuple[int, ...]) -> int:
    """Long side, in pixels, that published networks with levels of these strides were trained at."""
    return 1280 if max(strides) == 64 else 640


def rounded(channels: float) -> int:
    """Channels brought up to a multiple of 8 (section 1.4)."""
    return math.ceil(channels / 8) * 8


def repeated(count: int, depth: float) -> int:
    """Repeats under a depth multiple; halves go to the even number, as Python rounds (trap T15)."""
    return max(round(count * depth), 1) if count > 1 else count
