"""Features that others published become a vocabulary where they and their names belong together."""

import json

import numpy as np
import pytest

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.features import join

IDENTITY = EncoderIdentity(name="clip-vit-base-patch32")
NAMES = [f"thing {i}" for i in range(12)]
ROWS = np.random.default_rng(0).normal(size=(20, 32)).astype(np.float32)


@pytest.fixture
def pair(tmp_path):
    """Writes features and their names."""

    def write(name, rows, names):
        np.save(tmp_path / f"{name}.npy", rows)
        (tmp_path / f"{name}.json").write_text(json.dumps([[n, "a synonym"] for n in names]), encoding="utf-8")
        return tmp_path / f"{name}.npy", tmp_path / f"{name}.json"

    return write


def test_rows_get_unit_length_and_of_equal_names_the_first_stays(pair):
    first = pair("first", ROWS[:10].astype(np.float16) * 10, NAMES[:10])
    noisy = ROWS[2:12] + 0.1
    second = pair("second", noisy, [name.upper() for name in NAMES[2:12]])
    found = join([first, second], IDENTITY, prompt="a {}", licence="Apache-2.0", origin="here")
    assert found.labels == (*NAMES[:10], "THING 10", "THING 11")
    expected = np.concatenate([ROWS[:10], noisy[8:]])
    np.testing.assert_allclose(found.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-3)
    assert (found.prompt, found.licence, found.origin, found.identity) == ("a {}", "Apache-2.0", "here", IDENTITY)


def test_names_may_stand_in_a_text_file(tmp_path):
    np.save(tmp_path / "x.npy", ROWS[:2])
    (tmp_path / "x.txt").write_text("cat\nred bus\n", encoding="utf-8")
    assert join([(tmp_path / "x.npy", tmp_path / "x.txt")], IDENTITY).labels == ("cat", "red bus")


def test_names_that_stand_twice_in_one_list_become_one(pair):
    assert join([pair("x", ROWS[:3], ["bow", "fish", "bow"])], IDENTITY).labels == ("bow", "fish")


def test_names_in_another_order_are_found_out(pair):
    right, wrong = pair("right", ROWS[:10], NAMES[:10]), pair("wrong", ROWS[:10], NAMES[9::-1])
    with pytest.raises(VocabularyError, match=r"wrong\.npy: its vectors of 10 names .* mean cosine of .*wrong\.json has another order"):
        join([right, wrong], IDENTITY)


def test_other_counts_and_widths_are_refused(pair):
    with pytest.raises(VocabularyError, match="found 10 vectors for the 9 names"):
        join([pair("x", ROWS[:10], NAMES[:9])], IDENTITY)
    with pytest.raises(VocabularyError, match="found vectors of 8 numbers, expected 32"):
        join([pair("x", ROWS[:2], NAMES[:2]), pair("y", ROWS[:2, :8], NAMES[2:4])], IDENTITY)
    with pytest.raises(VocabularyError, match="no features"):
        join([], IDENTITY)
    with pytest.raises(VocabularyError, match=r"expected \{\} in it"):
        join([pair("x", ROWS[:2], NAMES[:2])], IDENTITY, prompt="a")


@pytest.mark.parametrize(
    "rows",
    [ROWS[0], np.zeros((2, 3), np.float32), np.full((2, 3), np.nan), np.full((2, 3), 1e300), np.ones((2, 3), int), np.zeros((0, 3))],
    ids=["vector", "zeros", "nan", "huge", "integers", "none"],
)
def test_rows_that_are_no_vectors_are_refused(pair, rows):
    with pytest.raises(VocabularyError, match=r"x\.npy: found"):
        join([pair("x", rows, NAMES[: len(rows)] or ["a"])], IDENTITY)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00\xff\xff{", None])
def test_what_is_no_array_is_refused(tmp_path, pair, content):
    features, names = pair("x", ROWS[:2], NAMES[:2])
    features.unlink()
    if content is not None:
        features.write_bytes(content)
    with pytest.raises(VocabularyError, match=r"x\.npy: cannot be read"):
        join([(features, names)], IDENTITY)


def test_pickled_objects_are_not_opened(pair):
    features, names = pair("x", np.array([{"a": 1}], object), ["a"])
    with pytest.raises(VocabularyError, match="cannot be read"):
        join([(features, names)], IDENTITY)


def test_published_features_of_coco_and_lvis_belong_to_their_names(shared):
    """Bare names, from another source, are nearest to the features of the same names."""
    data = shared / "data"
    lists = [("detic_coco_clip_a+cname", "coco"), ("detic_lvis_v1_clip_a+cname", "lvis_v1")]
    pairs = [(data / "text_embeddings" / f"{features}.npy", data / "texts" / f"{names}_class_texts.json") for features, names in lists]
    found = join(pairs, IDENTITY, prompt="a {}")
    assert found.vectors.shape == (1214, 512)
    alone = join(pairs[:1], IDENTITY)
    assert len(alone.labels) == 80
    compared = 0
    for name in ("class", "person", "video"):
        with np.load(data / "text_embeddings" / f"{name}_embeddings.npz") as bare:
            for word, vector in zip(bare["class_list"], bare["class_embeddings"][0], strict=True):
                if word in alone.labels:
                    cosines = alone.vectors @ vector
                    assert alone.labels[cosines.argmax()] == word
                    assert cosines.max() > 0.85
                    compared += 1
    assert compared >= 8
    objects = (data / "text_embeddings" / "detic_o365_clip_a+cnamefix.npy", data / "texts" / "obj365v1_class_texts.json")
    with pytest.raises(VocabularyError, match=r"78 names .* mean cosine of 0\.79"):  # the features are in version 2's order
        join([pairs[0], objects], IDENTITY)
