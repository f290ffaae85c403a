"""Every error that Wordbox raises on purpose, as one family.

    WordboxError                   catch this to catch them all
    ├── InputError                 an argument that cannot be used                 (also a ValueError)
    │   ├── ImageError             a picture that cannot be read
    │   ├── SourceError            a path, pattern or address without pictures
    │   ├── VocabularyError        words that cannot be used
    │   └── DatasetError           labels that cannot be read
    ├── WeightsError               a model file that cannot be read or does not fit (also a ValueError)
    ├── EngineError                the runtime refused a graph or its inputs        (also a RuntimeError)
    └── MissingExtraError          an optional package is not installed             (also an ImportError)

A message is one line: what was found, what was expected, where, and what to do.
"""

import importlib
from types import ModuleType


class WordboxError(Exception):
    """Root of every error that Wordbox raises on purpose."""

    def __init__(self, message: str = "") -> None:
        """Say `message`, on one line whatever names of files and their contents hold: what cannot be printed is escaped."""
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class InputError(WordboxError, ValueError):
    """An argument that cannot be used."""


class ImageError(InputError):
    """A picture that cannot be read."""


class SourceError(InputError):
    """A path, pattern or address that leads to no picture."""


class VocabularyError(InputError):
    """Words that cannot be used."""


class DatasetError(InputError):
    """Labels or a dataset that cannot be read."""


class WeightsError(WordboxError, ValueError):
    """A model file that cannot be read, or whose contents do not fit together."""


class EngineError(WordboxError, RuntimeError):
    """The runtime refused a graph, or what it was fed."""


class MissingExtraError(WordboxError, ImportError):
    """An optional package is not installed."""


def first_line(error: Exception) -> str:
    """What a foreign error says, as far as it fits into one of ours."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def extra_module(name: str, extra: str) -> ModuleType:
    """The module `name`, which belongs to the optional dependencies called `extra`.

    Raises MissingExtraError with the line that installs it. This is the one place where a missing extra is reported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"the package {name.partition('.')[0]} is not installed ({error}); it comes with: pip install 'wordbox[{extra}]'"
        ) from error
