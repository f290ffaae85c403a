"""The word table: how phrases are read, and what any text may do to it."""

import functools
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

import wordbox
from wordbox.errors import WeightsError
from wordbox.vocabulary import table
from wordbox.vocabulary.encoders import EncoderIdentity, TextEncoder
from wordbox.vocabulary.table import Reading, TableEncoder, split_words

MODELS = Path(wordbox.__file__).parent / "models"
PACKAGED = MODELS / "wordbox-nano.words.safetensors"
# other words for thirty of the names, in no list: what the model makes of them can be measured
UNLISTED = [
    "human",
    "bike",
    "automobile",
    "motorbike",
    "plane",
    "coach",
    "locomotive",
    "lorry",
    "ship",
    "puppy",
    "kitten",
    "sofa",
    "television",
    "mobile phone",
    "table",
    "ball",
    "mug",
    "notebook computer",
    "fridge",
    "lamb",
    "cattle",
    "purse",
    "doughnut",
    "goblet",
    "houseplant",
    "lavatory",
    "pony",
    "parasol",
    "park bench",
    "rucksack",
]

READING = Reading(
    stop_words=("a", "the", "of"),
    prepositions=("with", "on"),
    synonyms={"car": "car", "taxi": "car", "hot dog": "hot dog", "hound": "dog"},
)


def small_table(reading=READING) -> TableEncoder:
    """A table in which every token has a direction of its own."""
    tokens = ("car", "taxi", "red", "old", "dog", "hot", "hound", "street", "a", "the", "s", "##s", "##a", "x", "knife")
    return TableEncoder(tokens, (127 * np.eye(len(tokens))).astype(np.int8), np.full(len(tokens), 1 / 127, np.float32), reading)


@pytest.fixture(scope="module")
def packaged() -> TableEncoder:
    """The table in the package."""
    return TableEncoder.load(PACKAGED)


@pytest.fixture(scope="module")
def listless() -> TableEncoder:
    """The same without its synonyms."""
    return TableEncoder.load(PACKAGED, synonyms=False)


def one(encoder: TextEncoder, phrase: str) -> np.ndarray:
    """The vector of one phrase."""
    return encoder.encode([phrase])[0]


def mixture(table: TableEncoder, **parts: float) -> np.ndarray:
    """The vector that the weights of single tokens should give."""
    vector = np.zeros(table.width)
    for token, weight in parts.items():
        vector[table.tokens.index(token)] = weight
    c = table.reading.constant
    return vector / np.linalg.norm(vector) * np.sqrt(1 - c * c) + c * np.eye(table.width)[-1]


def test_a_head_word_outweighs_the_others_together():
    table = small_table()
    np.testing.assert_allclose(one(table, "red car"), mixture(table, car=4, red=1), atol=1e-6)
    np.testing.assert_allclose(one(table, "old red car"), mixture(table, car=4, red=0.5, old=0.5), atol=1e-6)


@pytest.mark.parametrize(
    ("phrase", "parts"),
    [
        ("the car", {"car": 1}),
        ("Cár", {"car": 1}),
        ("red-car!", {"car": 4, "red": 1}),
        ("cars", {"car": 1}),
        ("knives", {"knife": 1}),
        ("a taxi", {"car": 1}),
        ("old taxis", {"car": 4, "old": 1}),
        ("taxi street", {"street": 4, "taxi": 1}),
        ("car on the street", {"car": 4, "street": 1}),
        ("hot dogs", {"dog": 4, "hot": 1}),
        ("hot hound", {"dog": 4, "hot": 1}),
        ("the", {"the": 1}),
        ("xa", {"x": 1, "##a": 1}),
        ("red 犬", {"red": 1}),
    ],
)
def test_how_a_phrase_is_read(phrase, parts):
    table = small_table()
    np.testing.assert_allclose(one(table, phrase), mixture(table, **parts), atol=1e-6)


def test_carriers_lead_up_to_the_thing():
    table = small_table(Reading(stop_words=("a", "the"), prepositions=("of", "on"), carriers=("x", "old")))
    car = one(table, "car")
    for phrase in ("x of car", "a x of the car", "xs of old of cars"):
        np.testing.assert_allclose(one(table, phrase), car, atol=1e-6)
    assert table.unknown(["x of"]) == []
    np.testing.assert_allclose(one(table, "red of car"), mixture(table, red=4, car=1), atol=1e-6)


def test_what_is_not_in_the_table_is_named_and_neutral():
    table = small_table()
    assert table.unknown(["car", "犬", "", "🚌", "q", "red q"]) == ["犬", "", "🚌", "q"]
    np.testing.assert_array_equal(one(table, "犬"), np.eye(table.width, dtype=np.float32)[-1])


def test_no_phrases():
    assert small_table().encode([]).shape == (0, small_table().width)


@functools.cache
def once_loaded() -> TableEncoder:
    """The table in the package, for many examples."""
    return TableEncoder.load(PACKAGED)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_passes_through(phrases):
    table = once_loaded()
    vectors = table.encode(phrases)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(phrases), table.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert set(table.unknown(phrases)) <= set(phrases)
    for phrase, vector in zip(phrases, vectors, strict=True):
        np.testing.assert_array_equal(one(table, phrase), vector)


@pytest.mark.parametrize(
    "phrase", ["x" * 10_000, "red bus " * 1_250, "pair of " * 1_250, "buses" * 2_000, "é" * 10_000, "كلب " * 2_500, "\ud800"]
)
def test_long_and_odd_phrases(packaged, phrase):
    assert np.isfinite(one(packaged, phrase)).all()


