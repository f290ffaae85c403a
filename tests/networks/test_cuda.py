"""An NVIDIA card answers as the processor does: PyTorch there, ONNX Runtime here. Skipped where there is no card."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import wordbox
from wordbox.arrays import arrays
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.exporting.difference import BOXES, SCORES, Found, difference
from wordbox.graphs import yolo
from wordbox.networks.build import build
from wordbox.networks.engine import TorchEngine
from wordbox.networks.weights import load_arrays
from wordbox.specs import is_open
from wordbox.variants import yolo_world

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA card")
LEAST = 0.3


@pytest.fixture(params=["v1", "v2", "baked v1", "baked v2"])
def both(request, golden):
    """A published size full of noise on the card, and as a graph on the processor."""
    version = request.param.split()[-1]
    spec = yolo_world("s", version=version)
    found = golden.filled(arrays(spec), version)
    for name in found:
        if name.startswith("head.box.") and name.endswith("predict.weight"):
            found[name] = found[name] / 4  # the noise was made to show mistakes, and shows rounding as well
    if "baked" in request.param:
        from wordbox.graphs.fold_words import fold_words

        spec, found = fold_words(spec, found, golden.words()[0], (1, 2, 1), 1)
    network = build(spec)
    load_arrays(network, found, "noise")
    here = OnnxRuntimeEngine(yolo.draw(spec, found, {}, "noise").SerializeToString(), where="noise")
    return spec, TorchEngine(network, {}, where="noise", device="cuda"), here


def feeds(spec, rng, batch, canvas=(224, 352)):
    found = {
        "images": rng.integers(0, 256, (batch, *canvas, 3), dtype=np.uint8),
        "conf": np.array(LEAST, np.float32),
        "max_candidates": np.array([10000]),
    }
    if is_open(spec):
        mask = np.arange(9) < rng.integers(1, 10, (batch, 1))  # a list of its own for each picture
        found |= {"words": rng.normal(size=(batch, 9, spec.embedding)).astype(np.float32), "words_mask": mask}
    return found


def row_of(answer, row):
    count = answer["count"][row]
    return Found(*(answer[name][row, :count] for name in ("boxes", "scores", "labels")))


def test_the_card_answers_as_the_processor_does(both, rng):
    spec, card, here = both
    fed = feeds(spec, rng, 4)
    one, other = card.run(fed), here.run(fed)
    for row in range(4):
        apart = difference(row_of(one, row), row_of(other, row), LEAST)
        assert apart.compared > 50
        assert (apart.boxes <= BOXES, apart.scores <= SCORES, apart.unmatched) == (True, True, 0), apart


def test_a_batch_of_sixteen_gives_what_single_runs_give(both, rng):
    spec, card, _ = both
    fed = feeds(spec, rng, 16)
    together = card.run(fed)
    for row in range(16):
        alone = {name: value if value.ndim < 2 else value[row : row + 1] for name, value in fed.items()}
        apart = difference(row_of(card.run(alone), 0), row_of(together, row), LEAST)
        assert (apart.boxes <= 1e-3, apart.scores <= 1e-4, apart.unmatched) == (True, True, 0), apart


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_gives_finite_boxes(both, rng, precision):
    spec, _, _ = both
    network = build(replace(spec))
    found = TorchEngine(network, {}, where="start", device="cuda", precision=precision).run(feeds(spec, rng, 2))
    assert np.isfinite(found["boxes"]).all()
    assert np.isfinite(found["scores"]).all()


def test_the_packaged_model_finds_the_same_things():
    words = ["cup", "spoon", "dining table"]
    here = wordbox.load().detect("docs/coffee.jpg", words=words)
    there = wordbox.load(engine="torch", device="cuda").detect("docs/coffee.jpg", words=words)
    assert len(here) == len(there) > 1
    assert np.abs(here.boxes - there.boxes).max() <= BOXES * 2  # in pixels of the picture, which is larger than its canvas
    assert np.abs(here.scores - there.scores).max() <= SCORES
