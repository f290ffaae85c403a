"""What each network is, in numbers: frozen records that say widths, depths and strides, readable without a runtime."""

import types
import typing
from dataclasses import asdict, dataclass
from itertools import accumulate
from operator import mul
from typing import Any, Literal

from wordbox.errors import WeightsError

_DEEPEST = 100
_LARGEST = 65536
_MOST_STAGES = 8
_MOST_POOLS = 8

Activation = Literal["SiLU", "Hardswish", "LeakyReLU", "Mish", "ReLU"]
ACTIVATIONS: tuple[Activation, ...] = typing.get_args(Activation)
"""Activations that a convolution may have."""
Anchors = tuple[tuple[tuple[float, float], ...], ...]
"""Width and height in canvas pixels of each prior, level by level, finest first."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of wordbox-nano's backbone: a strided convolution, a chain of blocks, and both paths joined."""

    width: int
    """Channels inside; the stage gives twice as many."""
    blocks: int
    """Blocks of two convolutions in the chain."""
    stride: int
    """How much smaller the stage's output is."""


@dataclass(frozen=True, kw_only=True)
class NanoSpec:
    """wordbox-nano: NanoDet-G's trunk under YOLO-World's contrastive head (spec nano.md, sections 2 and 3)."""

    family: Literal["nano"] = "nano"
    stem: int = 32
    """Channels of the first convolution."""
    stages: tuple[Stage, ...] = (
        Stage(width=32, blocks=1, stride=1),
        Stage(width=64, blocks=2, stride=2),
        Stage(width=128, blocks=2, stride=2),
        Stage(width=256, blocks=3, stride=2),
    )
    neck: int = 128
    """Channels of every level of neck and head."""
    strides: tuple[int, ...] = (8, 16, 32)
    """Canvas pixels a cell of each level."""
    bins: int = 11
    """Bins of a distance distribution: whole cells from 0 to bins - 1."""
    point: float = 0.5
    """Where in its cell the point stands from which distances count."""
    embedding: int = 256
    """Width of a phrase embedding."""
    leak: float = 0.1
    """Slope of LeakyReLU below zero."""
    norm_epsilon: float = 0.0
    """Epsilon of the head's BatchNorm."""
    phrases: tuple[int, ...] = ()
    """Phrases of each label where words are folded in; none where words are an input."""

    def __post_init__(self) -> None:
        _check_stages(self.stages)
        stages = [number for stage in self.stages for number in (stage.width, stage.blocks, stage.stride)]
        _check_counts(self.stem, *stages, self.neck, *self.strides, self.bins, self.embedding, *self.phrases)
        _check_fractions(self.point, self.leak, self.norm_epsilon)
        shrunk = list(accumulate((stage.stride for stage in self.stages), mul, initial=4))
        if not self.strides or list(self.strides) != shrunk[1:][-len(self.strides) :]:
            raise ValueError(f"found strides {list(self.strides)}, but the stages give {shrunk[1:]}")

    @property
    def classes(self) -> int:
        """Labels that are folded in; 0 where words are an input."""
        return len(self.phrases)


@dataclass(frozen=True, kw_only=True)
class AnchorHead:
    """YOLOv5's head: at each cell and anchor a box, its objectness and a score a class (spec yolov5-yolov8.md, 1.10)."""

    kind: Literal["anchor"] = "anchor"
    anchors: Anchors
    """Every level has the same number of them."""

    def __post_init__(self) -> None:
        if not self.anchors or not self.anchors[0] or len({len(level) for level in self.anchors}) != 1:
            raise ValueError(f"found anchors {self.anchors!r}, expected the same number of them, at least one, at each level")
        for side in (side for level in self.anchors for anchor in level for side in anchor):
            if type(side) not in (int, float) or not 0 < side <= _LARGEST:
                raise ValueError(f"found {side!r} for the side of an anchor, expected pixels above 0 and up to {_LARGEST}")


@dataclass(frozen=True, kw_only=True)
class DistributionHead:
    """YOLOv8's head: two towers a level, distances to the four sides as distributions and a score a class (same page, 4.4)."""

    kind: Literal["distribution"] = "distribution"
    box_width: int
    """Channels of the box tower."""
    label_width: int
    """Channels of the class tower."""
    bins: int = 16
    """Bins of a distance distribution: whole cells from 0 to bins - 1."""
    depthwise: bool = False
    """Whether the class tower has depthwise convolutions, as files built by ultralytics 8.3.0 have."""

    def __post_init__(self) -> None:
        _check_counts(self.box_width, self.label_width, self.bins)


