"""`wordbox bake`: words into the weights, in every form a model has, and how it is said."""

import pytest
from typer.testing import CliRunner

import wordbox
from wordbox.cli.main import app
from wordbox.errors import InputError, VocabularyError, WeightsError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


def bake(*arguments):
    return CliRunner().invoke(app, ["bake", *map(str, arguments)])


def test_the_packaged_model_is_baked_into_every_form(photo, tmp_path):
    for name in ("a.safetensors", "a.onnx"):
        done = bake("wordbox-nano", tmp_path / name, "--words", "cup, table")
        assert done.exit_code == 0, done.exception
        assert done.stdout.startswith(f"written: {tmp_path / name} (")
        assert done.stdout.endswith(" MB), 2 classes\n")
        assert "the words are in the weights: convolutions of fixed classes" in done.stderr
        loaded = wordbox.load(tmp_path / name)
        assert loaded.words == ("cup", "table")
        assert "cup" in {one.label for one in loaded.detect(photo)}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_yolo_world_is_baked_with_the_encoder_that_is_named(worlds, tmp_path, version):
    source = worlds.native_file(tmp_path / "narrow.safetensors", version)
    tower = worlds.tower_folder(tmp_path / "tower")
    done = bake(source, tmp_path / "baked.onnx", "--words", "cat, red bus", "--text-encoder", tower)
    assert done.exit_code == 0, done.exception
    assert ("version 1: the words are constants, and still look at each picture" in done.stderr) == (version == "v1")
    baked = wordbox.load(tmp_path / "baked.onnx").manifest
    assert (baked.names, baked.spec.background) == (("cat", "red bus"), 1)
    worlds.vocabulary("gnome", "fairy").save(tmp_path / "kept.vocab.safetensors")
    kept = ("--words", tmp_path / "kept.vocab.safetensors", "--no-background")
    assert bake(source, tmp_path / "kept.safetensors", *kept).exit_code == 0
    facts = wordbox.load(tmp_path / "kept.safetensors").manifest
    assert (facts.names, facts.spec.background) == (("gnome", "fairy"), 0)


def test_what_cannot_be_done_says_why_and_leaves_nothing(worlds, tmp_path):
    source = worlds.native_file(tmp_path / "narrow.safetensors")
    assert bake("wordbox-nano", tmp_path / "fixed.safetensors", "--words", "cup").exit_code == 0
    cases = [
        (("wordbox-nano", "x.onnx", "--words", ""), VocabularyError, "found no words"),
        (("wordbox-nano", "x.engine", "--words", "cup"), InputError, "expected .safetensors, .onnx or .xml"),
        (("wordbox-nano", "x.onnx", "--words", "자동차"), VocabularyError, "cannot be baked"),
        (("wordbox-nano", "x.onnx", "--words", "cup", "--text-encoder", "x"), InputError, "takes no other text encoder"),
        ((source, "x.onnx", "--words", "cat"), VocabularyError, "no vectors for 'cat'"),
        ((tmp_path / "fixed.safetensors", "x.onnx", "--words", "cat"), WeightsError, "fixed already (cup)"),
        ((tmp_path / "fixed.safetensors", "fixed.safetensors", "--words", "cat"), WeightsError, "fixed already (cup)"),
        (("away.pt", "x.onnx", "--words", "cat"), WeightsError, "away.pt"),
    ]
    for (weights, out, *options), error, said in cases:
        done = bake(weights, tmp_path / out, *options)
        assert isinstance(done.exception, error), (weights, out, options)
        assert said in str(done.exception)
        assert "\n" not in str(done.exception)
    assert bake("wordbox-nano", tmp_path / "x.onnx").exit_code == 2  # words are asked for
    assert not list(tmp_path.glob("x.*"))