def test_threads_agree(packaged):
    fresh = TableEncoder.load(PACKAGED)
    phrases = [f"{colour} {thing}" for colour in ("red", "old") for thing in ("buses", "taxi", "hot dog", "déjà vu")]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fresh.encode(phrases), range(16)))
    for vectors in found:
        np.testing.assert_array_equal(vectors, packaged.encode(phrases))


def test_packaged_synonyms_are_their_names(packaged, listless):
    for word, name in packaged.reading.synonyms.items():
        np.testing.assert_array_equal(one(packaged, word), one(packaged, name))
    np.testing.assert_array_equal(one(packaged, "yellow taxis"), one(packaged, "yellow car"))
    assert np.abs(one(listless, "taxi") - one(listless, "car")).max() > 0.01


def test_names_need_no_list(packaged, listless):
    names = list(dict.fromkeys(packaged.reading.synonyms.values()))
    assert len(names) == 80
    np.testing.assert_array_equal(packaged.encode(names), listless.encode(names))
    assert not packaged.unknown(names)


def test_words_that_measure_the_solve_are_in_no_list(packaged):
    assert len(UNLISTED) == 30
    training = Path(__file__).parents[2] / "training" / "nano" / "synonyms.json"
    listed = [word for group in json.loads(training.read_text(encoding="utf-8")).values() for word in group]
    for word in UNLISTED:
        for known in listed:
            assert f" {word} " not in f" {known} ", (word, known)
            assert not f" {word} ".endswith(f" {known} "), (word, known)
        assert word not in packaged.reading.synonyms


def test_the_list_that_ships_is_the_list_of_the_build(packaged):
    training = Path(__file__).parents[2] / "training" / "nano" / "synonyms.json"
    groups = json.loads(training.read_text(encoding="utf-8"))
    assert dict(packaged.reading.synonyms) == {word: name for name, group in groups.items() for word in [name, *group]}
    assert len(packaged.reading.synonyms) == 80 + sum(map(len, groups.values())), "a word stands twice"


def test_meaning_of_neighbours(listless):
    def likeness(a, b):
        return float(one(listless, a) @ one(listless, b))

    assert likeness("puppy", "dog") > likeness("puppy", "bus") + 0.2
    assert likeness("red bus", "bus") > 0.9
    assert likeness("pedestrian", "pédestrian") > 0.9999
    assert likeness("buses", "bus") > 0.8


def test_size_of_the_packaged_table(packaged):
    assert PACKAGED.stat().st_size <= 8_000_000
    assert packaged.width == 256


def test_a_table_survives_saving(tmp_path):
    table = small_table()
    table.save(tmp_path / "a", origin="a test")
    table.save(tmp_path / "b", origin="a test")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again = TableEncoder.load(tmp_path / "a")
    assert again.reading == table.reading
    assert again.tokens == table.tokens
    np.testing.assert_allclose(again.encode(["red car"]), table.encode(["red car"]), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.write_bytes(b"junk"), "cannot be read as a word table"),
        (lambda f: f.unlink(), "no such file"),
        (lambda f: f.write_bytes(save({"a": np.zeros(1, np.float32)})), "cannot be read as a word table"),
        (lambda f: f.write_bytes(f.read_bytes()[:-3]), "cannot be read as a word table"),
        (lambda f: rewrite(f, version=2), "version 2, expected 1"),
        (lambda f: rewrite(f, reading={}), "cannot be read as a word table"),
        (lambda f: rewrite(f, tokens="one\ntwo"), "cannot be read as a word table"),
        (lambda f: rewrite(f, constant=7), "between 0 and 1"),
    ],
)
def test_a_broken_table_is_refused_by_name(tmp_path, change, message):
    path = tmp_path / "words.safetensors"
    small_table().save(path)
    change(path)
    with pytest.raises(WeightsError, match=message) as caught:
        TableEncoder.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def rewrite(path, tokens=None, constant=None, **facts):
    """The small table with some of its facts replaced."""
    table = small_table()
    reading = {"head_weight": 4, "constant": constant or 0.3, "stop_words": [], "prepositions": [], "carriers": [], "synonyms": {}}
    text = "\n".join(table.tokens) if tokens is None else tokens
    arrays = {"vectors": table.vectors, "scales": table.scales, "tokens": np.frombuffer(text.encode(), np.uint8)}
    path.write_bytes(save(arrays, metadata={"wordbox.words": json.dumps({"version": 1, "reading": reading} | facts)}))


def test_split_words():
    assert split_words("The Old-Taxi's CAFÉ, 2nd_street") == ["the", "old", "taxi", "s", "cafe", "2nd", "street"]


def test_reading_words_needs_no_runtime():
    code = "import sys, wordbox.vocabulary.table; print(sorted({'onnx', 'onnxruntime', 'cv2', 'torch', 'tokenizers'} & sys.modules.keys()))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_a_table_is_known_by_its_checksum(tmp_path):
    whole = TableEncoder.load(PACKAGED)
    assert whole.identity == EncoderIdentity(name="wordbox-nano.words", sha256=hashlib.sha256(PACKAGED.read_bytes()).hexdigest())
    assert TableEncoder.load(PACKAGED, sha256="given").identity.sha256 == "given"
    small_table().save(tmp_path / "small")
    small = TableEncoder.load(tmp_path / "small")
    assert not small.identity.same_as(whole.identity)
    assert small_table().identity.sha256 == ""


def test_what_is_remembered_of_phrases_is_right_and_has_an_end(monkeypatch):
    monkeypatch.setattr(table, "MOST", 3)
    encoder = small_table()
    fresh = {phrase: one(small_table(), phrase) for phrase in ("red car", "taxi", "?", "bus", "dog", "car")}
    for phrase in [*fresh, *fresh, "car", "?"]:
        np.testing.assert_array_equal(one(encoder, phrase), fresh[phrase])
        assert len(encoder._memory) <= 3