@dataclass(frozen=True, kw_only=True)
class Yolov5Spec:
    """YOLOv5 of any generation (spec yolov5-yolov8.md, chapter 1); with a DistributionHead, YOLOv5u."""

    family: Literal["yolov5"] = "yolov5"
    classes: int
    widths: tuple[int, ...]
    """Channels of the stem and then of each stage; the stages stand at strides 4, 8, 16 and so on."""
    repeats: tuple[int, ...]
    """Bottlenecks in each stage."""
    neck_repeats: int
    """Bottlenecks in each stage of the neck."""
    head: AnchorHead | DistributionHead
    stem: Literal["conv", "focus"] = "conv"
    """6x6 convolution of stride 2, or the slices of Focus and a 3x3 convolution: the same function."""
    csp: Literal["C3", "BottleneckCSP"] = "C3"
    pool: Literal["SPPF", "SPP"] = "SPPF"
    pool_sides: tuple[int, ...] = (5, 9, 13)
    """Windows of the pools beside each other; SPPF has one window, of the first side, in series."""
    pool_first: bool = False
    """Whether the pools come before the last stage's CSP block, which then has no shortcut."""
    transformer: bool = False
    """Whether the last stage is C3TR: self-attention in place of bottlenecks."""
    strides: tuple[int, ...] = (8, 16, 32)
    """Canvas pixels a cell of each level."""
    activation: Activation = "SiLU"
    csp_activation: Activation = "LeakyReLU"
    """The one behind the concatenation inside BottleneckCSP."""
    leak: float = 0.1
    """Slope of LeakyReLU below zero."""
    norm_epsilon: float = 0.001
    """Epsilon of every BatchNorm."""

    def __post_init__(self) -> None:
        _check_counts(self.classes)
        _check_pyramid(self.widths, (*self.repeats, self.neck_repeats), self.strides, self.head)
        _check_pools(self.pool_sides)
        _check_fractions(self.leak, self.norm_epsilon)
        if self.transformer and self.widths[-1] % 8:
            raise ValueError(f"found {self.widths[-1]} channels, expected a multiple of 8: half of them go to four heads of attention")


@dataclass(frozen=True, kw_only=True)
class Yolov8Spec:
    """YOLOv8 with three or four levels, from stride 4 (P2) or 8 (spec yolov5-yolov8.md, chapter 4)."""

    family: Literal["yolov8"] = "yolov8"
    classes: int
    widths: tuple[int, ...]
    """Channels of the stem and then of each stage; the stages stand at strides 4, 8, 16 and so on."""
    repeats: tuple[int, ...]
    """Bottlenecks in each stage."""
    neck_repeats: int
    """Bottlenecks in each stage of the neck."""
    head: DistributionHead
    neck_csp: Literal["C2f", "C2"] = "C2f"
    pool_sides: tuple[int, ...] = (5,)
    strides: tuple[int, ...] = (8, 16, 32)
    """Canvas pixels a cell of each level."""
    activation: Activation = "SiLU"
    leak: float = 0.1
    """Slope of LeakyReLU below zero."""
    norm_epsilon: float = 0.001
    """Epsilon of every BatchNorm."""

    def __post_init__(self) -> None:
        _check_counts(self.classes)
        _check_pyramid(self.widths, (*self.repeats, self.neck_repeats), self.strides, self.head)
        _check_pools(self.pool_sides)
        _check_fractions(self.leak, self.norm_epsilon)


