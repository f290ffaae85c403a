"""Which of a model's labels a user asked for."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import VocabularyError
from wordbox.vocabulary.words import word_key

SHOWN = 10
"""How many labels a message lists before it only counts them."""


def chosen(classes: Iterable[str | int], words: Sequence[str]) -> NDArray[np.bool_]:
    """(K,) bool: which of the K `words` are named in `classes`, by name (case and spaces aside) or by position from 0.

    Text such as "3" is a position where no word is called so. Raises VocabularyError that lists the words nearest to an unknown name.
    """
    position = {word_key(word): place for place, word in enumerate(words)}
    wanted = np.zeros(len(words), np.bool_)
    for entry in classes:
        place = entry if isinstance(entry, int) else position.get(word_key(entry))
        if place is None and isinstance(entry, str) and entry.isdecimal() and len(entry) < 10:
            place = int(entry)
        if place is None:
            raise VocabularyError(f"found the class {entry!r}, which is none of the labels looked for; {_nearest(entry, position, words)}")
        if not 0 <= place < len(words):
            raise VocabularyError(f"found the class {entry!r}; expected a position from 0 to {len(words) - 1}, or a name")
        wanted[place] = True
    return wanted


def _nearest(entry: str | int, position: dict[str, int], words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word_key(str(entry)), position, n=5, cutoff=0.6)
    if near:
        return f"did you mean {', '.join(repr(words[position[key]]) for key in near)}?"
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"expected some of {', '.join(words[:SHOWN])}{more}"
