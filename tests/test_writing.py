"""Arrays under everybody's names: every value comes back bit by bit, and what a layout cannot hold is said or refused."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from wordbox import baking, opening, writing
from wordbox.arrays import arrays as every_array
from wordbox.checkpoints import native
from wordbox.errors import InputError, WeightsError

VERSIONS = ["v1", "v2"]
ENDING = {"official": ".pth", "ultralytics": ".pt"}


@pytest.fixture(params=VERSIONS)
def model(request, worlds, tmp_path):
    """A narrow network on file."""
    return opening.read(worlds.native_file(tmp_path / "narrow.safetensors", request.param))


def halved(arrays):
    return {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in arrays.items()}


def same_bits(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (other[name].dtype, other[name].shape, other[name].tobytes()) == (array.dtype, array.shape, array.tobytes()), name


@pytest.mark.parametrize("layout", ["official", "ultralytics"])
@pytest.mark.parametrize("bare", [False, True], ids=["pickle", "safetensors"])
def test_every_layout_brings_every_bit_back(model, tmp_path, layout, bare):
    mixed = replace(model, arrays=halved(model.arrays))
    out = tmp_path / "new" / f"other{'.safetensors' if bare else ENDING[layout]}"
    writing.write(mixed, out, layout)
    back = opening.read(out)
    assert back.manifest.spec == model.manifest.spec
    expected = dict(mixed.arrays)
    if layout == "official":
        expected["head.bins"] = expected["head.bins"].astype(np.float32)  # which that layout leaves out
    same_bits(expected, {name: back.arrays[name] for name in expected})
    counters = back.arrays.keys() - expected.keys()
    assert not counters


def test_the_names_are_those_of_the_authors(model, worlds, tmp_path):
    writing.write(model, tmp_path / "a.safetensors", "official")
    found = load_file(tmp_path / "a.safetensors")
    counted = {name for name in found if name.endswith(".num_batches_tracked")}
    assert found.keys() - counted == {worlds.golden.official(name) for name in model.arrays if name != "head.bins"}
    assert {name.replace("num_batches_tracked", "running_var") for name in counted} == {n for n in found if n.endswith("running_var")}
    writing.write(model, tmp_path / "b.safetensors", "ultralytics")
    published = {one.published for one in every_array(model.manifest.spec)}
    assert {name for name in load_file(tmp_path / "b.safetensors") if not name.endswith(".num_batches_tracked")} == published


def test_pytorch_reads_what_is_written(model, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for layout, ending in ENDING.items():
        writing.write(model, tmp_path / f"a{ending}", layout)
        found = torch.load(tmp_path / f"a{ending}", weights_only=True)
        writing.write(model, tmp_path / "b.safetensors", layout)
        same_bits(load_file(tmp_path / "b.safetensors"), {name: tensor.numpy() for name, tensor in found.items()})


def test_all_round_through_three_layouts(model, worlds, tmp_path):
    path = model.path
    for name, layout in (("a.pth", "official"), ("b.pt", "ultralytics"), ("c.safetensors", "native"), ("d.safetensors", "official")):
        writing.write(opening.read(path), tmp_path / name, layout)
        path = tmp_path / name
    same_bits(model.arrays, opening.read(path).arrays)


def test_a_text_tower_goes_along_where_there_is_a_place_for_it(worlds, tmp_path, caplog):
    tower = {name: array.astype(np.float16) for name, array in worlds.tower().items()}
    source = opening.read(worlds.native_file(tmp_path / "a.safetensors", text=tower))
    same_bits(tower, source.text)
    writing.write(source, tmp_path / "b.pth", "official")
    there = opening.read(tmp_path / "b.pth")
    same_bits(tower, there.text)
    writing.write(there, tmp_path / "c.safetensors", "native")
    same_bits(tower, opening.read(tmp_path / "c.safetensors").text)
    same_bits(source.arrays, opening.read(tmp_path / "c.safetensors").arrays)
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        writing.write(source, tmp_path / "d.pt", "ultralytics")
    assert (
        "a.safetensors: the layout ultralytics has no place for its manifest with names, thresholds and origin and its text tower"
        in caplog.text
    )
    assert opening.read(tmp_path / "d.pt").text == {}


def test_learned_prompts_come_back(worlds, tmp_path):
    prompts = 3 * worlds.vectors(4)
    source = opening.read(worlds.official_file(tmp_path / "a.safetensors", prompts=prompts))
    assert source.manifest.background is None
    writing.write(source, tmp_path / "b.safetensors", "native")
    there = opening.read(tmp_path / "b.safetensors")
    writing.write(there, tmp_path / "c.pth", "official")
    back = opening.read(tmp_path / "c.pth")
    for model in (source, there, back):
        assert model.manifest.names == ("0", "1", "2", "3")
        assert model.words.vectors.tobytes() == prompts.tobytes()
    with pytest.raises(WeightsError, match="learned prompts beside a text tower"):
        writing.write(replace(source, text=worlds.tower()), tmp_path / "d.pth", "official")


def test_vectors_of_names_stay_with_wordboxs_own_file_and_their_loss_is_said(worlds, tmp_path, caplog):
    source = opening.read(worlds.native_file(tmp_path / "a.safetensors", known=worlds.vectors(3)))
    writing.write(source, tmp_path / "b.safetensors", "native")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert caplog.text == ""
    for layout, ending in ENDING.items():
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="wordbox"):
            writing.write(source, tmp_path / f"c{ending}", layout)
        assert f"the layout {layout} has no place for its manifest with names" in caplog.text
        assert "the vectors of its words" in caplog.text
        assert opening.read(tmp_path / f"c{ending}").words is None


def test_the_vector_of_the_background_stays_with_wordboxs_own_file(worlds, tmp_path):
    for known in (worlds.vectors(4), worlds.vectors(3)):
        source = opening.read(worlds.native_file(tmp_path / "a.safetensors", known=known))
        writing.write(source, tmp_path / "b.safetensors", "native")
        assert native.read(tmp_path / "b.safetensors")[0]["vocabulary"].tobytes() == known.tobytes()
        assert opening.read(tmp_path / "b.safetensors").words.background == (" " if len(known) == 4 else None)


def test_vectors_of_words_without_a_background_are_not_taken_for_prompts(worlds, tmp_path):
    source = opening.read(worlds.native_file(tmp_path / "a.safetensors", known=worlds.vectors(3), background=None))
    assert not source.words.identity.learned
    writing.write(source, tmp_path / "b.pth", "official")
    assert opening.read(tmp_path / "b.pth").words is None
    prompted = opening.read(worlds.official_file(tmp_path / "c.safetensors", prompts=worlds.vectors(3)))
    writing.write(replace(prompted, manifest=replace(prompted.manifest, background=" ")), tmp_path / "d.pth", "official")
    assert opening.read(tmp_path / "d.pth").words.identity.learned


def test_names_that_stand_twice_keep_a_vector_each(worlds, tmp_path):
    known = worlds.vectors(3)
    known[1] = known[0]
    source = opening.read(worlds.native_file(tmp_path / "a.safetensors", known=known, names=("fish", "Fish", "dog")))
    assert source.words.labels == ("fish", "dog")
    writing.write(source, tmp_path / "b.safetensors", "native")
    assert native.read(tmp_path / "b.safetensors")[0]["vocabulary"].tobytes() == known.tobytes()
    assert opening.read(tmp_path / "b.safetensors").words.labels == ("fish", "dog")


def test_a_baked_network_stays_with_wordboxs_own_file(model, worlds, tmp_path):
    baked = baking.bake(model, worlds.vocabulary("cat", "dog"))
    writing.write(baked, tmp_path / "a.safetensors", "native")
    back = opening.read(tmp_path / "a.safetensors")
    assert back.manifest == baked.manifest
    same_bits(baked.arrays, back.arrays)
    for layout, ending in ENDING.items():
        with pytest.raises(WeightsError, match=r"narrow\.safetensors: 2 words are folded into its weights.*convert the open model"):
            writing.write(baked, tmp_path / f"b{ending}", layout)
    assert not list(tmp_path.glob("b*"))


def test_networks_without_that_layout_are_refused(model, tmp_path, detector):
    nano = detector.origin.read()
    for layout, ending in ENDING.items():
        with pytest.raises(WeightsError, match="found a network of the family nano, expected a YOLO"):
            writing.write(nano, tmp_path / f"a{ending}", layout)
    with pytest.raises(WeightsError, match="names no network, so its arrays have no other names; leave the layout out"):
        writing.write(replace(model, manifest=replace(model.manifest, spec=None)), tmp_path / "a.pth", "official")
    with pytest.raises(WeightsError, match="holds a graph and no named arrays"):
        writing.write(replace(model, arrays=None), tmp_path / "a.safetensors", "native")
    with pytest.raises(WeightsError, match=r"missing backbone\.stem\.conv\.weight"):
        writing.write(
            replace(model, arrays={k: v for k, v in model.arrays.items() if "stem.conv" not in k}), tmp_path / "a.pt", "ultralytics"
        )


@pytest.mark.parametrize(
    ("out", "layout", "said"),
    [
        ("a.pth", "native", r"found the ending '\.pth', expected \.safetensors"),
        ("a.pt", "official", r"found the ending '\.pt', expected \.pth or \.safetensors"),
        ("a.onnx", "ultralytics", r"expected \.pt or \.safetensors; wordbox export writes other forms"),
        ("a.safetensors", "darknet", "found the layout 'darknet', expected one of native, official, ultralytics"),
        ("m.safetensors", "official", r"m\.safetensors is the checkpoint itself"),
    ],
)
def test_places_and_layouts_that_do_not_fit_are_refused(out, layout, said):
    with pytest.raises(InputError, match=said):
        writing.check(Path(out), layout, Path("m.safetensors"))


def test_what_cannot_be_written_is_one_line(model, tmp_path):
    (tmp_path / "file").write_text("")
    for layout, name in (("native", "a.safetensors"), ("official", "a.pth"), ("ultralytics", "a.pt")):
        with pytest.raises(InputError, match=r"cannot be written \(.*choose another place") as caught:
            writing.write(model, tmp_path / "file" / name, layout)
        assert "\n" not in str(caught.value)
