"""CLIP's tokens: text repaired, cut into pieces, and joined by the list of merges that a tower was trained with.

Byte-pair encoding (Sennrich et al., 2016) over bytes; the rules are those of spec yolo-world.md, section 2.2, OpenAI's route. The list
of merges is no part of Wordbox: it lies in the tower's folder, or beside its file.
"""

import gzip
import html
import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wordbox.errors import WeightsError, extra_module

logger = logging.getLogger("wordbox")

EXTRA = "clip"
"""The optional dependencies that tokens need."""
FILES = ("bpe_simple_vocab_16e6.txt.gz", "merges.txt", "tokenizer.json")
"""Files that hold the merges, each on its own, by the names under which they were published."""
CONTEXT = 77
"""Tokens that CLIP's towers take."""

_MERGES = 48894  # what CLIP uses of a published list, which goes on behind them
_LARGEST = 1 << 25  # bytes of a list, unpacked; the published ones have 4 million at most
_WORD_END = "</w>"
_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
_PIECES = (
    r"(?i:<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d)|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # of any case: 'ſ is one of them
)
_SHOWN = 60


class ClipTokenizer:
    """Turns phrases into token ids. It may be called from several threads at once."""

    def __init__(self, merges: Sequence[str], *, where: str, context: int = CONTEXT) -> None:
        """Make one of `merges`, pairs such as "t h" in order; a phrase becomes `context` ids at most. `where` names the list in errors.

        Raises WeightsError where the list makes no vocabulary, MissingExtraError without the extra `clip`.
        """
        library, self._ftfy = extra_module("tokenizers", EXTRA), extra_module("ftfy", EXTRA)
        ids = vocabulary(merges, where)
        bpe = library.Tokenizer(library.models.BPE(vocab=ids, merges=[_pair(line, where) for line in merges], end_of_word_suffix=_WORD_END))
        bpe.pre_tokenizer = library.pre_tokenizers.Sequence(
            [
                library.pre_tokenizers.Split(library.Regex(_PIECES), behavior="removed", invert=True),
                library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        bpe.add_special_tokens(list(_SPECIAL))
        self._bpe = bpe
        self.context = context
        """Most ids of a phrase, start and end included."""
        self.start, self.end = (ids[token] for token in _SPECIAL)
        self.size = len(ids)
        """How many ids there are; the end of a text is the last, its start the one before."""

    def encode(self, phrases: Sequence[str]) -> list[list[int]]:
        """The ids of each phrase, start and end included, as many as it has; those of "" and of " " are start and end alone.

        What is longer than the context is cut, its last id the end, and a warning names it.
        """
        found, cut, room = [], [], self.context - 2
        for phrase in phrases:
            ids = self._bpe.encode(self.repaired(phrase), add_special_tokens=False).ids
            if len(ids) > room:
                cut.append(phrase if len(phrase) <= _SHOWN else f"{phrase[:_SHOWN]}...")
            found.append([self.start, *ids[:room], self.end])
        if cut:
            more = f" and {len(cut) - 10} more" if len(cut) > 10 else ""
            logger.warning("longer than the %d tokens that the text encoder takes, so cut there: %s%s", self.context, cut[:10], more)
        return found

    def repaired(self, text: str) -> str:
        """The text as CLIP reads it: broken encodings, odd quotes and HTML entities made right, blanks single, letters small."""
        fixed: str = self._ftfy.fix_text(text)
        return " ".join(html.unescape(html.unescape(fixed)).split()).lower()


def find(folders: Sequence[Path]) -> Path | None:
    """The first file of merges in `folders`, or None."""
    return next((path for folder in folders for name in FILES if (path := folder / name).is_file()), None)


def read_merges(path: Path) -> tuple[str, ...]:
    """The merges in one of `FILES`: OpenAI's packed list, merges.txt, or tokenizer.json. A vocab.json beside merges.txt is compared.

    Raises WeightsError that names the file where it cannot be read, or is another tokenizer's.
    """
    where = str(path)
    data = _bytes(path)
    if path.suffix == ".json":
        model = _json(data, where).get("model")
        if not isinstance(model, dict) or model.get("type") != "BPE" or model.get("end_of_word_suffix") != _WORD_END:
            raise WeightsError(f"{where}: found another tokenizer, expected that of CLIP, byte pairs with words ending in {_WORD_END}")
        listed = model.get("merges")
        if not isinstance(listed, list) or not all(_is_merge(entry) for entry in listed):
            raise WeightsError(f"{where}: found no list of merges in its model; copy or download it anew")
        merges = tuple(entry if isinstance(entry, str) else " ".join(entry) for entry in listed)
        _compare(vocabulary(merges, where), model.get("vocab"), where)
        return merges
    lines = _text(data, where).splitlines()
    merges = tuple(lines[1 : 1 + _MERGES] if lines and "#version" in lines[0] else lines[:_MERGES])
    beside = path.with_name("vocab.json")
    ids = vocabulary(merges, where)
    if path.name == "merges.txt" and beside.is_file():
        _compare(ids, _json(_bytes(beside), str(beside)), str(beside))
    return merges


def vocabulary(merges: Sequence[str], where: str) -> dict[str, int]:
    """Every token with its id: the bytes, the bytes that end a word, what each merge makes, start and end of a text.

    Raises WeightsError that names `where` and the line for a merge of what no line before it made.
    """
    # a byte is a letter of its own; those that print nothing have letters from 256 on (GPT-2, Radford et al., 2019)
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(code) for code in (*plain, *range(256, 512 - len(plain)))]
    ids = {token: i for i, token in enumerate([*letters, *(letter + _WORD_END for letter in letters)])}
    for number, line in enumerate(merges):
        one, other = _pair(line, where)
        if one not in ids or other not in ids or one + other in ids:
            raise WeightsError(f"{where}: merge {number} is {line[:80]!r}, which does not follow from those before it; copy the file anew")
        ids[one + other] = len(ids)
    for token in _SPECIAL:
        if token in ids:
            raise WeightsError(f"{where}: a merge makes {token}, which is no text; copy the file anew")
        ids[token] = len(ids)
    return ids


def _pair(line: str, where: str) -> tuple[str, str]:
    one, blank, other = line.partition(" ")
    if not (one and blank and other) or " " in other:
        raise WeightsError(f"{where}: found the merge {line[:80]!r}, expected two pieces with a blank between; copy the file anew")
    return one, other


def _is_merge(entry: object) -> bool:
    """Whether it is "t h" or ["t", "h"]: both are in use."""
    return isinstance(entry, str) or (isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry))


def _compare(ids: Mapping[str, int], found: object, where: str) -> None:
    """Raise WeightsError where the file gives its tokens other ids than follow from its merges."""
    if found != ids:
        raise WeightsError(f"{where}: its tokens have other ids than its merges give them in CLIP; it is another model's, or damaged")


def _json(data: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(_text(data, where))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where}: cannot be read as JSON ({error}); copy or download it anew") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{where}: found a JSON {type(found).__name__}, expected an object; copy or download it anew")
    return found


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{where}: is no text in UTF-8 ({error.reason} at byte {error.start}); copy or download it anew") from error


def _bytes(path: Path) -> bytes:
    """The file's content, unpacked where it is packed."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); looked for {path.resolve()}") from error
    if len(data) > _LARGEST:
        raise WeightsError(f"{path}: holds more than {_LARGEST} bytes, far more than a list of merges; copy or download it anew")
    return data
