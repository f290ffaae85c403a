"""YOLO-World's head: comparison, masks, labels of several phrases, first guesses (spec yolo-world.md, section 1.6 and traps 2 to 6)."""

import math
from dataclasses import replace

import pytest
import torch

from wordbox.networks.build import build
from wordbox.networks.yolo_world_head import Contrast, YoloWorldHead
from wordbox.variants import named

VERSIONS = ["v1", "v2"]


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def levels(tiny):
    return [noise(2, width, 4 >> i, 8 >> i, seed=i) for i, width in enumerate(tiny["world-v2"].widths[-3:])]


def towers(head, levels):
    """What the towers say: distances and vectors, level by level."""
    return [(box(x), label(x)) for box, label, x in zip(head.box, head.label, levels, strict=True)]


@pytest.mark.parametrize("version", VERSIONS)
def test_cells_and_words_are_compared_as_the_formula_says(tiny, randomise, levels, version):
    spec = tiny[f"world-{version}"]
    head, words = randomise(YoloWorldHead(spec)), 3 * noise(2, 5, spec.embedding)
    found = head(levels, words)
    for level, (distances, shown), contrast in zip(found, towers(head, levels), head.contrast, strict=True):
        assert torch.equal(level[:, :32], distances)
        if version == "v1":
            shown = shown / shown.square().sum(1, keepdim=True).sqrt()
        else:
            norm = contrast.norm
            assert norm.eps == 0.001
            shown = (shown - norm.running_mean.view(-1, 1, 1)) / (norm.running_var.view(-1, 1, 1) + 0.001).sqrt()
            shown = shown * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
        for b in range(2):
            for k in range(5):
                word = words[b, k] / words[b, k].square().sum().sqrt()
                expected = contrast.scale.exp() * (shown[b] * word.view(-1, 1, 1)).sum(0) + contrast.offset
                assert torch.allclose(level[b, 32 + k], expected, atol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_masked_words_have_the_logit_minus_infinity_and_change_no_other(tiny, randomise, levels, version):
    head = randomise(YoloWorldHead(tiny[f"world-{version}"]))
    words, mask = noise(2, 3, tiny["world-v1"].embedding), torch.tensor([[True, False, True], [False, False, False]])
    for plain, masked in zip(head(levels, words), head(levels, words, mask), strict=True):
        assert (masked[0, 33] == -torch.inf).all()
        assert (masked[1, 32:] == -torch.inf).all()
        assert torch.equal(masked[0, [*range(33), 34]], plain[0, [*range(33), 34]])
        assert torch.equal(masked[1, :32], plain[1, :32])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_label_has_the_logit_of_its_best_phrase(tiny, randomise, levels, version):
    spec = tiny[f"baked-{version}"]
    head, single = randomise(YoloWorldHead(spec)), YoloWorldHead(replace(spec, phrases=(1,) * 6)).eval()
    single.load_state_dict(head.state_dict())
    words = noise(1, 6, spec.embedding) if version == "v1" else None
    for labels, phrases in zip(head(levels, words), single(levels, words), strict=True):
        assert labels.shape[1] == 32 + 3
        assert torch.equal(labels[:, :32], phrases[:, :32])
        a, b, c, d, e, f = phrases[:, 32:].unbind(1)
        assert torch.equal(labels[:, 32:], torch.stack([a, torch.maximum(b, torch.maximum(c, d)), torch.maximum(e, f)], 1))


def test_the_second_version_with_words_folded_in_is_the_head_of_yolov8(tiny, randomise, levels):
    head = randomise(YoloWorldHead(replace(tiny["baked-v2"], phrases=(1, 1))))
    assert all(torch.equal(level, torch.cat(pair, 1)) for level, pair in zip(head(levels, None), towers(head, levels), strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_nothing_shown_and_no_word_meant_is_no_fault(tiny, dtype):
    contrast = Contrast(tiny["world-v1"])
    with torch.autocast("cpu", torch.float16, enabled=dtype == torch.float16):
        found = contrast(torch.zeros(1, 24, 2, 2, dtype=dtype), torch.zeros(1, 3, 24))
    assert found.isfinite().all()


@pytest.mark.parametrize(("version", "scale"), [("v1", 2.65926), ("v2", -1.0)])
def test_a_head_starts_with_few_objects(version, scale):
    head = build(named(f"yolov8n-world{version.removeprefix('v1')}")).head
    for i, offset in enumerate((-11.5366, -10.1503, -8.7641)):
        assert (head.box[i].predict.bias == 1).all()
        assert (head.label[i].predict.bias == 0).all()
        assert head.contrast[i].scale.item() == pytest.approx(scale, abs=1e-5)
        assert head.contrast[i].offset.item() == pytest.approx(offset, abs=1e-4)
        if version == "v2":
            assert (head.contrast[i].norm.weight == 1).all()
            assert (head.contrast[i].norm.bias == 0).all()


def test_a_head_with_folded_words_starts_with_few_objects(tiny):
    head = YoloWorldHead(tiny["baked-v2"])
    for label, stride in zip(head.label, (8, 16, 32), strict=True):
        assert torch.allclose(label.predict.bias, torch.tensor(math.log(5 / 6 / (640 / stride) ** 2)))
