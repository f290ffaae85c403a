"""Which YOLO-World a file's arrays belong to, told from names and shapes in either published layout.

Sources: spec yolo-world.md, sections 1.2, 1.3 and 9.2; yoloworld_keymap.json.
"""

from dataclasses import dataclass
from typing import Literal

from wordbox.checkpoints.shapes import Arrays, Shapes
from wordbox.errors import WeightsError
from wordbox.specs import DistributionHead, YoloWorldSpec

GATE = "model.12.attn."
"""What leads arrays that YOLO-World alone has, where they are named by rows."""

_HEAD_ROWS = {"v1": 23, "v2": 22}


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Where a layout keeps what tells the network."""

    stem: str
    downs: tuple[str, ...]
    blocks: tuple[str, ...]
    """What leads the bottlenecks of each stage, their number aside."""
    neck_blocks: str
    guide: str
    query: str
    """The kernel of v1's attention that words go through."""
    box: str
    distances: str
    label: str
    label_end: str
    norm: str
    """An array that v2 alone has."""


_OFFICIAL = _Places(
    stem="backbone.image_model.stem.conv.weight",
    downs=tuple(f"backbone.image_model.stage{i}.0.conv.weight" for i in (1, 2, 3, 4)),
    blocks=tuple(f"backbone.image_model.stage{i}.1.blocks" for i in (1, 2, 3, 4)),
    neck_blocks="neck.top_down_layers.0.blocks",
    guide="neck.top_down_layers.0.attn_block.guide_fc.weight",
    query="neck.text_enhancer.query.1.weight",
    box="bbox_head.head_module.reg_preds.0.0.conv.weight",
    distances="bbox_head.head_module.reg_preds.0.2.weight",
    label="bbox_head.head_module.cls_preds.0.0.conv.weight",
    label_end="bbox_head.head_module.cls_preds.0.2.weight",
    norm="bbox_head.head_module.cls_contrasts.0.norm.weight",
)


def of_ultralytics(arrays: Arrays, last: int, where: str) -> YoloWorldSpec:
    """The open network that arrays named by rows belong to, whose last row is `last`.

    Raises WeightsError where they are of no YOLO-World, or of two.
    """
    version = _version(arrays, _ultralytics(last), where)
    if last != _HEAD_ROWS[version]:
        raise WeightsError(f"{where}: a modified network: its head is row {last}, expected {_HEAD_ROWS[version]} in a YOLO-World {version}")
    return _structure(arrays, _ultralytics(last), version, where)


def of_official(arrays: Arrays, where: str) -> YoloWorldSpec:
    """The open network that arrays under the names of YOLO-World's authors belong to.

    The width of words is read off the last convolution, which re-parameterised files have too. Raises WeightsError as above.
    """
    return _structure(arrays, _OFFICIAL, _version(arrays, _OFFICIAL, where), where)


def _version(arrays: Arrays, places: _Places, where: str) -> Literal["v1", "v2"]:
    pooled = any(name.startswith(places.query.removesuffix("query.1.weight")) for name in arrays if ".query." in name)
    if pooled and places.norm in arrays:
        raise WeightsError(
            f"{where}: found {places.query}, which v1 alone has, beside {places.norm}, which v2 alone has; it mixes two networks"
        )
    if not pooled and places.norm not in arrays:
        raise WeightsError(
            f"{where}: found neither v1's {places.query} nor v2's {places.norm}, expected one of them in a YOLO-World; "
            "the file is cut or modified"
        )
    return "v1" if pooled else "v2"


def _structure(arrays: Arrays, places: _Places, version: Literal["v1", "v2"], where: str) -> YoloWorldSpec:
    take = Shapes(arrays, where)
    # a gate knows the width of words best; re-parameterised ones have forgotten it
    embedding = take.out(places.guide, 1) if places.guide in arrays else take.out(places.label_end)
    head = DistributionHead(
        box_width=take.out(places.box), label_width=take.out(places.label), bins=max(take.out(places.distances) // 4, 1)
    )
    try:
        spec = YoloWorldSpec(
            version=version,
            widths=(take.out(places.stem), *map(take.out, places.downs)),
            repeats=tuple(map(take.count, places.blocks)),
            neck_repeats=take.count(places.neck_blocks),
            head=head,
            embedding=embedding,
            pooled_width=take.out(places.query) if version == "v1" else 256,
        )
    except ValueError as error:  # numbers that no network can have
        take.finish()
        raise WeightsError(f"{where}: its shapes give no network: {error}") from error
    take.finish()
    return spec


def _ultralytics(last: int) -> _Places:
    return _Places(
        stem="model.0.conv.weight",
        downs=tuple(f"model.{row}.conv.weight" for row in (1, 3, 5, 7)),
        blocks=tuple(f"model.{row}.m" for row in (2, 4, 6, 8)),
        neck_blocks="model.12.m",
        guide=f"{GATE}gl.weight",
        query="model.16.query.1.weight",
        box=f"model.{last}.cv2.0.0.conv.weight",
        distances=f"model.{last}.cv2.0.2.weight",
        label=f"model.{last}.cv3.0.0.conv.weight",
        label_end=f"model.{last}.cv3.0.2.weight",
        norm=f"model.{last}.cv4.0.norm.weight",
    )
