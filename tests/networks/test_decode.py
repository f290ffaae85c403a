"""Golden numbers of spec yolov5-yolov8.md, sections 7.1 and 7.5."""

import numpy as np
import pytest
import torch

from wordbox.networks.decode import decode, rows
from wordbox.specs import NanoSpec
from wordbox.variants import named

SIDE = 64


def wave(batch, channels, size):
    """The spec's generator: size * sin(0.7 n + level) in C order."""
    maps = []
    for level, stride in enumerate((8, 16, 32)):
        shape = (batch, channels, SIDE // stride, SIDE // stride)
        maps.append(torch.tensor(size * np.sin(0.7 * np.arange(np.prod(shape)) + level), dtype=torch.float32).reshape(shape))
    return maps


def centred(boxes):
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def close(found, expected, atol=6e-5):
    return np.allclose(found[: len(expected)], expected, rtol=1e-6, atol=atol)


def test_anchors_give_the_published_boxes_and_scores():
    spec, maps = named("yolov5n", classes=3), wave(1, 24, 2.0)
    found = rows(spec, maps)
    boxes, scores = decode(spec, maps)
    assert boxes.shape == (1, 252, 4)
    assert scores.shape == (1, 252, 3)
    objectness, labels = found.objectness[0].sigmoid(), found.logits[0].sigmoid()
    table = torch.cat([centred(boxes[0]), objectness, labels], 1)
    for row, expected in {
        0: (4.00000, 8.98245, 31.00122, 31.70729, 0.43592, 0.16476, 0.12319, 0.25709),
        63: (60.93515, 65.33387, 30.78430, 28.98568, 0.38017),
        64: (6.00118, 9.65188, 48.38593, 58.32442, 0.31951),
        192: (18.98540, 2.50155, 1.78544, 55.93190, 0.87428),
        251: (23.91579, 72.24553, 31.28444, 827.49750, 0.31072, 0.53399, 0.63184, 0.23976),
    }.items():
        assert close(table[row].numpy(), expected, atol=3e-4 if row == 251 else 6e-5), row
    assert table.sum().item() == pytest.approx(42138.3906, abs=0.02)
    assert torch.allclose(scores[0], objectness * labels)


@pytest.mark.parametrize("bins", [None, torch.arange(16.0).reshape(1, 16, 1, 1)], ids=["own", "given"])
def test_distributions_give_the_published_boxes_and_scores(bins):
    spec, maps = named("yolov8n", classes=3), wave(2, 67, 1.5)
    plain, _ = decode(spec, maps, bins)
    assert close(centred(plain[0, 0]).numpy(), (4.78916, 8.49082, 100.67557, 105.97328))
    for level in maps:
        level[:, :64] -= 0.9 * torch.arange(16).repeat(4)[None, :, None, None]
    boxes, scores = decode(spec, maps, bins)
    table = torch.cat([centred(boxes), scores], 2)
    for row, expected in {
        0: (1.56972, 2.26722, 12.15513, 8.10190, 0.78897, 0.59397, 0.31036),
        63: (57.70853, 58.44928, 11.12246, 7.36839, 0.77306, 0.55166, 0.28049),
        64: (7.70732, 8.89231, 8.30112, 49.02329, 0.81725),
        83: (48.54134, 40.32162, 74.35004, 58.24978, 0.79056),
    }.items():
        assert close(table[0, row].numpy(), expected), row
    assert table.sum().item() == pytest.approx(17983.2294, abs=0.02)


def test_bins_of_the_head_are_what_distances_count_in():
    spec, maps = named("yolov8n", classes=3), wave(1, 67, 1.5)
    whole, half = decode(spec, maps)[0], decode(spec, maps, torch.arange(16) / 2)[0]
    centre = torch.stack([torch.tensor([4.0, 4.0])] * 2).flatten()
    assert torch.allclose(half[0, 0] - centre, (whole[0, 0] - centre) / 2, atol=1e-4)


def test_wordbox_nano_counts_from_its_point():
    spec = NanoSpec(point=0.25)
    maps = [torch.zeros(1, 44 + 2, 64 // stride, 96 // stride) for stride in spec.strides]
    boxes, scores = decode(spec, maps)
    assert boxes.shape == (1, 8 * 12 + 4 * 6 + 2 * 3, 4)
    assert boxes[0, 13].tolist() == pytest.approx(
        [10 - 40, 10 - 40, 10 + 40, 10 + 40]
    )  # second cell of the second row; mean of 11 bins is 5
    assert (scores == 0.5).all()


@pytest.mark.parametrize("name", ["yolov5n", "yolov8n"])
def test_chosen_rows_decode_as_they_do_among_all(name):
    spec = named(name, classes=3)
    maps = wave(2, 24 if name == "yolov5n" else 67, 2.0)
    found = rows(spec, maps)
    chosen = torch.tensor([[5, 80, 5], [0, 83, 64]])
    taken, batch = found.take(chosen), torch.arange(2)[:, None]
    assert torch.allclose(taken.boxes(), found.boxes()[batch, chosen])
    assert torch.allclose(taken.scores(), found.scores()[batch, chosen])
    assert torch.allclose(found.best(), found.scores().amax(2))
