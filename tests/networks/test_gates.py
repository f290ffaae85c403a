"""Gates and gated stages of YOLO-World, against their formula (spec yolo-world.md, section 1.6)."""

from dataclasses import replace

import pytest
import torch

from wordbox.networks.blocks import Style
from wordbox.networks.gates import C2fGated, Gate

WIDTH, EMBEDDING = 96, 20


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def gate(randomise):
    torch.manual_seed(4)
    return randomise(Gate(WIDTH, EMBEDDING, 0, style=Style())).requires_grad_(False)


@pytest.fixture
def x():
    return noise(2, WIDTH, 3, 4)


def test_a_gate_follows_its_formula(gate, x):
    words = noise(2, 5, EMBEDDING)
    projected = gate.project.norm(gate.project.conv(x))
    expected = torch.empty_like(x)
    for b in range(2):
        guides = words[b] @ gate.guide.weight.T + gate.guide.bias  # (K, width)
        for head in range(3):
            part = slice(32 * head, 32 * head + 32)
            for row in range(3):
                for column in range(4):
                    best = max(float(x[b, part, row, column] @ guide[part]) for guide in guides)
                    passed = 1 / (1 + torch.exp(-(best / 32**0.5 + gate.bias[head])))
                    expected[b, part, row, column] = passed * projected[b, part, row, column]
    assert torch.allclose(gate(x, words), expected, atol=1e-5)


def test_one_list_serves_all_pictures(gate, x):
    words = noise(1, 5, EMBEDDING)
    assert torch.allclose(gate(x, words), gate(x, words.expand(2, -1, -1)), atol=1e-6)


def test_a_masked_word_is_as_none(gate, x):
    words = noise(2, 6, EMBEDDING)
    mask = torch.tensor([[True, False, True, True, False, True], [True] * 6])
    found = gate(x, words, mask)
    assert torch.allclose(found[0], gate(x[:1], words[:1, mask[0]])[0], atol=1e-6)
    assert torch.allclose(found[1], gate(x[1:], words[1:])[0], atol=1e-6)
    assert not torch.allclose(found[0], gate(x, words)[0], atol=1e-3)


def test_without_a_word_nothing_passes_and_gradients_stay_finite(gate, x):
    gate.requires_grad_(True)
    words = noise(2, 3, EMBEDDING).requires_grad_()
    found = gate(x, words, torch.tensor([[False] * 3, [True] * 3]))
    assert (found[0] == 0).all()
    assert (found[1] != 0).any()
    found.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in gate.parameters())
    assert (words.grad[0] == 0).all()
    assert (words.grad[1] != 0).any()


def test_a_gate_with_folded_words_is_as_the_open_one(gate, x, randomise):
    words = noise(4, EMBEDDING)
    folded = Gate(WIDTH, EMBEDDING, 4, style=Style()).eval()
    state = gate.state_dict()
    folded.load_state_dict({name: tensor for name, tensor in state.items() if "guide" not in name} | {"words": gate.guide(words)})
    assert torch.allclose(folded(x, None), gate(x, words[None]), atol=1e-6)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_gated_stage_joins_everything_on_the_way_and_the_gate_last(tiny, randomise, repeats):
    spec = replace(tiny["world-v2"], neck_repeats=repeats)
    stage, x, words = randomise(C2fGated(6, 64, spec)), noise(1, 6, 5, 5), noise(1, 3, spec.embedding)
    parts = [stage.split(x)[:, :32], stage.split(x)[:, 32:]]
    for block in stage.blocks:
        parts.append(block.second(block.first(parts[-1])))  # no shortcut
    parts.append(stage.gate(parts[-1], words))
    assert len(parts) == 3 + repeats
    assert torch.equal(stage(x, words), stage.join(torch.cat(parts, 1)))
