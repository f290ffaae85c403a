"""CLIP's tokens: the vectors of spec yolo-world.md section 9.1, a vocabulary small enough to check by hand, and what any text may do."""

import gzip
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.errors import MissingExtraError, WeightsError
from wordbox.vocabulary import tokens
from wordbox.vocabulary.tokens import ClipTokenizer

GOLDEN = {
    "": [],
    " ": [],
    "person": [2533],
    "Person": [2533],
    "traffic light": [3399, 1395],
    "traffic_light": [3399, 318, 1395],
    "fire hydrant": [1769, 8031, 773],
    "T-shirt": [339, 268, 2523],
    "a  dog\n": [320, 1929],
    "café": [15304],
    "cafe\u0301": [15304],
    "it’s": [585, 568],
    "&amp;": [261],
    "100%": [272, 271, 271, 260],
    "日本": [39121, 19277, 361],
    "☃": [1741, 481],
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "egg beater/eggbeater": [5911, 41974, 270, 13778, 41974],
}
MERGES = ("c a", "ca t</w>", "d o", "do g</w>", "' s</w>")
IDS = tokens.vocabulary(MERGES, "a test's list")
START, END = 517, 518
TINY = ClipTokenizer(MERGES, where="a test's list", context=8)
WIDE = ClipTokenizer(MERGES, where="a test's list", context=1000)
SPELLED = dict(zip(IDS.values(), IDS, strict=True))
PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that are their own letters, GPT-2's table
BYTES = dict(zip(SPELLED.values(), [*PRINTED, *(byte for byte in range(256) if byte not in PRINTED)], strict=False))


@pytest.fixture(scope="module", params=["bpe_simple_vocab_16e6.txt.gz", "tokenizer.json", "merges.txt"])
def published(request, shared, tmp_path_factory):
    """CLIP's own tokenizer, from each form of its file."""
    path = shared / "data" / "clip" / request.param
    if request.param == "merges.txt":
        merges = tokens.read_merges(path.with_name("tokenizer.json"))
        path = write(tmp_path_factory.mktemp("hf"), merges, tokens.vocabulary(merges, "shared"))
    return ClipTokenizer(tokens.read_merges(path), where=request.param)


def write(folder, merges=MERGES, vocab=None):
    """merges.txt and vocab.json as Hugging Face keeps them."""
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(IDS if vocab is None else vocab), encoding="utf-8")
    return folder / "merges.txt"


def described(**changes):
    """tokenizer.json, as far as it is read."""
    return {"model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": IDS, "merges": list(MERGES)} | changes}


def test_the_published_vectors_hold(published):
    assert published.encode(list(GOLDEN)) == [[49406, *ids, 49407] for ids in GOLDEN.values()]
    assert (published.size, published.start, published.end, published.context) == (49408, 49406, 49407, 77)


def test_names_of_the_great_datasets_are_short(published, shared):
    entries = [json.loads((shared / "data" / "texts" / f"{name}_class_texts.json").read_text()) for name in ("coco", "lvis_v1", "obj365v1")]
    assert sum(map(len, entries[0])) == 80
    assert max(map(len, published.encode([name for entry in entries for names in entry for name in names]))) == 9


def test_merges_apply_in_order_and_words_end():
    def ids(text):
        return TINY.encode([text])[0][1:-1]

    assert ids("cat") == [IDS["cat</w>"]]
    assert ids("cats") == [IDS["ca"], IDS["t"], IDS["s</w>"]]
    assert ids(" DOG's ") == [IDS["dog</w>"], IDS["'s</w>"]]
    assert ids("cat-dog") == [IDS["cat</w>"], IDS["-</w>"], IDS["dog</w>"]]
    assert ids("42") == [IDS["4</w>"], IDS["2</w>"]]
    assert ids("é") == [IDS["Ã"], IDS["©</w>"]]
    assert ids("'ſ") == [IDS["'"], IDS["Å"], IDS["¿</w>"]]  # a long s is an s
    assert ids("''s") == [IDS["'"], IDS["'</w>"], IDS["s</w>"]]
    assert ids("<|EndOfText|>cat") == [END, IDS["cat</w>"]]
    assert ids("ca\u200bt") == ids("ca \u200b t")  # neither letter nor blank: a piece of its own
    assert [TINY.start, TINY.end, TINY.size] == [START, END, 519] == [IDS["<|startoftext|>"], IDS["<|endoftext|>"], len(IDS)]


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("Salt &amp;amp; Pepper", "salt & pepper"),
        ("AT&amp;T < &lt;b&gt;", "at&t < <b>"),
        ("< &amp;lt; &amp", "< < &"),
        ("it’s “so”", 'it\'s "so"'),
        ("schÃ¶n", "schön"),
        ("cafe\u0301", "café"),
        ("\u3000ｗｉｄｅ\u00a0 \r\nﬁsh\t", "wide fish"),
        ("half \ud83d a pair", "half \ufffd a pair"),
        ("ΟΔΟΣ", "οδος"),
    ],
)
def test_text_is_repaired_first(text, repaired):
    assert TINY.repaired(text) == repaired


