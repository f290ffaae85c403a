import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.fold import Norm, fold_norm, fold_scaling
from wordbox.graphs.heads import RegionEmbedding, RegionNames, contrastive_logits, region_embedding
from wordbox.graphs.weights import Weights


@given(seed=st.integers(0, 2**32 - 1), c_in=st.integers(1, 5), c_out=st.integers(1, 5), epsilon=st.sampled_from([0, 1e-5, 1e-3]))
def test_a_folded_norm_is_the_norm_behind_the_convolution(seed, c_in, c_out, epsilon):
    rng = np.random.default_rng(seed)
    weight, bias, x = (rng.normal(size=shape).astype(np.float32) for shape in ((c_out, c_in, 1, 1), (c_out,), (c_in, 7)))
    norm = Norm(*(rng.normal(size=c_out).astype(np.float32) for _ in range(3)), rng.uniform(0.1, 4, c_out).astype(np.float32), epsilon)
    folded_weight, folded_bias = fold_norm(weight, bias, norm)
    assert folded_weight.dtype == folded_bias.dtype == np.float32
    assert folded_weight.shape == weight.shape
    y = weight[:, :, 0, 0].astype(np.float64) @ x + bias[:, None]
    expected = (y - norm.mean[:, None]) / np.sqrt(norm.variance[:, None] + epsilon) * norm.weight[:, None] + norm.bias[:, None]
    assert np.allclose(folded_weight[:, :, 0, 0] @ x + folded_bias[:, None], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("swap", [True, False])
def test_folded_scaling_divides_each_channel_by_its_own_deviation(rng, swap):
    weight, x = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=(3, 3, 3))
    deviation = (2.0, 4.0, 8.0)  # of red, green, blue
    scaled = x / np.reshape(deviation, (3, 1, 1))
    expected = np.tensordot(weight, scaled[::-1] if swap else scaled, axes=3)
    folded = fold_scaling(weight.astype(np.float32), deviation, swap_channels=swap)
    assert folded.flags.c_contiguous
    assert np.allclose(np.tensordot(folded, x, axes=3), expected, atol=1e-5)


def test_words_folded_through_the_head_score_as_the_head_says(engine, rng):
    c, d, names = 6, 5, ("weight", "bias", "mean", "variance")
    arrays = {"head.region.0.weight": rng.normal(size=(d, c, 1, 1)), "head.region.0.bias": rng.normal(size=d)}
    arrays |= {f"head.norm.0.{name}": rng.uniform(0.5, 2, d) for name in names}
    arrays |= {"head.scale.0": np.array(0.3), "head.offset.0": np.array(-2.0)}
    weights = Weights({name: array.astype(np.float32) for name, array in arrays.items()}, "head")
    region = region_embedding(
        weights, RegionNames(**{part: f"head.{part}.0" for part in ("region", "norm", "scale", "offset")}), c, d, 1e-3
    )
    weights.finish()
    assert isinstance(region, RegionEmbedding)
    graph = GraphBuilder()
    x, words = graph.input("x", np.float32, ("B", c, "H", "W")), graph.input("words", np.float32, ("BW", "K", d))
    mask = graph.input("mask", np.bool_, ("BW", "K"))
    graph.output("logits", contrastive_logits(graph, [x], [region], words, mask), np.float32, ("B", "N", "K"))
    feeds = {"x": rng.normal(size=(2, c, 3, 4)).astype(np.float32), "words": rng.normal(size=(1, 3, d)).astype(np.float32)}
    found = engine(graph.model({})).run(feeds | {"mask": np.array([[True, False, True]])})["logits"]
    embedded = np.einsum("dc,bchw->bhwd", arrays["head.region.0.weight"][..., 0, 0], feeds["x"]) + arrays["head.region.0.bias"]
    weight, bias, mean, variance = (arrays[f"head.norm.0.{name}"] for name in names)
    embedded = (embedded - mean) / np.sqrt(variance + 1e-3) * weight + bias
    expected = np.exp(0.3) * (embedded.reshape(2, 12, d) @ feeds["words"][0].T) - 2
    assert np.isneginf(found[..., 1]).all()
    assert np.allclose(found[..., [0, 2]], expected[..., [0, 2]], rtol=1e-4, atol=1e-4)
