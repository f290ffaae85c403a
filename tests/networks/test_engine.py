"""The PyTorch engine: what it answers, what it refuses, what it leaves alone."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

import wordbox
from wordbox.arrays import arrays as arrays_of
from wordbox.checkpoints import native
from wordbox.detection.detector import Detector
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.engines.threads import available_threads
from wordbox.errors import EngineError, InputError
from wordbox.graphs import nano
from wordbox.graphs.fold_words import fold_words
from wordbox.networks.blocks import ConvNorm
from wordbox.networks.build import build
from wordbox.networks.decode import decode
from wordbox.networks.engine import TorchEngine, fused
from wordbox.networks.weights import arrays, load_arrays

MODEL = Path(wordbox.__file__).parent / "models" / "wordbox-nano.safetensors"


@pytest.fixture(scope="module")
def packaged():
    """The packaged model: its network, arrays and Manifest."""
    found, manifest = native.read(MODEL)
    network = build(manifest.spec)
    load_arrays(network, found, str(MODEL))
    return network, found, manifest


@pytest.fixture
def network(tiny, randomise):
    torch.manual_seed(2)
    return randomise(build(tiny["yolov5"]))


@pytest.fixture
def engine(network):
    return made(network, {"wordbox": "{}"}, where="tiny.pt")


def made(network, metadata=None, **settings):
    return TorchEngine(network, metadata or {}, **{"where": "here", "threads": 1} | settings)


def feeds(rng, batch=2, conf=0.3, cap=50, sides=(64, 96)):
    images = rng.integers(0, 256, (batch, *sides, 3), np.uint8)
    return {"images": images, "conf": np.array(conf, np.float32), "max_candidates": np.array([cap])}


def words(rng, lists, count, width):
    found = rng.normal(size=(lists, count, width)).astype(np.float32)
    return {"words": found / np.linalg.norm(found, axis=-1, keepdims=True), "words_mask": rng.random((lists, count)) < 0.8}


@pytest.mark.parametrize("kind", ["yolov5", "yolov5u", "yolov8", "world-v1", "world-v2", "baked-v1", "baked-v2"])
def test_the_shortlist_is_the_best_of_all_pairs(kind, tiny, randomise, rng):
    torch.manual_seed(2)
    spec = tiny[kind]
    network, fed = randomise(build(spec)), feeds(rng, cap=60)
    given = words(rng, 1, 5, spec.embedding) if kind.startswith("world") else {}
    fed |= given
    with torch.inference_mode():
        pictures = torch.from_numpy(fed["images"]).permute(0, 3, 1, 2) / 255
        boxes, scores = decode(spec, network(pictures, *map(torch.from_numpy, given.values())))
    ranked = scores.flatten().sort(descending=True).values[60:100]
    gap = int((ranked[:-1] - ranked[1:]).argmax())
    conf = float(ranked[gap : gap + 2].mean())  # in the widest gap, since folded norms move scores a little
    found = made(network).run(fed | {"conf": np.array(conf, np.float32)})
    for b in range(2):
        best = scores[b].flatten().sort(descending=True).values.numpy()
        real = min((best > conf).sum(), 60)
        assert found["count"][b] == real > 10
        assert found["rows_passed"][b] == (scores[b].amax(1) > conf).sum()
        assert np.allclose(found["scores"][b, :real], best[:real], atol=1e-5)
        for label, score, box in zip(*(found[name][b, :real] for name in ("labels", "scores", "boxes")), strict=True):
            row = np.abs(scores[b, :, label].numpy() - score) < 1e-5
            assert (np.abs(boxes[b].numpy() - box).max(1)[row] < 1e-2).any()
        assert (found["scores"][b, real:] == 0).all()
        assert (found["labels"][b, real:] == -1).all()
        assert (found["boxes"][b, real:] == 0).all()


@pytest.mark.parametrize(("lists", "batch"), [(1, 1), (1, 2), (2, 2)])
def test_wordbox_nano_answers_as_its_graph_does(packaged, rng, lists, batch):
    network, found, manifest = packaged
    graph = OnnxRuntimeEngine(nano.draw(manifest.spec, found, manifest.to_metadata(), "nano").SerializeToString(), where="nano", threads=1)
    module = made(network, manifest.to_metadata(), where="nano")
    assert (dict(module.inputs), dict(module.outputs), module.metadata) == (dict(graph.inputs), dict(graph.outputs), graph.metadata)
    fed = feeds(rng, batch, conf=0.05, cap=300, sides=(96, 128)) | words(rng, lists, 9, manifest.spec.embedding)
    one, other = graph.run(fed), module.run(fed)
    assert one["count"].min() > 10  # there is something to compare
    assert np.array_equal(one["rows_passed"], other["rows_passed"])
    assert np.array_equal(one["count"], other["count"])
    assert np.abs(one["scores"] - other["scores"]).max() < 1e-3
    for b in range(batch):
        for i in range(one["count"][b]):
            same = (other["labels"][b] == one["labels"][b, i]) & (np.abs(other["scores"][b] - one["scores"][b, i]) < 1e-3)
            assert np.abs(other["boxes"][b][same] - one["boxes"][b, i]).max(1, initial=0).min() < 1e-2


def test_wordbox_nano_with_words_folded_in_answers_as_the_open_one_does(packaged, rng):
    network, found, manifest = packaged
    vectors = words(rng, 1, 6, manifest.spec.embedding)["words"][0]
    spec, folded = fold_words(manifest.spec, found, vectors, (2, 1, 3))
    baked = build(spec)
    load_arrays(baked, folded, "nano")
    fed = feeds(rng, 2, conf=0.05, cap=300, sides=(96, 128))
    graph = OnnxRuntimeEngine(nano.draw(spec, folded, {}, "nano").SerializeToString(), where="nano", threads=1)
    one, other = graph.run(fed), made(baked).run(fed)
    assert one["count"].min() > 10
    assert np.array_equal(one["count"], other["count"])
    assert np.abs(one["scores"] - other["scores"]).max() < 1e-3
    everything = made(network, manifest.to_metadata(), where="nano").run(
        fed | {"words": vectors[None], "words_mask": np.ones((1, 6), np.bool_)}
    )
    assert np.array_equal(everything["rows_passed"], other["rows_passed"])
    assert np.abs(everything["scores"][:, 0] - other["scores"][:, 0]).max() < 1e-5


@pytest.mark.parametrize("kind", ["yolov8", "world-v1", "world-v2", "baked-v1", "baked-v2"])
def test_networks_with_words_as_an_input_ask_for_them(kind, tiny):
    inputs = made(build(tiny[kind])).inputs
    assert inputs.keys() - {"images", "conf", "max_candidates"} == ({"words", "words_mask"} if kind.startswith("world") else set())
    if kind.startswith("world"):
        assert inputs["words"].shape == (None, None, 24)


@pytest.mark.parametrize("kind", ["world-v1", "world-v2"])
def test_every_picture_has_its_own_list_of_words(kind, tiny, golden, rng):
    network = build(tiny[kind])
    load_arrays(network, golden.filled(arrays_of(tiny[kind]), kind[-2:]), "noise")
    engine, fed = made(network), feeds(rng, 3, conf=0.0)
    fed |= words(rng, 3, 6, 24) | {"words_mask": np.array([[True] * 6, [True, False] * 3, [False] * 6])}
    found = engine.run(fed)
    assert found["count"].tolist() == [50, 50, 0]
    assert set(found["labels"][1]) <= {0, 2, 4}
    for b, kept in enumerate(([0, 1, 2, 3, 4, 5], [0, 2, 4])):
        own = {"images": fed["images"][b : b + 1], "words": fed["words"][b : b + 1, kept], "words_mask": np.ones((1, len(kept)), np.bool_)}
        alone = engine.run(fed | own)
        assert np.abs(alone["scores"][0] - found["scores"][b]).max() < 1e-5
        clear = alone["scores"][0] > alone["scores"][0, -1] + 1e-5
        assert set(np.array(kept)[alone["labels"][0, clear]]) <= set(found["labels"][b])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["world-v1", "world-v2"])
def test_words_in_lower_precision_stay_near(kind, precision, tiny, golden, rng):
    network = build(tiny[kind])
    load_arrays(network, golden.filled(arrays_of(tiny[kind]), kind[-2:]), "noise")
    fed = feeds(rng, 1, conf=0.0) | words(rng, 1, 6, 24)
    exact, near = made(network).run(fed), made(network, precision=precision).run(fed)
    assert 0 < np.abs(near["scores"] - exact["scores"]).max() < 0.05
    assert np.isfinite(near["boxes"]).all()


def test_norms_of_gates_and_of_the_head_are_folded(tiny, randomise):
    network = randomise(build(tiny["world-v2"]))
    changed = fused(copy.deepcopy(network))
    x, given = torch.rand(1, 3, 64, 64), torch.rand(1, 4, 24)
    with torch.inference_mode():
        for one, other in zip(network(x, given), changed(x, given), strict=True):
            assert torch.allclose(one, other, atol=1e-4)
    assert isinstance(changed.neck.top_down[0].gate.project.norm, torch.nn.Identity)
    assert not [block for block in changed.modules() if isinstance(block, torch.nn.BatchNorm2d)]


def test_the_detector_cannot_tell_the_engines_apart(packaged, detector, photo, assert_same):
    network, _, manifest = packaged
    other = Detector(made(network, manifest.to_metadata(), where="nano"), manifest, detector._encoder)
    one = detector.detect(photo, conf=0.2)
    assert len(one) > 2
    assert_same(one, other.detect(photo, conf=0.2), pixels=2e-2, score=1e-3, conf=0.2)


def test_the_network_that_was_given_stays_as_it_was(network, rng):
    network.train()
    before = arrays(network)
    made(network).run(feeds(rng))
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert all(isinstance(block.norm, torch.nn.BatchNorm2d) for block in network.modules() if isinstance(block, ConvNorm))
    assert all(np.array_equal(array, before[name]) for name, array in arrays(network).items())


def test_a_replaced_part_runs(network, engine, rng):
    network.neck = torch.nn.Identity()
    fed = feeds(rng, conf=0.0)
    changed = made(network).run(fed)
    assert not np.array_equal(changed["scores"], engine.run(fed)["scores"])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_near_and_gives_the_same_types(network, engine, rng, precision):
    fed = feeds(rng, conf=0.0)
    exact, near = engine.run(fed), made(network, precision=precision).run(fed)
    assert {name: value.dtype for name, value in near.items()} == {name: value.dtype for name, value in exact.items()}
    gap = np.abs(near["scores"] - exact["scores"]).max()
    assert 0 < gap < 0.05


def test_arrays_need_not_be_contiguous_nor_writable(engine, rng):
    fed = feeds(rng)
    expected = engine.run(fed)
    turned = np.asfortranarray(fed["images"])
    flipped = np.ascontiguousarray(fed["images"][..., ::-1])[..., ::-1]
    for array in (turned, flipped):
        array.setflags(write=False)
        found = engine.run(fed | {"images": array})
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_batches_of_any_length(engine, rng):
    whole = feeds(rng, 3)
    expected = engine.run(whole)
    for b in range(3):
        alone = engine.run(whole | {"images": whole["images"][b : b + 1]})
        assert np.allclose(alone["scores"][0], expected["scores"][b], atol=1e-4)
    none = engine.run(feeds(rng, 0))
    assert none["boxes"].shape[0] == none["count"].shape[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("images", np.zeros((1, 64, 64, 3), np.float32), "expected uint8"),
        ("images", np.zeros((1, 3, 64, 64), np.uint8), "expected uint8"),
        ("images", np.zeros((64, 64, 3), np.uint8), "expected uint8"),
        ("images", np.zeros((1, 48, 64, 3), np.uint8), "multiples of 32"),
        ("images", np.zeros((1, 0, 64, 3), np.uint8), "multiples of 32"),
        ("conf", np.array(0.5), "expected float32"),
        ("max_candidates", np.array(5), "expected int64"),
        ("unheard", np.zeros(1, np.float32), "expected one of images"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(engine, rng, name, value, told):
    with pytest.raises(EngineError, match=told) as caught:
        engine.run(feeds(rng) | {name: value})
    assert str(caught.value).startswith("tiny.pt: found ")
    assert f"{name} {value.dtype}{list(value.shape)}" in str(caught.value)
    assert "\n" not in str(caught.value)
    engine.run(feeds(rng))  # and the engine lives on


def test_fewer_than_no_candidates_are_refused_and_none_are_given(engine, rng):
    with pytest.raises(EngineError, match="max_candidates -1, expected a whole number from 0"):
        engine.run(feeds(rng, cap=-1))
    assert engine.run(feeds(rng, cap=0))["boxes"].shape == (2, 0, 4)


@pytest.mark.parametrize(("lists", "count", "masks"), [(1, 0, 0), (3, 4, 4), (2, 4, 5)])
def test_words_that_do_not_fit_are_refused(packaged, rng, lists, count, masks):
    network, _, manifest = packaged
    engine = made(network, {}, where="nano")
    fed = feeds(rng) | words(rng, lists, count, manifest.spec.embedding)
    with pytest.raises(EngineError, match="words"):
        engine.run(fed | {"words_mask": np.ones((lists, masks), np.bool_)})


def test_what_torch_refuses_is_translated(network, rng):
    network.neck.down[0] = torch.nn.Conv2d(5, 5, 1)  # of other channels than its input
    engine = made(network, {}, where="odd.pt")
    with pytest.raises(EngineError, match=r"^odd\.pt: PyTorch \S+ refuses images [^\n]+ on cpu: [^\n]+$"):
        engine.run(feeds(rng))


def test_threads_are_torchs_own(network):
    before = torch.get_num_threads()
    try:
        made(network, threads=3)
        assert torch.get_num_threads() == 3
        made(network, threads=None)
        assert torch.get_num_threads() == available_threads()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"device": "tpu"}, "'tpu'"), ({"device": "cpu:x"}, "'cpu:x'"), ({"precision": "int8"}, "'int8'"), ({"threads": 0}, "threads is 0")],
)
def test_settings_that_cannot_be_are_refused(network, settings, told):
    with pytest.raises(InputError, match=told):
        made(network, **settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_a_card_that_is_not_there_is_said(network):
    with pytest.raises(EngineError, match="no cuda device"):
        made(network, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
def test_a_card_answers_as_the_processor_does(network, engine, rng):
    fed = feeds(rng, conf=0.0)
    one, other = engine.run(fed), made(network, device="cuda").run(fed)
    assert np.abs(one["scores"] - other["scores"]).max() < 1e-3
