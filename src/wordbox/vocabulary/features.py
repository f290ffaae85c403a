"""A vocabulary from features that others published: an array of vectors, and a file with the names in the same order."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.lists import read_groups
from wordbox.vocabulary.words import PLAIN, EmbeddedVocabulary, of_vectors, word_key

LEAST = 0.9
"""Mean cosine of the vectors that two lists give the same names: features of other names than those of the file stay below."""
_ENOUGH = 5  # names in common from which that mean says something


def join(
    pairs: Sequence[tuple[Path, Path]], identity: EncoderIdentity, *, prompt: str = PLAIN, licence: str = "", origin: str = ""
) -> EmbeddedVocabulary:
    """The names and vectors of all `pairs` of a `.npy` and its names, each of unit length; of equal names the first stays.

    Names are the first synonyms of a class-text `.json`, or the lines of a text file. Raises VocabularyError where the two do
    not belong together: by their counts, or by what an earlier list gives for the same names.
    """
    if PLAIN not in prompt:
        raise VocabularyError(f"found the prompt {prompt!r}, expected {{}} in it for the phrase, as in 'a {{}}'")
    labels: dict[str, str] = {}
    found: dict[str, NDArray[np.float32]] = {}
    for features, names in pairs:
        vectors, texts = _unit_rows(features), [label for label, _ in read_groups(names)]
        if len(vectors) != len(texts):
            raise VocabularyError(f"{features}: found {len(vectors)} vectors for the {len(texts)} names of {names}, expected one each")
        width = len(next(iter(found.values()), vectors[0]))
        if vectors.shape[1] != width:
            raise VocabularyError(f"{features}: found vectors of {vectors.shape[1]} numbers, expected {width} as in {pairs[0][0]}")
        keys = list(map(word_key, texts))
        cosines = [float(vector @ found[key]) for key, vector in zip(keys, vectors, strict=True) if key in found]
        if len(cosines) >= _ENOUGH and np.mean(cosines) < LEAST:
            raise VocabularyError(
                f"{features}: its vectors of {len(cosines)} names that stood before have a mean cosine of {np.mean(cosines):.2f} to those, "
                f"expected above {LEAST}: {names} has another order, or the encoder or prompt differs"
            )
        for key, text, vector in zip(keys, texts, vectors, strict=True):
            labels.setdefault(key, text)
            found.setdefault(key, vector)
    if not found:
        raise VocabularyError("found no features, expected at least one .npy and its names")
    whole = of_vectors(list(labels.values()), np.stack([found[key] for key in labels]), identity)
    return replace(whole, prompt=prompt, licence=licence, origin=origin)


def _unit_rows(path: Path) -> NDArray[np.float32]:
    """The rows (K, D) of a `.npy`, each of unit length. Raises VocabularyError."""
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise VocabularyError(f"{path}: cannot be read as a .npy of numbers ({error}); looked at {path.resolve()}") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind != "f" or not rows.size:
        what = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else "several arrays"
        raise VocabularyError(f"{path}: found {what}, expected a row of floating point numbers a name")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused
        full: NDArray[np.float32] = rows.astype(np.float32)
        lengths = np.linalg.norm(full, axis=1, keepdims=True)
    if not np.isfinite(full).all() or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise VocabularyError(f"{path}: found rows of no length, or numbers that are none; expected vectors")
    full /= lengths
    return full
