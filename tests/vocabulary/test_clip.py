"""The CLIP encoder over an engine that tells what it was asked."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.engines.base import TensorInfo
from wordbox.errors import EngineError
from wordbox.vocabulary.clip import ClipEncoder
from wordbox.vocabulary.encoders import EncoderIdentity, TextEncoder
from wordbox.vocabulary.tokens import ClipTokenizer

WIDTH = 6
TOKENIZER = ClipTokenizer(("c a", "ca t</w>"), where="a test's list", context=20)
IDENTITY = EncoderIdentity(name="clip-of-a-test", sha256="0" * 64)
ANY = TensorInfo(np.dtype(np.int64), (None, None))


class Engine:
    """Gives vectors that depend on every token up to the first end and its place; keeps what it was fed."""

    name = "a test's"

    def __init__(self):
        self.fed = []
        self.metadata = {}
        self.inputs = {"tokens": ANY}
        self.outputs = {"vectors": TensorInfo(np.dtype(np.float32), (None, WIDTH))}

    def run(self, feeds):
        self.fed.append(feeds["tokens"])
        return {"vectors": np.array([vector(row.tolist()) for row in feeds["tokens"]])}


def vector(ids):
    ids = ids[: ids.index(TOKENIZER.end) + 1]
    found = np.sin(np.arange(1, WIDTH + 1) * np.dot(ids, np.arange(1, len(ids) + 1))) + 0.01 * len(ids)
    return (found / np.linalg.norm(found)).astype(np.float32)


def encoder():
    engine = Engine()
    return ClipEncoder(engine, TOKENIZER, IDENTITY), engine


def test_it_is_a_text_encoder():
    found: TextEncoder = encoder()[0]
    assert (found.width, found.identity) == (WIDTH, IDENTITY)
    assert found.unknown(["cat", "", "☃ xyzzy"]) == []


@given(st.lists(st.text(st.sampled_from("cat DOG-'9é"), max_size=30), max_size=100))
def test_each_phrase_gets_its_vector_whatever_stands_beside_it(phrases):
    found = encoder()[0].encode(phrases)
    assert found.dtype == np.float32
    assert found.shape == (len(phrases), WIDTH)
    for row, ids in zip(found, TOKENIZER.encode(phrases), strict=True):
        assert np.array_equal(row, vector(ids))


def test_equal_prompts_run_once_and_those_of_like_length_together():
    phrases = [f"{'cat ' * (i % 15)}{i}" for i in range(70)]
    asked, engine = encoder()
    asked.encode([*phrases, *phrases, *map(str.upper, phrases)])
    assert sum(map(len, engine.fed)) == 70
    assert [len(tokens) for tokens in engine.fed] == [32, 32, 6]
    lengths = [[row.index(TOKENIZER.end) + 1 for row in tokens.tolist()] for tokens in engine.fed]
    flat = [length for chunk in lengths for length in chunk]
    assert flat == sorted(flat)
    assert [tokens.shape[1] for tokens in engine.fed] == [max(chunk) for chunk in lengths]


def test_the_empty_phrase_is_start_and_end():
    asked, engine = encoder()
    one, other = asked.encode(["", "  "])
    assert np.array_equal(one, other)
    assert [tokens.tolist() for tokens in engine.fed] == [[[TOKENIZER.start, TOKENIZER.end]]]


def test_a_phrase_that_is_cut_is_named_once(caplog):
    encoder()[0].encode(["dog " * 30, "cat", "dog " * 30])
    assert [record.message.count("dog dog dog dog dog dog dog dog dog") for record in caplog.records] == [1]


def test_nothing_asked_is_nothing_run():
    asked, engine = encoder()
    assert asked.encode([]).shape == (0, WIDTH)
    assert engine.fed == []


def test_many_threads_at_once():
    asked, _ = encoder()
    lists = [[f"{word} {i}" for i in range(50)] for word in ("cat", "dog", "é", "a-b")] * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(asked.encode, lists))
    assert all(np.array_equal(found, asked.encode(phrases)) for found, phrases in zip(together, lists, strict=True))


@pytest.mark.parametrize("kept", [{"outputs": {"boxes": ANY}}, {"inputs": {"images": ANY}}, {"outputs": {"vectors": ANY}}])
def test_another_graph_is_refused(kept):
    engine = Engine()
    for name, value in kept.items():
        setattr(engine, name, value)
    with pytest.raises(EngineError, match="expected a text tower"):
        ClipEncoder(engine, TOKENIZER, IDENTITY)
