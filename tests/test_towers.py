"""Text towers from every file that may hold one, with their tokenizer, and as files of ours."""

import hashlib
import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from safetensors.numpy import save_file

from wordbox import towers
from wordbox.checkpoints import clip_names
from wordbox.engines.openvino import OpenVinoEngine
from wordbox.errors import InputError, WeightsError
from wordbox.graphs import clip_text
from wordbox.published.coco import NAMES
from wordbox.published.find import CACHE_VARIABLE
from wordbox.specs import ClipTextSpec
from wordbox.vocabulary.clip import ClipEncoder

HERE = Path(__file__).parent
MERGES = ("c a", "ca t</w>", "d o", "do g</w>")
SPEC = ClipTextSpec(width=64, layers=2, heads=1, projection=512, tokens=514 + len(MERGES), context=12)
WORDS = ["cat", "dog", "a photo of a cat", "cat", ""]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look for their module
    spec.loader.exec_module(module)
    return module


TWIN = load(HERE / "graphs" / "numpy_clip.py")
FORGE = load(HERE / "attacks" / "checkpoint_forge.py")
ARRAYS = TWIN.random_arrays(SPEC)
HF = clip_names.to_huggingface(ARRAYS)


def zipped(arrays, nested=None):
    """A state_dict as torch.save writes it."""
    tree, storages = {}, {}
    for i, (name, array) in enumerate(arrays.items()):
        step = [int(s) // array.itemsize for s in np.ascontiguousarray(array).strides]
        tree[name] = FORGE.tensor(str(i), "Float", array.size, 0, array.shape, tuple(step))
        storages[str(i)] = np.ascontiguousarray(array, "<f4").tobytes()
    return FORGE.zipped(FORGE.pickled({nested: tree} if nested else tree), storages)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def merges_in(folder):
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """A tower as Hugging Face keeps it."""
    save_file(HF, tmp_path / "model.safetensors")
    merges_in(tmp_path)
    return tmp_path


@pytest.fixture
def tower(folder):
    return towers.read(folder)


def inside(letters):
    """Ids of letters that go on, as bytes that print are numbered."""
    return [ord(letter) - ord("!") for letter in letters]


def last(letter):
    """The id of a letter that ends its word."""
    return ord(letter) - ord("!") + 256


def test_a_tower_of_hugging_face_encodes(tower):
    photo = [*inside("phot"), last("o")]
    ids = {"cat": [513], "dog": [515], "": [], "a photo of a cat": [last("a"), *photo, *inside("o"), last("f"), last("a"), 513]}
    expected = [TWIN.run(SPEC, ARRAYS, [SPEC.tokens - 2, *ids[word], SPEC.tokens - 1]) for word in WORDS]
    assert np.abs(tower.encoder(threads=1).encode(WORDS) - expected).max() < 1e-5


def test_its_identity_is_the_checksum_of_its_numbers(tower):
    expected = hashlib.sha256()
    for name in sorted(ARRAYS):
        expected.update(name.encode() + ARRAYS[name].astype("<f4").tobytes())
    assert (tower.identity.name, tower.identity.sha256) == ("clip-vit-base-patch32", expected.hexdigest())
    assert tower.encoder(threads=1).identity == tower.identity
    other = towers.from_arrays(ARRAYS | {"norm.bias": ARRAYS["norm.bias"] + 1}, Path("x"), Path("y"))
    assert not other.identity.same_as(tower.identity)


@pytest.mark.parametrize(("projection", "name"), [(512, "clip-vit-base-patch32"), (768, "clip-vit-large-patch14-336"), (7, "clip-text-7")])
def test_its_name_follows_from_its_width(projection, name):
    arrays = ARRAYS | {"project.weight": np.ones((projection, 64), np.float32)}
    assert towers.from_arrays(arrays, Path("some.pth"), Path()).identity.name == name


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("folder/pytorch_model.bin", lambda: zipped(HF)),
        ("yolo-world.pth", lambda: zipped({f"backbone.text_model.model.{name}": array for name, array in HF.items()}, "state_dict")),
        ("openai.pt", lambda: zipped(TWIN.as_openai(SPEC, ARRAYS))),
    ],
)
def test_every_file_gives_the_same_tower(tmp_path, tower, name, write):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(write())
    merges_in(path.parent)
    found = towers.read(path.parent if path.name == "pytorch_model.bin" else path)
    assert (found.path, found.spec, found.identity) == (path, SPEC, tower.identity)
    assert np.array_equal(found.encoder(threads=1).encode(WORDS), tower.encoder(threads=1).encode(WORDS))