@given(st.text(max_size=40))
def test_any_text_becomes_ids_that_spell_it(text):
    (ids,) = WIDE.encode([text])
    assert (ids[0], ids[-1]) == (START, END)
    spelled = "".join(SPELLED[i] for i in ids[1:-1]).replace("</w>", "")
    assert bytes(BYTES[letter] for letter in spelled).decode() == WIDE.repaired(text).replace(" ", "")


def test_what_is_too_long_is_cut_and_named_once(caplog):
    long = "dog " * 2500
    found = TINY.encode(["cat", long, "dog " * 7, "dog " * 6])
    assert list(map(len, found)) == [3, 8, 8, 8]
    assert found[1] == [START, *[IDS["dog</w>"]] * 6, END]
    (record,) = caplog.records
    assert "8 tokens" in record.message
    assert f"'{long[:60]}...'" in record.message
    assert "dog dog dog dog dog dog dog '" in record.message
    assert record.message.count("'") == 4  # the one that just fits is not named


def test_words_of_ten_thousand_letters_take_no_time_to_speak_of():
    assert [len(ids) for ids in TINY.encode(["c" * 10_000, "日" * 10_000, "&amp;" * 2000])] == [8, 8, 8]


def test_many_cut_words_are_counted(caplog):
    TINY.encode([f"{i} cats and dogs" for i in range(30)])
    assert "and 20 more" in caplog.records[0].message


def test_all_forms_of_the_list_are_read(tmp_path):
    assert tokens.read_merges(write(tmp_path)) == MERGES
    (tmp_path / "tokenizer.json").write_text(json.dumps(described()), encoding="utf-8")
    assert tokens.read_merges(tmp_path / "tokenizer.json") == MERGES
    (tmp_path / "tokenizer.json").write_text(json.dumps(described(merges=[merge.split(" ") for merge in MERGES])), encoding="utf-8")
    assert tokens.read_merges(tmp_path / "tokenizer.json") == MERGES
    packed = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    packed.write_bytes(gzip.compress("\n".join(['"bpe_simple_vocab_16e6.txt#version: 0.2', *MERGES, ""]).encode()))
    assert tokens.read_merges(packed) == MERGES
    (tmp_path / "vocab.json").unlink()
    assert tokens.read_merges(tmp_path / "merges.txt") == MERGES


def test_the_list_is_looked_for_in_order(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    assert tokens.find([tmp_path / "nowhere", one, other]) is None
    other.mkdir()
    path = write(other)
    (other / "tokenizer.json").write_text("{}")
    assert tokens.find([tmp_path / "nowhere", one, other]) == path
    assert tokens.find([other, write(one).parent]) == path


@pytest.mark.parametrize(
    ("merges", "fault"),
    [
        (("c a", "cat s"), "merge 1 is 'cat s'"),
        (("c a", "c a"), "merge 1 is 'c a'"),
        (("c",), "found the merge 'c'"),
        (("c a t",), "found the merge 'c a t'"),
        (("", "c a"), "found the merge ''"),
    ],
)
def test_lists_that_make_no_vocabulary_are_refused(tmp_path, merges, fault):
    with pytest.raises(WeightsError, match=fault) as caught:
        tokens.read_merges(write(tmp_path, merges))
    assert "merges.txt" in str(caught.value)


def test_a_vocabulary_with_other_ids_is_refused(tmp_path):
    path = write(tmp_path, vocab=IDS | {"ca": 3})
    with pytest.raises(WeightsError, match=r"vocab\.json: its tokens have other ids"):
        tokens.read_merges(path)


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("tokenizer.json", b"{", "cannot be read as JSON"),
        ("tokenizer.json", b"[1]", "found a JSON list"),
        ("tokenizer.json", b"[" * 100_000, "cannot be read as JSON"),
        ("tokenizer.json", json.dumps({"model": {"type": "WordPiece"}}).encode(), "found another tokenizer"),
        ("tokenizer.json", json.dumps(described(merges=[["c", 1]])).encode(), "found no list of merges"),
        ("tokenizer.json", json.dumps(described(vocab={})).encode(), "its tokens have other ids"),
        ("merges.txt", b"\xff\xfe", "is no text in UTF-8"),
        ("bpe_simple_vocab_16e6.txt.gz", b"no gzip", "cannot be read"),
        ("bpe_simple_vocab_16e6.txt.gz", gzip.compress(b"x" * 100)[:-12], "cannot be read"),
        ("bpe_simple_vocab_16e6.txt.gz", gzip.compress(b"0" * (1 << 26)), "holds more than 33554432 bytes"),
    ],
)
def test_files_that_are_no_list_are_refused(tmp_path, name, data, fault):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=fault) as caught:
        tokens.read_merges(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("missing", ["tokenizers", "ftfy"])
def test_without_the_extra_the_error_says_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wordbox\[clip\]'"):
        ClipTokenizer(MERGES, where="a test's list")


def test_importing_the_module_loads_neither_library():
    code = "import wordbox.vocabulary.clip, wordbox.towers, sys; print([m for m in ('tokenizers', 'ftfy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
