"""What goes beside an exported YOLO-World: its tower or its vectors, whole or not at all, and never in the place of another file."""

import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest

from wordbox import opening, towers
from wordbox.errors import InputError, WeightsError
from wordbox.exporting.partner import drafted
from wordbox.manifest import Partner
from wordbox.vocabulary import files


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "best.v2.onnx"


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def opened(path):
    return opening.read(path)


def test_a_tower_inside_is_written_with_its_tokenizer(worlds, tmp_path, out):
    worlds.merges_in(tmp_path)
    model = opened(worlds.native_file(tmp_path / "m.safetensors", text=worlds.tower()))
    with drafted(model, out) as (said, words):
        assert words.parent.parent == out.parent
        assert names(words.parent) == ["best.v2.text.onnx"]
        facts = said.manifest
    written = out.with_name("best.v2.text.onnx")
    assert names(out.parent) == [written.name]
    assert facts.encoder == Partner(name=written.name, sha256=sha256(written))
    tower = towers.read(written)
    assert facts.words_from == tower.identity == towers.read(model.path).identity
    assert replace(facts, encoder=None, words_from=None) == model.manifest
    one, other = (towers.read(path).encoder(threads=1).encode(["cat"]) for path in (written, model.path))
    assert np.array_equal(one, other)


def test_without_a_tower_the_vectors_of_its_own_names_are(worlds, tmp_path, out):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    with drafted(model, out) as (said, words):
        assert words.name == "best.v2.vocab.safetensors"
    written = out.with_name(words.name)
    assert names(out.parent) == [written.name]
    assert said.manifest.encoder == Partner(name=written.name, sha256=sha256(written))
    kept = files.load(written)
    assert (kept.labels, kept.identity) == (worlds.NAMES, worlds.IDENTITY)
    assert np.array_equal(kept.vectors, worlds.vectors(3))


def test_what_has_nothing_to_give_and_what_needs_nothing_stay_as_they_are(worlds, tmp_path, out, detector):
    bare = opened(worlds.ultralytics_file(tmp_path / "m.safetensors"))
    fixed = replace(bare, manifest=replace(bare.manifest, open=False), words=worlds.vocabulary("cat"))
    for model in (bare, fixed, detector.origin.read()):
        with drafted(model, out) as (said, words):
            assert said is model
            assert words == model.path
        assert names(out.parent) == []


def test_where_something_fails_nothing_is_left_and_what_was_there_stays(worlds, tmp_path, out):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    out.parent.mkdir()
    precious = out.with_name("best.v2.vocab.safetensors")
    precious.write_text("precious")
    with pytest.raises(KeyError, match="mine"), drafted(model, out):
        raise KeyError("mine")
    assert names(out.parent) == [precious.name]
    assert precious.read_text() == "precious"
    with drafted(model, out):
        pass
    assert files.load(precious).labels == worlds.NAMES


def test_a_tower_without_its_tokenizer_is_an_error_that_says_where_to_put_it(worlds, tmp_path, out):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", text=worlds.tower()))
    with pytest.raises(WeightsError, match="tokenizer was found in none of"), drafted(model, out):
        raise AssertionError("the block must not run")
    assert names(out.parent) == []


@pytest.fixture
def exported(worlds, tmp_path):
    """A graph whose manifest names a vocabulary beside it."""
    path = tmp_path / "first" / "m.vocab.safetensors"
    worlds.vocabulary(*worlds.NAMES).save(path)
    facts = worlds.manifest(worlds.narrow(), encoder=Partner(name=path.name, sha256=sha256(path)), words_from=worlds.IDENTITY)
    return opening.Model(path.with_name("m.onnx"), facts, None, {}, None), path


def test_an_export_of_an_export_takes_the_partner_along(exported, out):
    model, path = exported
    with drafted(model, out) as (said, words):
        assert (said.manifest, words.name) == (model.manifest, path.name)
    assert out.with_name(path.name).read_bytes() == path.read_bytes()
    for again in (out, path.with_name("other.onnx")):  # where the partner is already
        with drafted(model, again) as (said, words):
            assert (said.manifest, words) == (model.manifest, again.with_name(path.name))
        assert names(again.parent) == [path.name]


def test_a_partner_that_is_missing_or_another_file_is_refused(exported, out):
    model, path = exported
    path.write_bytes(path.read_bytes() + b" ")
    for change in (lambda: None, path.unlink):
        change()
        with (
            pytest.raises(WeightsError, match=r"m\.onnx: its text encoder m\.vocab\.safetensors .*put that file beside") as caught,
            drafted(model, out),
        ):
            raise AssertionError("the block must not run")
        assert "\n" not in str(caught.value)
    assert names(out.parent) == []


@pytest.mark.parametrize("make", [lambda path: path.write_text("another"), lambda path: path.mkdir()], ids=["file", "folder"])
def test_another_file_of_its_name_is_never_overwritten(exported, out, make):
    model, path = exported
    out.parent.mkdir()
    make(out.with_name(path.name))
    with pytest.raises(InputError, match=r"m\.vocab\.safetensors is another file.*export to another folder"), drafted(model, out):
        raise AssertionError("the block must not run")
    assert names(out.parent) == [path.name]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the permission does not hold")
def test_a_folder_that_may_not_be_written_is_told(worlds, tmp_path, out):
    out.parent.mkdir(mode=0o500)
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    with pytest.raises(InputError, match="cannot get its words beside it"), drafted(model, out):
        raise AssertionError("the block must not run")


def test_a_place_below_a_file_is_told(worlds, tmp_path):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"best\.onnx cannot get its words beside it \(.*choose another place"),
        drafted(model, tmp_path / "file" / "best.onnx"),
    ):
        raise AssertionError("the block must not run")