def test_halves_are_the_same_tower_as_their_floats():
    halves = {name: array.astype(np.float16) for name, array in ARRAYS.items()}
    floats = {name: array.astype(np.float32) for name, array in halves.items()}
    one, other = (towers.from_arrays(arrays, Path("x"), Path("y")) for arrays in (halves, floats))
    assert one.identity == other.identity


def test_the_tokenizer_may_lie_in_the_cache(tower, folder, cache):
    (folder / "merges.txt").unlink()
    with pytest.raises(WeightsError, match="tokenizer was found in none of") as caught:
        towers.read(folder).encoder()
    for part in (str(folder), str(cache), "bpe_simple_vocab_16e6.txt.gz", "merges.txt", "tokenizer.json"):
        assert part in str(caught.value)
    merges_in(cache)
    assert towers.read(folder).encoder(threads=1).encode(["cat"]).shape == (1, 512)


def test_another_towers_tokenizer_is_refused(folder):
    (folder / "merges.txt").write_text("c a\n", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"merges\.txt: a tokenizer of 515 tokens, but the tower .* has 518"):
        towers.read(folder).encoder()


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"text_config": {"hidden_act": "gelu"}}, "hidden_act 'gelu' instead of 'quick_gelu'"),
        ({"hidden_act": "quick_gelu", "num_attention_heads": 8}, "num_attention_heads 8 instead of 1"),
        ({"text_config": 3}, "cannot be read as JSON with a text tower's facts"),
        ([], "cannot be read as JSON with a text tower's facts"),
    ],
)
def test_a_folder_that_describes_another_network_is_refused(folder, config, fault):
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=fault):
        towers.read(folder)


def test_a_folder_that_describes_this_network_is_read(folder, tower):
    said = {"text_config": {"hidden_act": "quick_gelu", "num_attention_heads": 1, "layer_norm_eps": 1e-5, "eos_token_id": 2}}
    (folder / "config.json").write_text(json.dumps(said))
    assert towers.read(folder).identity == tower.identity


@pytest.mark.parametrize("precision", towers.PRECISIONS)
def test_an_exported_tower_is_complete_in_itself(tower, tmp_path, precision):
    out = tmp_path / "made" / "alone.onnx"
    least = towers.export(tower, out, precision)
    assert least == 1 if precision == "float32" else {"float16": 0.9999, "int8": 0.99}[precision] < least < 1.0000001
    assert [path.name for path in out.parent.iterdir()] == ["alone.onnx"]
    found = towers.read(out)
    assert (found.spec, found.identity, found.merges) == (SPEC, tower.identity, MERGES)
    one, other = (each.encoder(threads=1).encode(NAMES) for each in (found, tower))
    assert min((one * other).sum(1)) == pytest.approx(least, abs=1e-6)
    model = onnx.load(out)
    assert getattr(onnx.TensorProto, {"float32": "FLOAT"}.get(precision, precision.upper())) in {
        one.data_type for one in model.graph.initializer
    }
    assert out.stat().st_size < {"float32": 4, "float16": 2, "int8": 1}[precision] * 1.2 * sum(array.size for array in ARRAYS.values())
    facts = json.loads({entry.key: entry.value for entry in model.metadata_props}[clip_text.KEY])
    assert facts["least_cosine"] == least <= facts["mean_cosine"]
    assert (facts["precision"], facts["spec"]) == (precision, asdict(SPEC))


