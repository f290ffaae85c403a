import pytest
import torch
from torch import nn

from wordbox.networks import blocks
from wordbox.networks.attention import C3TR, TransformerLayer
from wordbox.networks.blocks import C2, C3, SPP, SPPF, BottleneckCSP, C2f, ConvNorm, Focus, Style
from wordbox.specs import ACTIVATIONS

STYLE = Style()
FORMULAS = {
    "SiLU": lambda x: x / (1 + (-x).exp()),
    "Hardswish": lambda x: x * (x + 3).clamp(0, 6) / 6,
    "LeakyReLU": lambda x: torch.where(x > 0, x, 0.1 * x),
    "Mish": lambda x: x * (1 + x.exp()).log().tanh(),
    "ReLU": lambda x: x.clamp(min=0),
}


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_follows_its_formula(name):
    x = noise(1000) * 4
    assert torch.allclose(blocks.activation(name, 0.1)(x.clone()), FORMULAS[name](x), atol=1e-6)
    block = ConvNorm(2, 3, 1, style=Style(activation=name)).eval()
    y = noise(1, 2, 4, 4)
    assert torch.allclose(block(y), FORMULAS[name](block.norm(block.conv(y))), atol=1e-6)


def test_norms_have_the_published_epsilon_and_momentum():
    block = ConvNorm(2, 3, 1, style=Style(epsilon=0.25))
    assert (block.norm.eps, block.norm.momentum) == (0.25, 0.03)
    x = noise(4, 2, 8, 8)
    block(x)
    raw = block.conv(x)
    assert torch.allclose(block.norm.running_mean, 0.03 * raw.mean((0, 2, 3)), atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 3, 20, 44)])
def test_focus_equals_a_six_by_six_convolution_of_stride_two(shape, randomise):
    focus = randomise(Focus(3, 7, style=STYLE))
    whole = randomise(ConvNorm(3, 7, 6, 2, style=STYLE))
    kernel = focus.conv.conv.weight.detach()
    for dy in (0, 1):  # spec 1.3: K[o, c, 2a + dy, 2b + dx] = W[o, (dy + 2 dx) c1 + c, a, b]
        for dx in (0, 1):
            first = (dy + 2 * dx) * 3
            whole.conv.weight.data[:, :, dy::2, dx::2] = kernel[:, first : first + 3]
    whole.norm.load_state_dict(focus.conv.norm.state_dict())
    x = noise(*shape)
    assert torch.allclose(focus(x), whole(x), atol=1e-5)
    assert sum(p.numel() for p in focus.parameters()) == sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize("sides", [(5, 9, 13), (3, 5, 7)])
def test_pools_in_series_equal_pools_side_by_side(sides, randomise):
    beside, series = randomise(SPP(8, sides, style=STYLE)), SPPF(8, sides[0], style=STYLE).eval()
    series.load_state_dict(beside.state_dict())
    x = noise(2, 8, 14, 9)
    assert torch.equal(beside(x), series(x))


@pytest.mark.parametrize("block", [C3, BottleneckCSP, C2f, C2])
def test_csp_blocks_take_any_repeats_and_channels(block):
    x = noise(2, 6, 8, 4)
    for repeats in (1, 3):
        assert block(6, 8, repeats, shortcut=True, style=STYLE)(x).shape == (2, 8, 8, 4)


@pytest.mark.parametrize("block", [C3, BottleneckCSP, C2f, C2])
def test_a_shortcut_adds_the_input_of_each_bottleneck(block, randomise):
    x = noise(1, 8, 6, 6)
    with_, without = (randomise(block(8, 8, 2, shortcut=shortcut, style=STYLE)) for shortcut in (True, False))
    without.load_state_dict(with_.state_dict())
    assert not torch.allclose(with_(x), without(x))
    for bottleneck in [*with_.blocks, *without.blocks]:
        y = noise(1, 4, 6, 6)
        plain = bottleneck.second(bottleneck.first(y))
        assert torch.equal(bottleneck(y), y + plain if bottleneck.shortcut else plain)


def test_c2f_joins_everything_on_the_way(randomise):
    block, x = randomise(C2f(6, 8, 2, shortcut=False, style=STYLE)), noise(1, 6, 5, 5)
    a, b = block.split(x)[:, :4], block.split(x)[:, 4:]
    c = block.blocks[0](b)
    assert torch.equal(block(x), block.join(torch.cat([a, b, c, block.blocks[1](c)], 1)))


def test_bottleneck_csp_has_one_norm_and_its_own_activation_behind_the_concatenation(randomise):
    block, x = randomise(BottleneckCSP(6, 8, 1, shortcut=True, style=Style(activation="Hardswish"))), noise(1, 6, 5, 5)
    assert isinstance(block.exit, nn.Conv2d)
    assert isinstance(block.side, nn.Conv2d)
    both = block.norm(torch.cat([block.exit(block.blocks(block.main(x))), block.side(x)], 1))
    assert torch.allclose(block(x), block.join(FORMULAS["LeakyReLU"](both)), atol=1e-6)


def test_attention_follows_its_formula():
    layer = TransformerLayer(8)
    nn.init.normal_(layer.attention.in_proj_bias)  # torch starts it at zero
    x = noise(6, 2, 8)
    inner = zip(
        (layer.query, layer.key, layer.value), layer.attention.in_proj_weight.chunk(3), layer.attention.in_proj_bias.chunk(3), strict=True
    )
    q, k, v = ((one(x) @ w.T + b).reshape(6, 2, 4, 2).permute(1, 2, 0, 3) for one, w, b in inner)  # (B, heads, T, 2)
    mixed = (q @ k.transpose(2, 3) / 2**0.5).softmax(3) @ v
    y = x + layer.attention.out_proj(mixed.permute(2, 0, 1, 3).reshape(6, 2, 8))
    assert torch.allclose(layer(x), y + layer.second(layer.first(y)), atol=1e-5)


def test_attention_keeps_cells_in_their_places():
    block, x = C3TR(8, 16, 1, style=STYLE).eval(), noise(2, 8, 4, 6)
    found = block(x)
    assert found.shape == (2, 16, 4, 6)
    assert torch.allclose(block(x.flip(3)), found.flip(3), atol=1e-5)  # it has no position but the cell's own features
    assert torch.allclose(block(x[1:])[0], found[1], atol=1e-5)
