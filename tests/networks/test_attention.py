"""Image-pooling attention of YOLO-World's first version, against its formula (spec yolo-world.md, section 1.6)."""

import math

import pytest
import torch

from wordbox.networks.attention import ImagePooling

WIDTHS, EMBEDDING, WIDTH = (6, 10, 14), 20, 64


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pooling(randomise):
    torch.manual_seed(4)
    return randomise(ImagePooling(WIDTHS, EMBEDDING, WIDTH)).requires_grad_(False)


def levels(height, width):
    return [noise(2, c, height >> i, width >> i, seed=i) for i, c in enumerate(WIDTHS)]


def patches(x):
    """(C, h, w) to (9, C): the largest of each overlapping third."""
    found = []
    for row in range(3):
        for column in range(3):
            (top, bottom), (left, right) = ((i * n // 3, math.ceil((i + 1) * n / 3)) for i, n in ((row, x.shape[1]), (column, x.shape[2])))
            found.append(x[:, top:bottom, left:right].amax((1, 2)))
    return torch.stack(found)


def normed(x, norm):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


@pytest.mark.parametrize(("height", "width"), [(12, 12), (16, 20), (8, 4), (20, 28)])
def test_words_look_at_patches_as_the_formula_says(pooling, height, width):
    words, maps = noise(2, 4, EMBEDDING, seed=9), levels(height, width)
    found = pooling(words, maps)
    for b in range(2):
        seen = torch.cat([
            patches(torch.tensordot(project.weight[:, :, 0, 0], x[b], 1) + project.bias[:, None, None])
            for project, x in zip(pooling.projections, maps, strict=True)
        ])  # fmt: skip
        assert seen.shape == (27, WIDTH)
        q, k, v = (
            normed(x, part.norm) @ part.linear.weight.T + part.linear.bias
            for x, part in ((words[b], pooling.query), (seen, pooling.key), (seen, pooling.value))
        )
        heads = [slice(0, 32), slice(32, 64)]
        mixed = torch.cat([(q[:, head] @ k[:, head].T / 32**0.5).softmax(1) @ v[:, head] for head in heads], 1)
        expected = mixed @ pooling.out.weight.T + pooling.out.bias + words[b]
        assert torch.allclose(found[b], expected, atol=1e-5)
        assert not torch.allclose(found[b], words[b], atol=1e-2)


def test_a_word_looks_by_itself(pooling):
    words, maps = noise(1, 5, EMBEDDING, seed=9), levels(16, 16)
    found = pooling(words, maps)
    assert found.shape == (2, 5, EMBEDDING)  # one list, but each picture has its own answer
    assert not torch.allclose(found[0], found[1], atol=1e-2)
    kept = [3, 0, 3]
    assert torch.allclose(pooling(words[:, kept], maps), found[:, kept], atol=1e-6)