def test_an_exported_tower_runs_in_openvino(tower, tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    towers.export(tower, tmp_path / "int8.onnx", "int8")
    found = towers.read(tmp_path / "int8.onnx")
    engine = OpenVinoEngine(found.graph().SerializeToString(), where="int8.onnx", threads=1)
    one, other = ClipEncoder(engine, found.tokenizer(), found.identity), found.encoder(threads=1)
    assert np.abs(one.encode(WORDS) - other.encode(WORDS)).max() < 1e-5
    assert (found.precision, other.precision, tower.precision) == ("int8", "int8", "float32")


def test_exports_that_cannot_be_are_refused(tower, tmp_path):
    with pytest.raises(InputError, match="found precision 'int4'"):
        towers.export(tower, tmp_path / "a.onnx", "int4")
    with pytest.raises(InputError, match=r"expected \.onnx"):
        towers.export(tower, tmp_path / "a.xml", "float16")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        towers.export(tower, tmp_path / "file" / "a.onnx", "float16")
    towers.export(tower, tmp_path / "a.onnx", "float16")
    with pytest.raises(WeightsError, match="it is exported already"):
        towers.export(towers.read(tmp_path / "a.onnx"), tmp_path / "b.onnx", "float16")
    assert not list(tmp_path.glob("b*"))


def changed(model, **facts):
    """An exported tower that says something else of itself; a fact of None is left out."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    said = json.loads(metadata[clip_text.KEY]) | facts
    metadata[clip_text.KEY] = json.dumps({key: value for key, value in said.items() if value is not None})
    helper.set_model_props(model, metadata)
    return model


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"version": 2}, "version 2, expected 1"),
        ({"version": None}, "cannot be read"),
        ({"sha256": 5}, "of another type"),
        ({"spec": []}, "of another type"),
        ({"spec": {"width": -1}}, "its spec of a text tower cannot be read"),
        ({"spec": {"depth": 1}}, "its spec of a text tower cannot be read"),
    ],
)
def test_exported_towers_that_contradict_themselves_are_refused(tower, tmp_path, facts, fault):
    towers.export(tower, tmp_path / "a.onnx", "float32")
    onnx.save(changed(onnx.load(tmp_path / "a.onnx"), **facts), tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=fault) as caught:
        towers.read(tmp_path / "a.onnx")
    assert "a.onnx" in str(caught.value)


def test_an_exported_tower_of_another_width_than_it_says_is_refused(tower, tmp_path):
    towers.export(tower, tmp_path / "a.onnx", "float32")
    onnx.save(changed(onnx.load(tmp_path / "a.onnx"), spec=asdict(SPEC) | {"projection": 768}), tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=r"a\.onnx: its vectors have 512 numbers, but its spec says 768"):
        towers.read(tmp_path / "a.onnx").encoder(threads=1)


def test_exported_towers_without_their_parts_are_refused(tower, tmp_path):
    path = tmp_path / "a.onnx"
    towers.export(tower, path, "float32")
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, {clip_text.KEY: kept[clip_text.KEY]})
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=r"lacks 'wordbox\.merges'"):
        towers.read(path).encoder()
    helper.set_model_props(model, {towers.MERGES_KEY: kept[towers.MERGES_KEY]})
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=r"no text tower of Wordbox's \(it takes \['tokens'\]\)"):
        towers.read(path)
    helper.set_model_props(model, kept)
    model.graph.output[0].name = "boxes"
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=r"gives \['boxes'\], expected tokens and vectors"):
        towers.read(path)


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("a.txt", b"", "no text tower of that kind is known"),
        ("a.onnx", b"no graph", "cannot be read as ONNX"),
        ("a.safetensors", b"none", "cannot be read as safetensors"),
        ("a.bin", b"none", "expected a PyTorch checkpoint"),
        ("a.pth", zipped({"backbone.stem.weight": np.zeros((2, 2), np.float32)}), "found no text tower in it"),
    ],
)
def test_files_without_a_tower_are_refused(tmp_path, name, data, fault):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=fault) as caught:
        towers.read(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["a.onnx", "a.safetensors", "a.pth", "a.bin", "a"])
def test_files_that_are_not_there_are_refused(tmp_path, name):
    with pytest.raises(WeightsError, match=name):
        towers.read(tmp_path / name)


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    merges_in(tmp_path)
    with pytest.raises(WeightsError, match=r"a folder without model\.safetensors or pytorch_model\.bin \(it holds merges\.txt"):
        towers.read(tmp_path)


def test_arrays_that_do_not_fit_are_all_named(tmp_path):
    merges_in(tmp_path)
    arrays = ARRAYS | {"layers.0.expand.weight": np.zeros((3, 64), np.float32), "more": np.zeros(2, np.float32)}
    with pytest.raises(WeightsError, match=r"2 arrays do not fit .*layers\.0\.expand\.weight is \[3, 64\].*unexpected more"):
        towers.from_arrays(arrays, Path("some.pth"), tmp_path).encoder()
