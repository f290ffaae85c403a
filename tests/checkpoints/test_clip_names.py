"""The arrays of CLIP's text tower under three tongues."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from wordbox.checkpoints import clip_names
from wordbox.errors import WeightsError
from wordbox.specs import ClipTextSpec

SPEC = ClipTextSpec(width=64, layers=2, heads=1, projection=5, tokens=40, context=9)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TWIN = load(Path(__file__).parents[1] / "graphs" / "numpy_clip.py")
ARRAYS = TWIN.random_arrays(SPEC)


HF = clip_names.to_huggingface(ARRAYS)
OPENAI = TWIN.as_openai(SPEC, ARRAYS)
BESIDE = {
    "vision_model.embeddings.class_embedding": np.zeros(3),
    "visual.transformer.resblocks.0.ln_1.weight": np.zeros(3),
    "visual_projection.weight": np.zeros((3, 3)),
    "logit_scale": np.zeros(()),
    "bbox_head.head_module.cls_contrasts.0.bias": np.zeros(()),
    "backbone.image_model.stem.conv.weight": np.zeros((3, 3)),
}
FORMS = {
    "huggingface": HF,
    "tower alone": {name.removeprefix("text_model."): array for name, array in HF.items()},
    "official yolo-world": {f"backbone.text_model.model.{name}": array for name, array in HF.items()},
    "whole clip": BESIDE | HF,
    "older": HF | {"text_model.embeddings.position_ids": np.arange(9)[None]},
    "whole yolo-world": BESIDE | {f"backbone.text_model.model.{name}": array for name, array in HF.items()},
    "openai": OPENAI,
    "whole openai": BESIDE | OPENAI,
    "ours": ARRAYS,
    "ours in a detector": BESIDE | {f"text.{name}": array for name, array in ARRAYS.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_our_arrays(form):
    found = clip_names.from_any(FORMS[form], "a file")
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert clip_names.spec_of(found, "a file") == SPEC


def test_names_and_halves_are_those_of_the_key_map(shared):
    pairs = json.loads((shared / "spec" / "yoloworld_keymap.json").read_text())["clip_text_rules"]["pairs"]
    theirs, others = set(), set()
    for hf, other, _ in pairs:
        other = other.rpartition(" of ")[2].removesuffix(" TRANSPOSED")
        for kind in ("weight", "bias") if "*" in hf else ("",):
            for i in range(SPEC.layers):
                for part in "qkv" if "{q,k,v}" in hf else ("",):
                    theirs.add(hf.replace("*", kind).replace("{i}", str(i)).replace("{q,k,v}", part))
                    others.add(other.replace("*", kind).replace("{i}", str(i)))
    assert HF.keys() == theirs
    assert OPENAI.keys() == others


def test_what_is_unknown_inside_a_tower_is_kept_for_the_drawing_to_name():
    extra = {"text_model.encoder.layers.0.adapter.weight": np.zeros(3), "transformer.resblocks.0.adapter": np.zeros(3)}
    assert set(clip_names.from_huggingface(HF | extra)) - ARRAYS.keys() == {"text_model.encoder.layers.0.adapter.weight"}
    assert set(clip_names.from_openai(OPENAI | extra)) - ARRAYS.keys() == {"transformer.resblocks.0.adapter"}


def test_a_file_without_a_tower_says_what_it_holds():
    with pytest.raises(WeightsError, match=r"some\.pt: found no text tower in it \(it holds vision_model.*expected one of the arrays"):
        clip_names.from_any(BESIDE, "some.pt")
    with pytest.raises(WeightsError, match="it holds nothing"):
        clip_names.from_any({}, "some.pt")


@pytest.mark.parametrize("lost", ["tokens.weight", "layers.1.value.bias", "project.weight"])
def test_what_is_missing_is_named(lost):
    with pytest.raises(WeightsError, match=f"some.pt: its text tower lacks {lost}"):
        clip_names.spec_of({name: array for name, array in ARRAYS.items() if name != lost}, "some.pt")


def test_much_that_is_missing_is_counted():
    with pytest.raises(WeightsError, match=r"first_norm\.weight.* and \d+ more"):
        clip_names.spec_of({name: array for name, array in ARRAYS.items() if ".1." not in name and ".0." not in name}, "some.pt")


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"tokens.weight": np.zeros((40, 63))}, "63 channels wide"),
        ({"tokens.weight": np.zeros(40)}, "no text tower's shapes"),
        ({"norm.weight": np.zeros(())}, "no text tower's shapes"),
        ({"positions.weight": np.zeros((0, 64))}, "its arrays give no text tower"),
        ({"tokens.weight": np.zeros((40, 0))}, "its arrays give no text tower"),
    ],
)
def test_shapes_of_no_tower_are_refused(changed, fault):
    with pytest.raises(WeightsError, match=fault):
        clip_names.spec_of(ARRAYS | changed, "some.pt")


@pytest.mark.parametrize("shape", [(), (0,), (7, 64), (191, 64), (195, 64)])
def test_a_fused_matrix_of_another_shape_gives_parts_of_other_shapes(shape):
    found = clip_names.from_openai(OPENAI | {"transformer.resblocks.0.attn.in_proj_weight": np.zeros(shape)})
    assert any(found[f"layers.0.{part}.weight"].shape != (64, 64) for part in ("query", "key", "value"))
