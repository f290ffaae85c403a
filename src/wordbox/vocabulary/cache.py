"""Vectors that were computed once, on disk, by the text encoder's key and the text, and which files hold which text encoder.

A database of SQLite in the cache folder, which several processes may use at once. It only ever saves time: where it cannot be read or
written, that is logged once and everything goes on without it.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordbox.vocabulary.encoders import EncoderIdentity

if TYPE_CHECKING:
    import sqlite3

logger = logging.getLogger("wordbox")

FILE = "words.sqlite"
"""What the file in the cache folder is called; it may be deleted at any time."""
MOST = 20_000
"""Vectors that are kept, 40 MB at a width of 512; the oldest go first."""
_AT_ONCE = 500  # parameters in one question; SQLite's least limit is 999
_WAIT = 2.0  # seconds for another process to finish writing
_TABLES = (
    "CREATE TABLE IF NOT EXISTS vectors (encoder TEXT, text TEXT, vector BLOB, UNIQUE (encoder, text))",
    "CREATE TABLE IF NOT EXISTS towers (path TEXT PRIMARY KEY, state TEXT, name TEXT, sha256 TEXT, precision TEXT)",
)


class Seen(NamedTuple):
    """A text encoder that a file held."""

    identity: EncoderIdentity
    precision: str
    """How its matrices are kept."""


def state_of(path: Path) -> str:
    """What changes when the file does, told without reading it. Raises OSError."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"  # copies may keep size and time of another


def key_of(sha256: str, precision: str | None) -> str:
    """What vectors are kept under: those of a tower in half precision are others. Empty where either is not known."""
    if not sha256 or not precision:
        return ""
    return sha256 if precision == "float32" else f"{sha256} {precision}"


class VectorCache:
    """Vectors by key and text; it may be called from several threads and processes at once."""

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        """Keep the file in `folder`, which is made when something is kept; `most` is how many vectors stay."""
        self.path = folder / FILE
        """The file."""
        self._most = most
        self._broken = False

    def get(self, key: str, texts: Sequence[str], width: int) -> dict[str, NDArray[np.float32]]:
        """Those of `texts` that the encoder with this key (see `key_of`) was asked before, each with its vector (D,)."""
        found: dict[str, NDArray[np.float32]] = {}

        def read(base: "sqlite3.Connection") -> None:
            for start in range(0, len(texts), _AT_ONCE):
                part = texts[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = base.execute(f"SELECT text, vector FROM vectors WHERE encoder = ? AND text IN ({marks})", (key, *part))
                found.update({text: np.frombuffer(data, "<f4").astype(np.float32) for text, data in rows if _fits(data, width)})

        if key and os.path.exists(self.path):
            self._with(read)
        return {text: vector for text, vector in found.items() if abs(float(vector @ vector) - 1) < 1e-3}

    def put(self, key: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep the vectors of these texts; nothing where `key` is empty."""
        rows = [(key, text, np.ascontiguousarray(vector, "<f4").tobytes()) for text, vector in vectors.items()]

        def write(base: "sqlite3.Connection") -> None:
            with base:  # one transaction
                base.executemany("INSERT OR REPLACE INTO vectors (encoder, text, vector) VALUES (?, ?, ?)", rows)
                base.execute("DELETE FROM vectors WHERE rowid <= (SELECT max(rowid) FROM vectors) - ?", (self._most,))

        if key:
            self._with(write)

    def seen(self, path: Path, state: str) -> Seen | None:
        """The text encoder that was read from the file `path` when it was in this `state` (see `state_of`)."""
        found: list[tuple[str, str, str]] = []

        def read(base: "sqlite3.Connection") -> None:
            asked = "SELECT name, sha256, precision FROM towers WHERE path = ? AND state = ?"
            found.extend(row for row in base.execute(asked, (_text(path), state)) if all(isinstance(value, str) for value in row))

        if os.path.exists(self.path):
            self._with(read)
        try:
            return next((Seen(EncoderIdentity(name=name, sha256=sha256), precision) for name, sha256, precision in found if sha256), None)
        except ValueError:
            return None  # no encoder is called that

    def see(self, path: Path, state: str, seen: Seen) -> None:
        """Keep which text encoder was read from the file `path` in this `state`."""
        row = (_text(path), state, seen.identity.name, seen.identity.sha256, seen.precision)

        def write(base: "sqlite3.Connection") -> None:
            with base:
                base.execute("INSERT OR REPLACE INTO towers (path, state, name, sha256, precision) VALUES (?, ?, ?, ?, ?)", row)

        self._with(write)

    def _with(self, work: "Callable[[sqlite3.Connection], None]") -> None:
        """Do `work` with the database. Trouble is logged, and ends the use of the cache, unless somebody else is only busy with it."""
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
                base.execute("PRAGMA synchronous = OFF")  # a cache may be lost with the machine, and nobody waits long for a lock
                for table in _TABLES:
                    base.execute(table)
                work(base)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                logger.info("%s: passed over this once (%s)", self.path, error)
            else:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        logger.warning("%s: vectors of words are not kept there (%s); delete the file if it is damaged", self.path, error)


def _fits(data: object, width: int) -> bool:
    return isinstance(data, bytes) and len(data) == 4 * width


def _text(path: Path) -> str:
    """The path in letters that every database takes."""
    return ascii(str(path.resolve()))
