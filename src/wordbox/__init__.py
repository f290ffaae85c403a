"""Wordbox finds things in pictures: a photo and some words in, named boxes out.

    >>> import wordbox
    >>> detector = wordbox.load()
    >>> found = detector.detect("street.jpg", words=["person", "red bus"])  # doctest: +SKIP

The names below are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordbox.api import bake, convert, evaluate, export, load
    from wordbox.detection.detections import Detections
    from wordbox.detection.detector import Detector
    from wordbox.errors import WordboxError
    from wordbox.pipelines import pipeline
    from wordbox.vocabulary.words import Vocabulary

__all__ = [
    "Detections",
    "Detector",
    "Vocabulary",
    "WordboxError",
    "__version__",
    "bake",
    "convert",
    "evaluate",
    "export",
    "load",
    "pipeline",
]

__version__ = "0.1.0"

_HOMES = {
    "Detections": "wordbox.detection.detections",
    "Detector": "wordbox.detection.detector",
    "Vocabulary": "wordbox.vocabulary.words",
    "WordboxError": "wordbox.errors",
    "bake": "wordbox.api",
    "convert": "wordbox.api",
    "evaluate": "wordbox.api",
    "export": "wordbox.api",
    "load": "wordbox.api",
    "pipeline": "wordbox.pipelines",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wordbox' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
