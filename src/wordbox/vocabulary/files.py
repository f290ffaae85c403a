"""A vocabulary on file, `*.vocab.safetensors`: words, synonyms, vectors, and the text encoder that they are of."""

import json
import os
import struct
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.lists import LONGEST, STORED, is_path
from wordbox.vocabulary.words import BACKGROUND, PLAIN, EmbeddedVocabulary, word_key

ENDING = STORED
"""What the names of such files end in."""
KEY = "wordbox.vocabulary"
VERSION = 1


def is_file(words: object) -> TypeGuard[str | Path]:
    """Whether `words` is the path of a vocabulary on file."""
    return is_path(words, ENDING)


def save(path: Path, vocabulary: EmbeddedVocabulary, *, half: bool = False) -> None:
    """Write `vocabulary`, its vectors as float32, or as float16 where `half` is asked. Equal contents give equal bytes.

    Raises VocabularyError where the name has another ending, the vectors are of several prompts, or the file cannot be written.
    """
    if PLAIN not in vocabulary.prompt:
        raise VocabularyError(
            f"{path}: some of its vectors are of the words alone and some of another prompt, which one file cannot say; encode the words "
            f"with the text encoder {vocabulary.identity.name}"
        )
    if not path.name.lower().endswith(ENDING):
        raise VocabularyError(f"{path}: found the ending {path.suffix!r}, expected {ENDING}; call it {path.stem}{ENDING}")
    facts = {
        "version": VERSION,
        "labels": vocabulary.labels,
        "phrases": vocabulary.phrases,
        "merge": vocabulary.merge,
        "encoder": {"name": vocabulary.identity.name, "sha256": vocabulary.identity.sha256},
        "prompt": vocabulary.prompt,
        "licence": vocabulary.licence,
        "origin": vocabulary.origin,
    }
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(vocabulary.vectors, np.float16 if half else np.float32)
    if not np.isfinite(vectors).all():
        raise VocabularyError(f"{path}: found numbers too large for {vectors.dtype}, or that are none, among the vectors; save them whole")
    arrays: dict[str, NDArray[Any]] = {
        "vectors": vectors,
        "owners": np.ascontiguousarray(vocabulary.owners, np.int64),
        "known": np.ascontiguousarray(vocabulary.known, np.bool_),
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(to_bytes(arrays, metadata={KEY: json.dumps(facts, ensure_ascii=False, sort_keys=True)}))
            os.replace(draft, path)  # whole or not at all
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise VocabularyError(f"{path} cannot be written ({error.strerror}; {path.resolve()}); choose another place") from error


def load(path: Path) -> EmbeddedVocabulary:
    """Read such a file; vectors come back bit by bit where they were stored as float32, and of unit length where as float16.

    Raises VocabularyError that names the file and its fault.
    """
    if not os.path.isfile(path):
        raise VocabularyError(f"{path}: no such file (looked for {path.resolve()}); expected a {ENDING}")
    try:
        with safe_open(str(path), framework="numpy") as file:
            text = (file.metadata() or {}).get(KEY)
            if text is None:
                raise VocabularyError(f"{path}: holds no vocabulary of Wordbox's; wordbox words encode writes one")
            facts = json.loads(text)
            if not isinstance(facts, dict) or facts.get("version") != VERSION:
                version = facts.get("version") if isinstance(facts, dict) else facts
                found = f"{version!r}"[:40]
                raise VocabularyError(f"{path}: a vocabulary of version {found}, expected {VERSION}; a newer Wordbox may read it")
            vectors, owners, known = (file.get_tensor(name) for name in ("vectors", "owners", "known"))
        return _checked(facts, vectors, owners, known)
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError, struct.error, RecursionError) as error:
        if isinstance(error, VocabularyError):
            raise
        raise VocabularyError(f"{path}: cannot be read as a vocabulary ({error!r}); make the file anew") from error


def _checked(facts: dict[str, Any], vectors: NDArray[Any], owners: NDArray[Any], known: NDArray[Any]) -> EmbeddedVocabulary:
    """The vocabulary of the parts. Raises KeyError, TypeError or ValueError where they are not of one make."""
    labels, groups = tuple(facts["labels"]), tuple(tuple(group) for group in facts["phrases"])
    own, prompt = facts["encoder"], facts["prompt"]
    texts = [own["name"], own["sha256"], prompt, facts["licence"], facts["origin"]]
    for text in (*labels, *(phrase for group in groups for phrase in group), *texts):
        if not isinstance(text, str):
            raise TypeError(f"found {text!r} among its texts, expected a string")
        text.encode()  # half a character cannot be written again
    count = len(groups)
    if vectors.ndim != 2 or vectors.dtype not in (np.float32, np.float16) or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise ValueError(f"vectors {vectors.dtype} {vectors.shape}, expected finite numbers in float32 or float16")
    if owners.dtype != np.int64 or known.dtype != np.bool_ or not owners.shape == known.shape == vectors.shape[:1] == (count,):
        raise ValueError(f"{count} groups of phrases, vectors {vectors.shape}, owners {owners.dtype} {owners.shape}, known {known.shape}")
    if not labels or set(owners.tolist()) - {BACKGROUND} != set(range(len(labels))):
        raise ValueError(f"{len(labels)} labels, which its {count} vectors do not own one by one")
    if not all(groups) or not all(label.strip() and len(label) <= LONGEST for label in labels) or PLAIN not in prompt:
        raise ValueError("a label or a group of phrases is empty, a label longer than the longest word, or the prompt without {}")
    if len(set(map(word_key, labels))) != len(labels):
        raise ValueError("equal labels, expected different ones")
    full = vectors.astype(np.float32)
    if vectors.dtype == np.float16:
        lengths = np.linalg.norm(full, axis=1, keepdims=True)
        full = np.where(abs(lengths - 1) < 0.01, full / np.maximum(lengths, 0.5), full)  # what was longer or shorter stays so
    identity = EncoderIdentity(name=own["name"], sha256=own["sha256"])
    return EmbeddedVocabulary(labels, full, known, owners, identity, groups, prompt, facts["licence"], facts["origin"])