@dataclass(frozen=True, kw_only=True)
class YoloWorldSpec:
    """YOLO-World, version 1 or 2, with words as an input or folded into the weights (spec yolo-world.md, chapter 1 and section 5.3)."""

    family: Literal["yolo_world"] = "yolo_world"
    version: Literal["v1", "v2"] = "v2"
    """v1 has image-pooling attention in its neck and normalises what a cell shows; v2, which v2.1 shares, has a BatchNorm there."""
    widths: tuple[int, ...]
    """Channels of the stem and then of each stage; the stages stand at strides 4, 8, 16 and 32."""
    repeats: tuple[int, ...]
    """Bottlenecks in each stage."""
    neck_repeats: int
    """Bottlenecks in each stage of the neck."""
    head: DistributionHead
    """`label_width` is that of the tower whose output is compared with words."""
    embedding: int = 512
    """Width of a phrase embedding: 512 for CLIP ViT-B/32, 768 for ViT-L/14."""
    phrases: tuple[int, ...] = ()
    """Phrases of each label where words are folded in; none where words are an input."""
    background: int = 0
    """How many of the folded words count in the gates alone and are never found."""
    pool_sides: tuple[int, ...] = (5,)
    pooled_width: int = 256
    """Channels of v1's image-pooling attention, in heads of 32."""
    strides: tuple[int, ...] = (8, 16, 32)
    """Canvas pixels a cell of each level."""
    activation: Activation = "SiLU"
    leak: float = 0.1
    """Slope of LeakyReLU below zero."""
    norm_epsilon: float = 0.001
    """Epsilon of every BatchNorm."""

    def __post_init__(self) -> None:
        _check_pyramid(self.widths, (*self.repeats, self.neck_repeats), self.strides, self.head)
        _check_counts(self.embedding, self.pooled_width, *self.phrases)
        _check_pools(self.pool_sides)
        _check_fractions(self.leak, self.norm_epsilon)
        gated = [width // 2 for width in self.widths[-len(self.strides) :]]
        if any(width % GATE_HEAD for width in (*gated, self.pooled_width)):
            raise ValueError(f"found widths {list(self.widths)} and {self.pooled_width}, expected heads of {GATE_HEAD} channels in gates")
        if type(self.background) is not int or not 0 <= self.background <= _LARGEST or (self.background and not self.phrases):
            raise ValueError(f"found {self.background!r} background words beside {len(self.phrases)} labels")

    @property
    def classes(self) -> int:
        """Labels that are folded in; 0 where words are an input."""
        return len(self.phrases)

    @property
    def folded(self) -> int:
        """Words that are folded into the gates: those of all labels and the background's; 0 where words are an input."""
        return sum(self.phrases) + self.background


GATE_HEAD = 32
"""Channels of a head in YOLO-World's gates and attention (spec yolo-world.md, section 1.6)."""

YoloSpec = Yolov5Spec | Yolov8Spec | YoloWorldSpec
Spec = NanoSpec | YoloSpec
FAMILIES: dict[str, type[Spec]] = {"nano": NanoSpec, "yolov5": Yolov5Spec, "yolov8": Yolov8Spec, "yolo_world": YoloWorldSpec}


@dataclass(frozen=True, kw_only=True)
class ClipTextSpec:
    """CLIP's text tower (Radford et al., 2021; spec yolo-world.md, section 2.1)."""

    width: int = 512
    layers: int = 12
    heads: int = 8
    projection: int = 512
    """Width of the embedding that it gives."""
    tokens: int = 49408
    """Size of the tokenizer's vocabulary; the last is the end of a text, the one before its start."""
    context: int = 77
    """Most tokens of a text, start and end included."""
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check_counts(self.width, self.layers, self.heads, self.projection, self.tokens, self.context)
        _check_fractions(self.norm_epsilon)
        if self.layers > _DEEPEST or self.width % self.heads or self.context < 2 or self.tokens < 2:
            raise ValueError(f"found {self.layers} layers of {self.width} channels in {self.heads} heads, {self.context} tokens: no tower")


def is_open(spec: Spec) -> bool:
    """Whether words are an input of the network."""
    return isinstance(spec, NanoSpec | YoloWorldSpec) and not spec.phrases


def alike(one: Spec, other: Spec) -> bool:
    """Whether two specs are one network but for what follows the data: anchors, and the widths of a head's towers."""
    return _facts(one) == _facts(other)


def to_dict(spec: Spec) -> dict[str, Any]:
    """The spec as JSON can hold it."""
    return asdict(spec)


def from_dict(values: dict[str, Any], where: str) -> Spec:
    """The spec that `to_dict` wrote. Raises WeightsError that names `where` if the family or its fields are unknown."""
    family = values.get("family")
    kind = FAMILIES.get(family) if isinstance(family, str) else None
    if kind is None:
        known = ", ".join(map(repr, FAMILIES))
        raise WeightsError(f"{where}: found a network of family {family!r}, expected one of {known}; a newer Wordbox may know it")
    try:
        spec: Spec = _read(kind, values)
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise WeightsError(f"{where}: the spec of family {family} does not fit this version of Wordbox ({error})") from error
    return spec


def _facts(spec: Spec) -> dict[str, object]:
    return {name: value.kind if isinstance(value, AnchorHead | DistributionHead) else value for name, value in vars(spec).items()}


def _read(kind: Any, value: Any) -> Any:
    """`value` as JSON gave it, made into what the annotation `kind` says. Raises TypeError, ValueError or KeyError."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"found {value!r}, expected one of {list(inner)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError(f"found {value!r}, expected a list")
        kinds = [inner[0]] * len(value) if inner[1:] == (...,) else inner
        return tuple(_read(one, entry) for one, entry in zip(kinds, value, strict=True))
    if origin in (typing.Union, types.UnionType):
        by_kind = {typing.get_args(typing.get_type_hints(one)["kind"])[0]: one for one in inner}
        return _read(by_kind[value["kind"]], value)
    if isinstance(kind, type) and kind not in (int, float, bool, str):
        if not isinstance(value, dict):
            raise TypeError(f"found {value!r}, expected an object")
        hints = typing.get_type_hints(kind)
        spare = {"phrases", "background"}  # of what was written before words could be folded in
        if not hints.keys() - spare <= value.keys() <= hints.keys():
            raise KeyError(f"found the fields {sorted(value)}, expected {sorted(hints)}")
        return kind(**{name: _read(hints[name], entry) for name, entry in value.items()})
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise TypeError(f"found {value!r}, expected {kind.__name__}")
    return value


def _check_stages(stages: tuple[Stage, ...]) -> None:
    if len(stages) > _DEEPEST or any(stage.blocks > _DEEPEST for stage in stages):
        raise ValueError(f"found more than {_DEEPEST} stages, or blocks in one")


def _check_counts(*numbers: int) -> None:
    for number in numbers:
        if type(number) is not int or not 1 <= number <= _LARGEST:
            raise ValueError(f"found {number!r} among widths, depths and strides, expected a whole number from 1 to {_LARGEST}")


def _check_fractions(*fractions: float) -> None:
    for fraction in fractions:
        if type(fraction) not in (int, float) or not 0 <= fraction <= 1:
            raise ValueError(f"found {fraction!r} for point, leak or epsilon, expected a number from 0 to 1")


def _check_pools(sides: tuple[int, ...]) -> None:
    _check_counts(*sides)
    if not 1 <= len(sides) <= _MOST_POOLS or any(side % 2 == 0 for side in sides):
        raise ValueError(f"found pools of sides {list(sides)[:10]}, expected 1 to {_MOST_POOLS} odd numbers")


def _check_pyramid(
    widths: tuple[int, ...], repeats: tuple[int, ...], strides: tuple[int, ...], head: AnchorHead | DistributionHead
) -> None:
    """Widths of stem and stages, repeats of the stages and of the neck, and the levels; the first stage stands at stride 4."""
    if len(widths) != len(repeats) or len(widths) > _MOST_STAGES + 1:
        raise ValueError(
            f"found {len(widths)} widths and {len(repeats) - 1} repeats, expected one more widths, and at most {_MOST_STAGES} stages"
        )
    _check_counts(*widths, *repeats, *strides)
    if min(widths) < 2 or max(repeats) > _DEEPEST:
        raise ValueError(
            f"found widths {list(widths)} and repeats {list(repeats)}, expected at least 2 channels and at most {_DEEPEST} repeats"
        )
    possible = [4 * 2**i for i in range(len(widths) - 1)]
    if len(strides) < 2 or list(strides) != possible[-len(strides) :]:
        raise ValueError(f"found strides {list(strides)}, expected at least two, the last of {possible}")
    if isinstance(head, AnchorHead) and len(head.anchors) != len(strides):
        raise ValueError(f"found anchors of {len(head.anchors)} levels for {len(strides)} strides")
