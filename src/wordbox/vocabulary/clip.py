"""CLIP as a text encoder: phrases through tokenizer and tower, each once, those of like length together."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wordbox.engines.base import Engine
from wordbox.errors import EngineError
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.tokens import ClipTokenizer

_TOGETHER = 32  # prompts of a run: enough to keep every processor busy, and 77 tokens each stay below 100 MB


class ClipEncoder:
    """Turns phrases into CLIP's vectors. Implements `encoders.TextEncoder`; it may be called from several threads at once."""

    def __init__(self, engine: Engine, tokenizer: ClipTokenizer, identity: EncoderIdentity, precision: str = "float32") -> None:
        """Join a tower's `engine` (see `graphs.clip_text`), with matrices kept in `precision`, and its tokenizer.

        Raises EngineError for another graph.
        """
        width = engine.outputs["vectors"].shape[-1] if "vectors" in engine.outputs else None
        if "tokens" not in engine.inputs or width is None:
            raise EngineError(f"found a graph that takes {sorted(engine.inputs)} and gives {sorted(engine.outputs)}, expected a text tower")
        self._engine, self._tokenizer, self._identity, self._width = engine, tokenizer, identity, width
        self.precision = precision
        """How its matrices are kept: vectors of another precision are near, and others."""

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder it is."""
        return self._identity

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return self._width

    def encode(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (K, D) float32. A phrase longer than the tower's context is cut, which is logged."""
        distinct = list(dict.fromkeys(phrases))
        ids = dict(zip(distinct, map(tuple, self._tokenizer.encode(distinct)), strict=True))
        prompts = sorted(set(ids.values()), key=lambda prompt: (len(prompt), prompt))
        place = {prompt: i for i, prompt in enumerate(prompts)}
        vectors = np.concatenate([np.zeros((0, self._width), np.float32), *self._run(prompts)])
        return vectors[[place[ids[phrase]] for phrase in phrases]] if phrases else vectors

    def unknown(self, phrases: Sequence[str]) -> list[str]:
        """No phrase: every text has a vector."""
        return []

    def _run(self, prompts: Sequence[tuple[int, ...]]) -> Iterator[NDArray[np.float32]]:
        """Vectors of prompts that are sorted by length; behind its end a prompt may hold anything."""
        for first in range(0, len(prompts), _TOGETHER):
            chunk = prompts[first : first + _TOGETHER]
            tokens = np.full((len(chunk), len(chunk[-1])), self._tokenizer.end, np.int64)
            for row, prompt in zip(tokens, chunk, strict=True):
                row[: len(prompt)] = prompt
            yield self._engine.run({"tokens": tokens})["vectors"]
