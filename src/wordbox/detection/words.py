"""Words as the engine takes them: padded and masked where pictures have different ones, for as many pictures at once as memory bears."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from wordbox.engines.base import Array
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, Words

MOST_PAIRS = 20_000_000
"""Most products of pictures, cells and phrases in one run; an engine holds a few float32 for each."""
STRIDES = (8, 16, 32)
"""Canvas pixels a cell of each level of the open networks."""

_ALONE = (list, tuple, Mapping, Path, Vocabulary, EmbeddedVocabulary)


def is_one_each(words: Any) -> TypeGuard[Sequence[Words | None]]:
    """Whether `words` holds a vocabulary a picture (None: the detector's own), not plain words: then a string among them is one, too."""
    if not isinstance(words, list | tuple) or not all(word is None or isinstance(word, (str, *_ALONE)) for word in words):
        return False
    return any(not isinstance(word, str) for word in words)


def padded(vocabularies: Sequence[EmbeddedVocabulary]) -> dict[str, Array]:
    """The inputs `words` (B or 1, P, D) and `words_mask` (B or 1, P): one row for all where they share a vocabulary, else one each,
    padded and masked."""
    if all(vocabulary is vocabularies[0] for vocabulary in vocabularies):
        return {"words": vocabularies[0].vectors[None], "words_mask": vocabularies[0].known[None]}
    longest = max(len(vocabulary.vectors) for vocabulary in vocabularies)
    words = np.zeros((len(vocabularies), longest, vocabularies[0].width), np.float32)
    mask = np.zeros(words.shape[:2], np.bool_)
    for i, vocabulary in enumerate(vocabularies):
        words[i, : len(vocabulary.vectors)] = vocabulary.vectors
        mask[i, : len(vocabulary.known)] = vocabulary.known
    return {"words": words, "words_mask": mask}


def runs(vocabularies: Sequence[EmbeddedVocabulary | None], canvas: tuple[int, int], most: int) -> Iterator[slice]:
    """Which of the pictures with these vocabularies, on canvases (height, width), run together: at most `most`, and as many as
    `MOST_PAIRS` allows, but one at least."""
    cells = sum((canvas[0] // stride) * (canvas[1] // stride) for stride in STRIDES)
    start, longest = 0, 0
    for position, vocabulary in enumerate(vocabularies):
        longest = max(longest, 0 if vocabulary is None else len(vocabulary.vectors))
        count = position - start + 1
        if count > 1 and (count > most or count * cells * longest > MOST_PAIRS):
            yield slice(start, position)
            start, longest = position, 0 if vocabulary is None else len(vocabulary.vectors)
    yield slice(start, len(vocabularies))
