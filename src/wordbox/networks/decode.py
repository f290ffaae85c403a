"""From raw maps to boxes and scores, outside the networks: the cells of every level as rows, to be decoded all or chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wordbox.specs import AnchorHead, Anchors, NanoSpec, Spec


@dataclass(frozen=True, eq=False)
class Rows:
    """What cells say, undecoded: all N of a picture, or some."""

    sides: Tensor
    """(B, N, 4) logits of centre and size where there are priors, else (B, N, 4, R) logits of distances to left, top, right, bottom."""
    logits: Tensor
    """(B, N, K) of classes."""
    objectness: Tensor | None
    """(B, N, 1) logits; None where classes stand alone."""
    points: Tensor
    """(B or 1, N, 2) in canvas pixels: where offsets and distances count from."""
    strides: Tensor
    """(B or 1, N, 1) in canvas pixels."""
    priors: Tensor | None
    """(B or 1, N, 2) width and height in canvas pixels; None where there are distances."""
    bins: Tensor
    """(R,) what each bin of a distance means, in cells; empty where there are priors."""

    def take(self, chosen: Tensor) -> "Rows":
        """The rows at `chosen` (B, P), positions among N."""
        batch = torch.arange(len(chosen), device=chosen.device)[:, None]

        def pick(x: Tensor) -> Tensor:
            return x[batch if len(x) > 1 else 0 * batch, chosen]

        objectness = None if self.objectness is None else pick(self.objectness)
        priors = None if self.priors is None else pick(self.priors)
        return Rows(pick(self.sides), pick(self.logits), objectness, pick(self.points), pick(self.strides), priors, self.bins)

    def best(self) -> Tensor:
        """(B, N): the largest score of each row."""
        return self._scores(self.logits.amax(2, keepdim=True))[..., 0]

    def scores(self) -> Tensor:
        """(B, N, K): sigmoid of the class, times that of objectness where there is one."""
        return self._scores(self.logits)

    def boxes(self) -> Tensor:
        """(B, N, 4): xyxy in canvas pixels."""
        if self.priors is not None:
            p = 2 * self.sides.sigmoid()
            centre = self.points + (p[..., :2] - 1) * self.strides
            low = high = p[..., 2:] ** 2 * self.priors / 2
        else:
            centre = self.points
            low, high = ((self.sides.softmax(3) @ self.bins) * self.strides).chunk(2, 2)
        return torch.cat([centre - low, centre + high], 2)

    def _scores(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() if self.objectness is None else logits.sigmoid() * self.objectness.sigmoid()


def decode(spec: Spec, maps: Sequence[Tensor], bins: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Boxes (B, N, 4), xyxy in canvas pixels, and scores (B, N, K) of all cells, from the raw `maps` (B, C, h, w) of a network.

    `bins` are what a DistributionHead says of its bins, 0 to R - 1 where None.
    """
    found = rows(spec, maps, bins)
    return found.boxes(), found.scores()


def rows(spec: Spec, maps: Sequence[Tensor], bins: Tensor | None = None) -> Rows:
    """All cells of the raw `maps` (B, C, h, w) of a network: level by level; in it anchor by anchor, row by row."""
    if isinstance(spec, NanoSpec):
        count, point = spec.bins, spec.point
    elif isinstance(spec.head, AnchorHead):
        return _anchor_rows(maps, spec.strides, spec.head.anchors)
    else:
        count, point = spec.head.bins, 0.5
    ramp = torch.arange(count, device=maps[0].device) if bins is None else bins.detach().flatten()
    return _distance_rows(maps, spec.strides, ramp.float(), point)


def _distance_rows(maps: Sequence[Tensor], strides: tuple[int, ...], bins: Tensor, point: float) -> Rows:
    """Cells that have distances: 4 R + K channels (spec yolov5-yolov8.md, section 4.4; Generalized Focal Loss, section 3)."""
    values = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], 1).float()
    sides, logits = values.tensor_split([4 * len(bins)], 2)
    return Rows(sides.reshape(*sides.shape[:2], 4, len(bins)), logits, None, *_places(maps, strides, point), None, bins)


def _anchor_rows(maps: Sequence[Tensor], strides: tuple[int, ...], anchors: Anchors) -> Rows:
    """Cells that have priors: A (5 + K) channels (spec yolov5-yolov8.md, sections 1.10 and 1.11)."""
    count = len(anchors[0])
    parts = [x.reshape(len(x), count, x.shape[1] // count, x.shape[2] * x.shape[3]) for x in maps]
    values = torch.cat([part.transpose(2, 3).flatten(1, 2) for part in parts], 1).float()
    points, steps = _places(maps, strides, 0.5, count)
    priors = [points.new_tensor(one).repeat_interleave(x.shape[2] * x.shape[3], 0) for one, x in zip(anchors, maps, strict=True)]
    return Rows(values[..., :4], values[..., 5:], values[..., 4:5], points, steps, torch.cat(priors)[None], points.new_empty(0))


def _places(maps: Sequence[Tensor], strides: tuple[int, ...], point: float, copies: int = 1) -> tuple[Tensor, Tensor]:
    """Points (1, N, 2) and strides (1, N, 1) in canvas pixels of the cells of all levels, row by row, `copies` times a level."""
    points, steps = [], []
    for x, stride in zip(maps, strides, strict=True):
        down, right = (torch.arange(side, device=x.device, dtype=torch.float32) for side in x.shape[2:])
        cells = torch.cartesian_prod(down, right).flip(1).repeat(copies, 1)  # x before y
        points.append((cells + point) * stride)
        steps.append(torch.full_like(cells[:, :1], stride))
    return torch.cat(points)[None], torch.cat(steps)[None]
