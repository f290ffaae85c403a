"""Words in text files: a word a line, or JSON with synonyms; and what tells a file from a word."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from wordbox.errors import VocabularyError

LONGEST = 10_000
"""Most characters of a word: what is longer is a text, or a file, that came here by mistake."""
TEXTS = (".txt", ".json")
"""What the names of files of words end in."""
STORED = ".vocab.safetensors"
"""What the names of files end in that hold words with their vectors; `vocabulary.files` reads them."""

_OTHERS = (
    *(".csv", ".tsv", ".jsonl", ".yaml", ".yml", ".npy", ".npz", ".zip", ".md", ".pdf"),
    *(".pt", ".pth", ".bin", ".onnx", ".xml", ".safetensors"),
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".mp4"),
)
_EXPECTED = "a list of words, a list of lists of synonyms, or a mapping from label to phrases"


def is_path(words: object, *endings: str) -> TypeGuard[str | Path]:
    """Whether `words` is one path with one of these endings: a string with a comma in the name of the file is words."""
    if not isinstance(words, str | Path):
        return False
    return str(words).strip().lower().endswith(endings) and (isinstance(words, Path) or "," not in os.path.basename(words))


def looks_like_file(word: str) -> bool:
    """Whether `word` ends as names of files do, or, with a dot or slash in it, is the path of one: then it hardly is a word."""
    return ("." in word or "/" in word or "\\" in word) and (word.lower().endswith(_OTHERS) or os.path.isfile(word))


def read_groups(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(label, phrases) of every entry of a text file, in order, equal ones included.

    It has a word a line; blank lines and lines that start with # are passed over. A `.json` holds a list of words, a mapping from label to
    phrases, or class texts: a list with a list of synonyms for each label, which the first of them names. Raises VocabularyError if it
    cannot be read.
    """
    expected = _EXPECTED if path.suffix.lower() == ".json" else "one word a line"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise VocabularyError(f"{path}: cannot be read ({error.strerror}); expected {expected}; looked at {path.resolve()}") from error
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}: is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    if path.suffix.lower() == ".json":
        groups = _of_json(text, path)
    else:
        lines = filter(None, map(str.strip, text.splitlines()))
        groups = [(line, [line]) for line in lines if not line.startswith("#")]
    if not groups:
        raise VocabularyError(f"{path}: found no words, expected {expected}; looked at {path.resolve()}")
    for label, group in groups:
        try:
            named = clean(label), list(map(clean, group))
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error}") from error
        yield named


def clean(word: object) -> str:
    """The word without outer spaces. Raises VocabularyError where it is none."""
    if not isinstance(word, str):
        raise VocabularyError(f"found {_short(word)} of type {type(word).__name__} among the words, expected a string")
    text = word.strip()
    if not text:
        raise VocabularyError(f"found an empty word ({word!r}), expected text; take it out of the list")
    if len(text) > LONGEST:
        raise VocabularyError(f"found a word of {len(text):,} characters ({text[:30]!r}...), expected at most {LONGEST:,}")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise VocabularyError(f"found the word {text!r} with half a character in it, expected text; read it as UTF-8")
    return text


def _of_json(text: str, path: Path) -> list[tuple[object, list[object]]]:
    """(label, phrases) as they stand there; class texts are those of spec yolo-world.md (section 2.4)."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{path}: is no JSON ({error}); expected {_EXPECTED}; looked at {path.resolve()}") from error
    if not isinstance(found, list | dict):
        raise VocabularyError(f"{path}: found a {type(found).__name__}, expected {_EXPECTED}: [['person'], ['car', 'auto']]")
    groups: list[tuple[object, list[object]]] = []
    for place, entry in enumerate(found.items() if isinstance(found, dict) else found):
        label, group = entry if isinstance(found, dict) else (None, entry)
        group = [group] if isinstance(group, str) else group
        if not isinstance(group, list) or not group:
            raise VocabularyError(f"{path}: found {_short(group)} at position {place}, expected a word or a list of synonyms, at least one")
        groups.append((label if isinstance(found, dict) else group[0], group))
    return groups


def _short(value: object) -> str:
    return f"{value!r}"[:80]
