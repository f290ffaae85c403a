"""Vectors that were computed once, on disk, by the text encoder's checksum and the exact text.

A database of SQLite in the cache folder, which several processes may use at once. It only ever saves time: where it cannot be read or
written, that is logged once and everything goes on without it.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import sqlite3

logger = logging.getLogger("wordbox")

FILE = "words.sqlite"
"""What the file in the cache folder is called; it may be deleted at any time."""
MOST = 20_000
"""Vectors that are kept, 40 MB at a width of 512; the oldest go first."""
_AT_ONCE = 500  # parameters in one question; SQLite's least limit is 999
_WAIT = 2.0  # seconds for another process to finish writing


class VectorCache:
    """Vectors by checksum and text; it may be called from several threads and processes at once."""

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        """Keep the file in `folder`, which is made when something is kept; `most` is how many vectors stay."""
        self.path = folder / FILE
        """The file."""
        self._most = most
        self._broken = False

    def get(self, sha256: str, texts: Sequence[str], width: int) -> dict[str, NDArray[np.float32]]:
        """Those of `texts` that the encoder with this checksum was asked before, each with its vector (D,)."""
        found: dict[str, NDArray[np.float32]] = {}

        def read(base: "sqlite3.Connection") -> None:
            for start in range(0, len(texts), _AT_ONCE):
                part = texts[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = base.execute(f"SELECT text, vector FROM vectors WHERE encoder = ? AND text IN ({marks})", (sha256, *part))
                found.update({text: np.frombuffer(data, "<f4").astype(np.float32) for text, data in rows if _fits(data, width)})

        if os.path.exists(self.path):
            self._with(read)
        return {text: vector for text, vector in found.items() if abs(float(vector @ vector) - 1) < 1e-3}

    def put(self, sha256: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep the vectors of these texts."""
        rows = [(sha256, text, np.ascontiguousarray(vector, "<f4").tobytes()) for text, vector in vectors.items()]

        def write(base: "sqlite3.Connection") -> None:
            with base:  # one transaction
                base.executemany("INSERT OR REPLACE INTO vectors (encoder, text, vector) VALUES (?, ?, ?)", rows)
                base.execute("DELETE FROM vectors WHERE rowid <= (SELECT max(rowid) FROM vectors) - ?", (self._most,))

        self._with(write)

    def _with(self, work: "Callable[[sqlite3.Connection], None]") -> None:
        """Do `work` with the database; trouble is logged, and ends the use of the cache."""
        if self._broken:
            return
        try:
            import sqlite3  # some builds of Python lack it, and most runs need none
        except ImportError as error:
            self._give_up(error)
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as base:
                base.execute("CREATE TABLE IF NOT EXISTS vectors (encoder TEXT, text TEXT, vector BLOB, UNIQUE (encoder, text))")
                work(base)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        logger.warning("%s: vectors of words are not kept there (%s); delete the file if it is damaged", self.path, error)


def _fits(data: object, width: int) -> bool:
    return isinstance(data, bytes) and len(data) == 4 * width
