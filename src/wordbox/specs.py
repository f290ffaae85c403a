"""What each network is, in numbers: frozen records that say widths, depths and strides, readable without a runtime."""

from dataclasses import asdict, dataclass
from itertools import accumulate
from operator import mul
from typing import Any

from wordbox.errors import WeightsError

_DEEPEST = 100
_LARGEST = 65536


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

    family: str = "nano"
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

    def __post_init__(self) -> None:
        if len(self.stages) > _DEEPEST or any(stage.blocks > _DEEPEST for stage in self.stages):
            raise ValueError(f"found more than {_DEEPEST} stages, or blocks in one")
        stages = [number for stage in self.stages for number in (stage.width, stage.blocks, stage.stride)]
        for number in (self.stem, *stages, self.neck, *self.strides, self.bins, self.embedding):
            if type(number) is not int or not 1 <= number <= _LARGEST:
                raise ValueError(f"found {number!r} among widths, depths and strides, expected a whole number from 1 to {_LARGEST}")
        for fraction in (self.point, self.leak, self.norm_epsilon):
            if type(fraction) not in (int, float) or not 0 <= fraction <= 1:
                raise ValueError(f"found {fraction!r} for point, leak or epsilon, expected a number from 0 to 1")
        shrunk = list(accumulate((stage.stride for stage in self.stages), mul, initial=4))
        if not self.strides or list(self.strides) != shrunk[1:][-len(self.strides) :]:
            raise ValueError(f"found strides {list(self.strides)}, but the stages give {shrunk[1:]}")


Spec = NanoSpec


def to_dict(spec: Spec) -> dict[str, Any]:
    """The spec as JSON can hold it."""
    return asdict(spec)


def from_dict(fields: dict[str, Any], where: str) -> Spec:
    """The spec that `to_dict` wrote. Raises WeightsError that names `where` if the family or its fields are unknown."""
    match fields.get("family"):
        case "nano":
            values = dict(fields)
            try:
                values["stages"] = tuple(Stage(**stage) for stage in values["stages"])
                values["strides"] = tuple(values["strides"])
                return NanoSpec(**values)
            except (TypeError, ValueError, KeyError) as error:
                raise WeightsError(f"{where}: the spec of family nano does not fit this version of Wordbox ({error})") from error
        case family:
            raise WeightsError(f"{where}: found a network of family {family!r}, expected 'nano'; a newer Wordbox may know it")
