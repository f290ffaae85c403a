"""Vectors of words that a checkpoint brings along: those of its names, or prompts that were learned."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError

logger = logging.getLogger("wordbox")

_UNIT = 2e-3  # how far from 1 the length of a vector may be that was rounded to float16


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and the vectors that stand for them."""

    names: tuple[str, ...] | None
    """(K,) the words; None for learned prompts, which are no words."""
    vectors: NDArray[np.float32]
    """(K, D). Those of words are unit vectors; learned prompts are what training made of them, and the network takes them as they are."""
    background: NDArray[np.float32] | None = None
    """(D,) the vector of the blank name that some lists have as background; None where the list has none."""


def of_names(value: object, names: tuple[str, ...] | None, width: int, where: str) -> WordVectors | None:
    """What a pickled YOLO-World keeps beside its names: (1, K, `width`).

    None where it holds nothing, or the random numbers of a network that was never told words. Raises WeightsError for another shape.
    """
    if value is None:
        return None
    if not isinstance(value, np.ndarray) or value.ndim != 3 or value.shape[0] != 1 or not value.shape[1]:
        found = f"{list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
        raise WeightsError(
            f"{where}: found txt_feats {found}, expected the vectors of its names, [1, names, {width}]; it is damaged or modified"
        )
    vectors = _checked(value[0], width, "txt_feats", where)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if np.any(np.abs(lengths - 1) > _UNIT):
        return None
    if names is None or len(names) != len(vectors):
        logger.warning(
            "%s: it holds vectors of %d words and %s names, so whose they are is unknown: they are left out",
            where,
            len(vectors),
            "no" if names is None else len(names),
        )
        return None
    blank = [i for i, name in enumerate(names) if not name.strip()]
    kept = [i for i in range(len(names)) if i not in blank]
    if not kept:
        return None
    return WordVectors(tuple(names[i] for i in kept), vectors[kept], vectors[blank[0]] if blank else None)


def of_prompts(value: NDArray[np.generic], width: int, where: str) -> WordVectors:
    """The learned prompts of a file whose text tower was replaced by them: (N, `width`). Raises WeightsError for another shape."""
    if value.ndim != 2 or not len(value):
        raise WeightsError(
            f"{where}: found embeddings {list(value.shape)}, expected learned prompts, [prompts, {width}]; it is damaged or modified"
        )
    return WordVectors(None, _checked(value, width, "embeddings", where))


def _checked(vectors: NDArray[np.generic], width: int, name: str, where: str) -> NDArray[np.float32]:
    if vectors.shape[1] != width or vectors.dtype.kind != "f":
        raise WeightsError(
            f"{where}: its {name} are {vectors.shape[1]} numbers a word ({vectors.dtype}), but its network compares words of {width}; "
            "they belong to another text encoder"
        )
    with np.errstate(over="ignore"):
        found = vectors.astype(np.float32)
    if not np.isfinite(found).all():
        raise WeightsError(f"{where}: its {name} hold numbers that are not finite; it is damaged, copy or download it anew")
    return found
