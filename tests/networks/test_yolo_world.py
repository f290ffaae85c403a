"""YOLO-World as a whole: measured numbers, names, and what words do to each other."""

import json
from dataclasses import replace

import pytest
import torch

from wordbox.arrays import arrays
from wordbox.networks import weights
from wordbox.networks.build import build
from wordbox.networks.decode import decode
from wordbox.variants import yolo_world

VERSIONS = ["v1", "v2"]
OPEN = ["world-v1", "world-v2"]


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def results(network, images, *words):
    """Boxes (B, N, 4) and scores (B, N, K)."""
    with torch.inference_mode():
        return decode(network.spec, network(images, *words))


def same(one, other):
    """Boxes in pixels and scores, to rounding."""
    return all(torch.allclose(a, b, atol=atol, rtol=1e-5) for a, b, atol in zip(one, other, (1e-4, 1e-6), strict=True))


def loud(spec, golden):
    """A network in which words matter: those that torch starts with hardly look at them."""
    network = build(spec).eval()
    weights.load_arrays(network, golden.filled(arrays(spec), spec.version), "noise")
    return network


@pytest.fixture(params=OPEN)
def network(request, tiny, golden):
    return loud(tiny[request.param], golden)


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def words(network):
    return noise(1, 5, network.spec.embedding)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_measured_numbers(golden, version):
    network = loud(yolo_world("s", version=version), golden)
    boxes, scores = results(network, torch.from_numpy(golden.images()), torch.from_numpy(golden.words()))
    pixels, score = golden.apart(version, boxes[0].numpy(), scores[0].numpy())
    renew = "python tests/golden_world.py prints the lines of tests/golden/yolo_world.txt as this build says them"
    assert pixels < golden.PIXELS, renew
    assert score < golden.SCORE, renew


def test_the_noise_is_the_published_one(golden):
    for name, first in {
        "image": (0.2976, 0.4423, -0.4121, -0.2655),
        "text": (0.84390 / 2, -0.87860 / 2, -0.5992 / 2, -0.3178 / 2),
        "bbox_head.head_module.cls_contrasts.0.bias": (0.080272,),
    }.items():
        assert golden.noise(name, 4)[: len(first)].tolist() == pytest.approx(first, abs=6e-5)
    stored = golden.filled(arrays(yolo_world("s")), "v2")
    for name, first in {
        "backbone.stem.conv.weight": (-0.376481, -0.211355, -0.045409, 0.121357),
        "neck.top_down.1.gate.guide.weight": (-0.051297, -0.063449, -0.075267, -0.086749),
    }.items():
        assert stored[name].flatten()[:4].tolist() == pytest.approx(first, abs=6e-7)


def test_the_noise_goes_by_official_names(golden, shared):
    measured = json.loads((shared / "spec" / "yoloworld_keymap.json").read_text(encoding="utf-8"))["models"]
    assert len(measured) == 8
    for name, rows in measured.items():
        version, size = name.split("-")
        theirs = {key for _, key, _ in rows if key and not key.endswith("num_batches_tracked")}
        ours = [one.name for one in arrays(yolo_world(size, version=version)) if one.name != "head.bins"]
        assert {golden.official(one) for one in ours} == theirs
        assert len(ours) == len(theirs)


@pytest.mark.parametrize("phrases", [(), (1, 1, 1), (2, 1, 3)], ids=["open", "baked", "merged"])
@pytest.mark.parametrize("embedding", [512, 768])
@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x", "xl"])
@pytest.mark.parametrize("version", VERSIONS)
def test_names_and_shapes_are_those_of_the_list(version, size, embedding, phrases):
    spec = replace(yolo_world(size, version=version, embedding=embedding), phrases=phrases, background=2 * bool(phrases))
    with torch.device("meta"):
        network = build(spec)
    assert {name: tuple(tensor.shape) for name, tensor in weights._tensors(network).items()} == {
        one.name: one.shape for one in arrays(spec)
    }


def test_gradients_reach_every_parameter_and_the_words(network, images, words):
    network.train().requires_grad_(True)
    network.head.bins.requires_grad_(False)
    words.requires_grad_()
    sum(x.square().mean() for x in network(images, words)).backward()
    still = {name for name, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)}
    assert still == set()
    assert (words.grad.abs().sum(2) > 0).all()


def test_pooling_changes_all_levels_but_the_finest(tiny, golden, images):
    network = loud(tiny["world-v1"], golden)
    words = noise(1, 5, network.spec.embedding)
    with torch.inference_mode():
        before = network(images, words)
        for parameter in network.neck.pooling.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        after = network(images, words)
    assert torch.equal(before[0], after[0])
    assert not any(torch.allclose(a, b, atol=1e-2) for a, b in zip(before[1:], after[1:], strict=True))


