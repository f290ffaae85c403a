"""Words that YOLO-World's authors folded in come out as our baked form, with the same answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox.arrays import arrays
from wordbox.checkpoints import foreign
from wordbox.errors import WeightsError
from wordbox.specs import GATE_HEAD
from wordbox.variants import named, yolo_world

SMALL = replace(yolo_world("n"), widths=(8, 8, 64, 128, 64), embedding=24)
BEST = Path("runs/best.pth")


@pytest.fixture
def folded(yolos):
    return yolos.folded(SMALL, 5, np.random.default_rng(0))


def refusal(found):
    with pytest.raises(WeightsError, match=r"^runs/best\.pth: ") as caught:
        foreign.state_dict(found, BEST)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_network_has_its_words_inside(folded, caplog):
    found = foreign.state_dict(folded, BEST)
    spec = replace(SMALL, phrases=(1,) * 5)
    assert found.manifest.spec == spec
    assert {name: array.shape for name, array in found.arrays.items()} == {one.name: one.shape for one in arrays(spec)}
    assert (found.manifest.open, found.manifest.names, found.manifest.background) == (False, ("0", "1", "2", "3", "4"), None)
    assert "labels are numbers" in caplog.text
    assert found.called["neck.top_down.1.gate.words"] == "neck.top_down_layers.0.attn_block.guide_convs.0.weight"
    assert found.words is None


def test_gates_answer_as_theirs_do(folded):
    found = foreign.state_dict(folded, BEST).arrays
    rng = np.random.default_rng(1)
    for ours, theirs, width in (
        ("top_down.1", "top_down_layers.0", 64),
        ("top_down.0", "top_down_layers.1", 32),
        ("bottom_up.1", "bottom_up_layers.1", 32),
    ):
        x = rng.normal(size=width)
        words = found[f"neck.{ours}.gate.words"]  # (words, width)
        for head in range(width // GATE_HEAD):
            part = slice(head * GATE_HEAD, (head + 1) * GATE_HEAD)
            kernel = folded[f"neck.{theirs}.attn_block.guide_convs.{head}.weight"][:, :, 0, 0]
            assert np.array_equal(words[:, part] @ x[part], kernel @ x[part])


@pytest.mark.parametrize("level", [0, 1, 2])
def test_heads_answer_as_theirs_do(folded, level):
    found = foreign.state_dict(folded, BEST).arrays
    hidden = np.random.default_rng(2).normal(size=SMALL.head.label_width)
    lead = "bbox_head.head_module."
    last = {part: folded[f"{lead}cls_preds.{level}.2.{part}"].astype(np.float64) for part in ("weight", "bias")}
    norm = {
        part: folded[f"{lead}cls_contrasts.{level}.norm.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    }
    compare = {part: folded[f"{lead}cls_contrasts.{level}.conv.{part}"].astype(np.float64) for part in ("weight", "bias")}
    x = last["weight"][:, :, 0, 0] @ hidden + last["bias"]
    x = (x - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3) * norm["weight"] + norm["bias"]
    theirs = compare["weight"][:, :, 0, 0] @ x + compare["bias"]
    ours = found[f"head.label.{level}.predict.weight"][:, :, 0, 0] @ hidden + found[f"head.label.{level}.predict.bias"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


def test_names_come_from_the_meta(folded, monkeypatch):
    monkeypatch.setattr(
        foreign.torch_archive, "read", lambda path: {"meta": {"dataset_meta": {"classes": tuple("abcde")}}, "state_dict": folded}
    )
    assert foreign.read(BEST).manifest.names == tuple("abcde")
    folded["unknown"] = np.zeros(3, np.float32)
    assert foreign.read(BEST, strict=False).arrays.keys() == {one.name for one in arrays(replace(SMALL, phrases=(1,) * 5))}


GATE = "neck.bottom_up_layers.0.attn_block."
HEAD = "bbox_head.head_module.cls_contrasts.1."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a | {f"{GATE}guide_convs.1.weight": np.ones((4, 32, 1, 1), np.float32)}, "is [4, 32, 1, 1] of float32, expected [5,"),
        (lambda a: a | {f"{GATE}guide_convs.0.weight": np.full((5, 32, 1, 1), np.inf, np.float32)}, "not finite"),
        (lambda a: a | {f"{GATE}guide_fc.weight": np.ones((64, 24), np.float32)}, f"beside {GATE}guide_fc.weight"),
        (lambda a: {k: v for k, v in a.items() if "guide_convs" not in k}, "no gate that words open"),
        (lambda a: {k: v for k, v in a.items() if not k.startswith(f"{HEAD}conv")}, f"missing {HEAD}conv.weight [5, 24, 1, 1]"),
        (lambda a: a | {f"{HEAD}conv.bias": np.ones(5, np.int64)}, "of int64, expected [5]"),
        (lambda a: a | {f"{HEAD}norm.running_var": np.full(24, -1, np.float32)}, "numbers below 0"),
        (lambda a: {k: v[:0] if "contrasts.0.conv.weight" in k else v for k, v in a.items()}, "[5, 32, 1, 1] of float32, expected [0,"),
    ],
)
def test_what_does_not_fit_is_told(folded, change, said):
    assert said in refusal(change(folded))


def test_one_gate_too_many_and_what_remains_of_an_open_head_are_left_for_the_error(folded):
    more = {f"{GATE}guide_convs.7.weight": np.ones(1), f"{HEAD}logit_scale": np.ones(())}
    found = foreign.state_dict(folded | more, BEST).arrays
    assert f"{GATE}guide_convs.7.weight" in found
    assert f"{HEAD}logit_scale" in found


def test_version_1_has_no_folded_form(yolos):
    found = yolos.official(replace(SMALL, version="v1", pooled_width=32))
    more = {f"{GATE}guide_convs.0.weight": np.ones((5, 32, 1, 1), np.float32)}
    assert "expected them in v2 alone" in refusal(found | more)


def test_a_small_file_that_describes_a_huge_product_fills_no_memory(yolos):
    wide = replace(yolo_world("n"), widths=(8, 8, 64, 128, 64), embedding=1)
    found = yolos.folded(wide, 3, np.random.default_rng(0))
    lead = "bbox_head.head_module."
    for level in range(3):
        found[f"{lead}cls_preds.{level}.2.weight"] = np.ones((1, 60_000, 1, 1), np.float32)
        found[f"{lead}cls_preds.{level}.0.conv.weight"] = np.broadcast_to(np.float32(1), (60_000, 64, 3, 3))
        found[f"{lead}cls_contrasts.{level}.conv.weight"] = np.ones((60_000, 1, 1, 1), np.float32)
        found[f"{lead}cls_contrasts.{level}.conv.bias"] = np.ones(60_000, np.float32)
    for name in [name for name in found if "guide_convs" in name]:
        found[name] = np.broadcast_to(np.float32(1), (60_000, 32, 1, 1))
    assert "holds 60000 words for 60000 channels" in refusal(found)


def test_a_published_size_folds(yolos):
    spec = named("yolov8s-worldv2")
    found = foreign.state_dict(yolos.folded(spec, 2, np.random.default_rng(3)), BEST)
    assert found.manifest.spec == replace(spec, phrases=(1, 1))
    assert foreign.state_dict(yolos.folded(spec, 2, np.random.default_rng(3)), BEST, spec="yolov8s-worldv2").manifest == found.manifest
