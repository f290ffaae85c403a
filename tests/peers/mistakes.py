"""Every mistake that YOLO-World's measured numbers are there to catch, made on purpose: each must break the golden test.

    python tests/peers/mistakes.py

prints, for both versions, how far each moves boxes and scores, beside what was measured elsewhere (spec yolo-world.md, section 9.1).
Boxes as centre, width and height.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, interpolate, normalize

from wordbox.arrays import arrays
from wordbox.networks import attention, decode, gates, necks, yolo_world_head
from wordbox.networks.build import build
from wordbox.networks.gates import C2fGated, Gate
from wordbox.networks.weights import load_arrays
from wordbox.networks.yolo_world import YoloWorld
from wordbox.variants import yolo_world

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import golden_world

sys.path.pop(0)

Plant = Callable[[YoloWorld, ExitStack], object]
Figure = tuple[float, float] | None
"""Pixels and score; None where the version lacks the part."""


def all_of(network: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    return (module for module in network.modules() if isinstance(module, kind))


def shrink(layer: nn.Linear, factor: float) -> None:
    """What divides the layer's products by another number."""
    layer.weight.mul_(factor)
    layer.bias.mul_(factor)


def before(module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """Change the first input of `module`."""
    module.register_forward_pre_hook(lambda _, given: (change(given[0]), *given[1:]))


def after(module: nn.Module, change: Callable[..., Tensor]) -> None:
    """Change what `module` gives; `change` takes that and the first input."""
    module.register_forward_hook(lambda _, given, found: change(found, given[0]))


def gate_by_512(network: YoloWorld, _: ExitStack) -> None:
    for gate in all_of(network, Gate):
        shrink(gate.guide, (32 / 512) ** 0.5)


def gate_without_bias(network: YoloWorld, _: ExitStack) -> None:
    for gate in all_of(network, Gate):
        gate.bias.zero_()


def mean_over_words(network: YoloWorld, stack: ExitStack) -> None:
    stack.enter_context(patch.object(torch.Tensor, "amax", torch.Tensor.mean))


def normalised_before_guide(network: YoloWorld, _: ExitStack) -> None:
    for gate in all_of(network, Gate):
        before(gate.guide, lambda words: normalize(words, dim=2))


def interleaved(x: Tensor) -> Tensor:
    return x.unflatten(2, (32, -1)).permute(0, 3, 1, 2)


def guides_interleaved(network: YoloWorld, stack: ExitStack) -> None:
    stack.enter_context(patch.object(gates, "heads", interleaved))


def active_project(network: YoloWorld, _: ExitStack) -> None:
    for gate in all_of(network, Gate):
        gate.project.act = nn.SiLU()


def gate_first(network: YoloWorld, _: ExitStack) -> None:
    for stage in all_of(network, C2fGated):
        width = stage.split.conv.out_channels // 2
        before(stage.join, lambda x, width=width: torch.cat([x[:, -width:], x[:, :-width]], 1))


def residual(network: YoloWorld, _: ExitStack) -> None:
    for block in network.neck.top_down[1].blocks:
        block.shortcut = True


def lateral_first(network: YoloWorld, _: ExitStack) -> None:
    coarse = network.spec.widths[-1]
    before(network.neck.top_down[1], lambda x: torch.cat([x[:, coarse:], x[:, :coarse]], 1))


def bilinear(network: YoloWorld, stack: ExitStack) -> None:
    stack.enter_context(patch.object(necks, "doubled", lambda x: interpolate(x, scale_factor=2, mode="bilinear")))


def norm_epsilon(network: YoloWorld, _: ExitStack) -> None:
    for norm in all_of(network, nn.BatchNorm2d):
        norm.eps = 1e-5


def head_sees_pooled(network: YoloWorld, _: ExitStack) -> None:
    seen = {}
    after(network.neck.pooling, lambda found, _: seen.setdefault("words", found))
    network.head.register_forward_pre_hook(lambda _, given: (given[0], seen["words"], *given[2:]))


def pooled_ignored(network: YoloWorld, _: ExitStack) -> None:
    after(network.neck.pooling, lambda found, words: words)


def pooled_renormalised(network: YoloWorld, _: ExitStack) -> None:
    after(network.neck.pooling, lambda found, words: normalize(found, dim=2))


def pooled_alone(network: YoloWorld, _: ExitStack) -> None:
    after(network.neck.pooling, lambda found, words: found - words)


def pooled_first(network: YoloWorld, _: ExitStack) -> None:
    for project in network.neck.pooling.projections:
        before(project, lambda x: adaptive_max_pool2d(x, 3))  # pooled once more, it stays as it is


def pooled_by_mean(network: YoloWorld, stack: ExitStack) -> None:
    stack.enter_context(patch.object(attention, "adaptive_max_pool2d", adaptive_avg_pool2d))


def attention_by_256(network: YoloWorld, _: ExitStack) -> None:
    shrink(network.neck.pooling.query.linear, (32 / 256) ** 0.5)


def attention_interleaved(network: YoloWorld, stack: ExitStack) -> None:
    stack.enter_context(patch.object(attention, "heads", interleaved))


def pooling_reads_backbone(level: int) -> Plant:
    def plant(network: YoloWorld, _: ExitStack) -> None:
        seen = {}
        network.backbone.register_forward_hook(lambda _, given, found: seen.update(x=found[level]))
        before(network.neck.pooling.projections[level], lambda _: seen["x"])

    return plant


def layer_norm_epsilon(network: YoloWorld, _: ExitStack) -> None:
    for norm in all_of(network, nn.LayerNorm):
        norm.eps = 1e-3


def image_norm_wrong(network: YoloWorld, _: ExitStack) -> None:
    """Missing in version 1, added in version 2."""
    for contrast in network.head.contrast:
        if contrast.norm is None:
            contrast.norm = nn.Identity()
        else:
            after(contrast.norm, lambda found, _: normalize(found, dim=1))


def head_takes_words_as_they_are(network: YoloWorld, stack: ExitStack) -> None:
    unit = yolo_world_head.unit
    stack.enter_context(patch.object(yolo_world_head, "unit", lambda x, axis: x if axis == 2 else unit(x, axis)))


def scale_itself(network: YoloWorld, _: ExitStack) -> None:
    for contrast in network.head.contrast:
        contrast.scale.log_()


def bin_major(network: YoloWorld, _: ExitStack) -> None:
    for tower in network.head.box:
        after(tower, lambda found, _: found.unflatten(1, (16, 4)).transpose(1, 2).flatten(1, 2))


def corner_points(network: YoloWorld, stack: ExitStack) -> None:
    places = decode._places
    stack.enter_context(patch.object(decode, "_places", lambda maps, strides, point: places(maps, strides, 0.0)))


def bins_from_one(network: YoloWorld, _: ExitStack) -> None:
    network.head.bins.add_(1)


def column_major(network: YoloWorld, stack: ExitStack) -> None:
    places = decode._places

    def turned(maps: list[Tensor], strides: tuple[int, ...], point: float) -> tuple[Tensor, Tensor]:
        points, steps = places([x.transpose(2, 3) for x in maps], strides, point)
        return points.flip(2), steps

    stack.enter_context(patch.object(decode, "_places", turned))


MISTAKES: list[tuple[str, Plant, Figure, Figure]] = [
    ("gate divided by the root of 512", gate_by_512, (23, 0.037), (16, 0.035)),
    ("gate without its bias", gate_without_bias, (2.2, 0.008), (4.2, 0.012)),
    ("mean over words instead of maximum", mean_over_words, (26, 0.063), (18, 0.031)),
    ("words normalised before the guide", normalised_before_guide, (43, 0.071), (17, 0.042)),
    ("heads of the guide interleaved", guides_interleaved, (26, 0.055), (7.5, 0.023)),
    ("SiLU behind the gate's projection", active_project, (50, 0.093), (36, 0.085)),
    ("gate first in the concatenation", gate_first, (95, 0.27), (70, 0.39)),
    ("residual in the first stage of the neck", residual, (64, 0.12), (61, 0.16)),
    ("lateral first in the first concatenation", lateral_first, (64, 0.14), (44, 0.16)),
    ("bilinear enlargement", bilinear, (6.6, 0.019), (6.8, 0.023)),
    ("epsilon 1e-5 of BatchNorm", norm_epsilon, (2.8, 0.003), (3.0, 0.006)),
    ("head fed with pooled words", head_sees_pooled, (0, 0.35), None),
    ("pooled words ignored", pooled_ignored, (26, 0.048), None),
    ("pooled words renormalised", pooled_renormalised, (37, 0.062), None),
    ("residual of pooling missing", pooled_alone, (2.1, 0.007), None),
    ("pooled before the projection", pooled_first, (5.9, 0.014), None),
    ("average pooling", pooled_by_mean, (2.4, 0.007), None),
    ("attention divided by the root of 256", attention_by_256, (3.7, 0.005), None),
    ("heads of attention interleaved", attention_interleaved, (14, 0.018), None),
    ("pooling reads the backbone at stride 8", pooling_reads_backbone(0), (12, 0.029), None),
    ("pooling reads the backbone at stride 16", pooling_reads_backbone(1), (11, 0.014), None),
    ("epsilon 1e-3 of LayerNorm", layer_norm_epsilon, (0.0074, 2e-5), None),
    ("norm of cells missing or added", image_norm_wrong, (0, 0.43), (0, 0.27)),
    ("words of the head as they are", head_takes_words_as_they_are, (0, 0.44), (0, 0.44)),
    ("scale instead of its exponential", scale_itself, (0, 0.22), (0, 0.30)),
    ("bins before sides", bin_major, (160, 0), (150, 0)),
    ("points at the corners of cells", corner_points, (16, 0), (16, 0)),
    ("bins from 1 to 16", bins_from_one, (64, 0), (64, 0)),
    ("points column by column", column_major, (80, 0), (80, 0)),
]
"""What goes wrong, what plants it, and how far it moved version 1 and version 2 elsewhere."""


def said(network: YoloWorld) -> tuple[Tensor, Tensor]:
    """Boxes (126, 4) and scores (126, 5)."""
    with torch.inference_mode():
        maps = network(torch.from_numpy(golden_world.images()), torch.from_numpy(golden_world.words()))
        boxes, scores = decode.decode(network.spec, maps, network.head.bins)
    return boxes[0], scores[0]


def effects(version: str) -> Iterator[tuple[str, tuple[float, float], tuple[float, float], bool]]:
    """Of each mistake: its name, how far it moves boxes and scores, what was measured, whether the golden test breaks."""
    spec = yolo_world("s", version=version)
    network = build(spec).eval().requires_grad_(False)
    load_arrays(network, golden_world.filled(arrays(spec), version), "noise")
    right = said(network)
    if breaks(version, *right):
        raise SystemExit(f"{version} is wrong without a mistake: {golden_world.apart(version, *(one.numpy() for one in right))}")
    for name, plant, *figures in MISTAKES:
        figure = figures[version == "v2"]
        if figure is None:
            continue
        wrong = copy.deepcopy(network)
        with ExitStack() as stack:
            plant(wrong, stack)
            found = said(wrong)
        moved = centred(found[0]) - centred(right[0])
        yield name, (float(moved.abs().max()), float((found[1] - right[1]).abs().max())), figure, breaks(version, *found)


def centred(boxes: Tensor) -> Tensor:
    """xyxy to centre, width and height, in which the figures are."""
    low, high = boxes.chunk(2, 1)
    return torch.cat([(low + high) / 2, high - low], 1)


def breaks(version: str, boxes: Tensor, scores: Tensor) -> bool:
    """Whether the golden test would fail."""
    pixels, score = golden_world.apart(version, boxes.numpy(), scores.numpy())
    return not (pixels < golden_world.PIXELS and score < golden_world.SCORE)


def main() -> None:
    """Print the table; exit 1 where a mistake goes through."""
    through = 0
    for version in ("v1", "v2"):
        print(f"{version:44} pixels    score   elsewhere")
        for name, (pixels, score), (far, off), broken in effects(version):
            through += not broken
            print(f"{name:41} {pixels:9.4g} {score:8.2g}   {far:g} / {off:g}{'' if broken else '   GOES THROUGH'}")
    sys.exit(1 if through else 0)


if __name__ == "__main__":
    main()