def test_permuting_words_permutes_scores(network, images, words):
    order = [3, 0, 4, 1, 2]
    boxes, scores = results(network, images, words)
    assert same(results(network, images, words[:, order]), (boxes, scores[:, :, order]))


def test_a_word_twice_changes_no_other(network, images, words):
    boxes, scores = results(network, images, words)
    assert same(results(network, images, words[:, [0, 1, 2, 3, 4, 2]]), (boxes, scores[:, :, [0, 1, 2, 3, 4, 2]]))


def test_another_word_changes_all(network, images, words):
    boxes, scores = results(network, images, words)
    more_boxes, more_scores = results(network, images, torch.cat([words, 9 * noise(1, 1, network.spec.embedding, seed=7)], 1))
    assert not torch.allclose(more_boxes, boxes, atol=1e-2)
    assert not torch.allclose(more_scores[:, :, :5], scores, atol=1e-4)


@pytest.mark.parametrize("padding", [0.0, 1.0, 100.0])
def test_masked_words_change_nothing(network, images, words, padding):
    padded = torch.cat([padding * noise(1, 2, network.spec.embedding, seed=8), words], 1)
    mask = torch.tensor([[False, False, True, True, True, True, True]])
    boxes, scores = results(network, images, padded, mask)
    assert same((boxes, scores[:, :, 2:]), results(network, images, words))
    assert (scores[:, :, :2] == 0).all()


def test_a_batch_with_a_list_for_each_picture_is_as_single_runs(network, images):
    lists = [noise(1, count, network.spec.embedding, seed=count) for count in (2, 6)]
    padded = torch.stack([torch.cat([one[0], 7 * noise(6 - one.shape[1], network.spec.embedding)]) for one in lists])
    mask = torch.tensor([[True] * 2 + [False] * 4, [True] * 6])
    boxes, scores = results(network, images, padded, mask)
    for b, one in enumerate(lists):
        alone = results(network, images[b : b + 1], one)
        assert same((boxes[b : b + 1], scores[b : b + 1, :, : one.shape[1]]), alone)


def test_a_picture_without_a_word_finds_nothing_and_spoils_no_other(network, images, words):
    mask = torch.tensor([[False] * 5, [True] * 5])
    boxes, scores = results(network, images, words, mask)
    assert boxes.isfinite().all()
    assert (scores[0] == 0).all()
    assert same((boxes[1:], scores[1:]), results(network, images[1:], words))


def folded(stored, spec, words):
    """The arrays of a network of version 2 with `words` (K, D) in its weights, in double precision (section 5.3)."""
    stored = {name: torch.from_numpy(array).double() for name, array in stored.items()}
    found = {name: array for name, array in stored.items() if ".guide." not in name and "contrast" not in name}
    for name in (name.removesuffix("guide.weight") for name in stored if name.endswith("guide.weight")):
        found[f"{name}words"] = words @ stored[f"{name}guide.weight"].T + stored[f"{name}guide.bias"]
    meant = words[: sum(spec.phrases)]
    meant = meant / meant.norm(dim=1, keepdim=True)
    for i in range(3):
        norm = {one: stored[f"head.contrast.{i}.norm.{one}"] for one in ("weight", "bias", "mean", "variance")}
        steep, scale = norm["weight"] / (norm["variance"] + spec.norm_epsilon).sqrt(), stored[f"head.contrast.{i}.scale"].exp()
        rows, name = scale * meant * steep, f"head.label.{i}.predict"
        found[f"{name}.weight"] = (rows @ stored[f"{name}.weight"][:, :, 0, 0])[:, :, None, None]
        level = norm["bias"] - norm["mean"] * steep
        found[f"{name}.bias"] = rows @ stored[f"{name}.bias"] + scale * meant @ level + stored[f"head.contrast.{i}.offset"]
    return {name: array.numpy() for name, array in found.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_words_folded_in_say_what_words_as_an_input_say(tiny, golden, images, version):
    network, spec = loud(tiny[f"world-{version}"], golden), tiny[f"baked-{version}"]
    words = 2 * noise(7, spec.embedding)  # of any length; six are phrases of three labels, one is the background
    stored = weights.arrays(network)
    other = build(spec).eval()
    given = stored | {"words": words.numpy()} if version == "v1" else folded(stored, spec, words.double())
    weights.load_arrays(other, given, "here")
    boxes, scores = results(network, images, words[None])
    found = results(other, images)
    of_labels = torch.stack([scores[:, :, first:last].amax(2) for first, last in ((0, 1), (1, 4), (4, 6))], 2)
    assert torch.allclose(found[0], boxes, atol=1e-3)
    assert torch.allclose(found[1], of_labels, atol=1e-5)
