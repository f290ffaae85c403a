"""A model's arrays written under the names of whoever is to read them: Wordbox, YOLO-World's authors, or Ultralytics."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.checkpoints import clip_names, layouts, native, torch_writer
from wordbox.checkpoints.word_vectors import WordVectors
from wordbox.errors import InputError, WeightsError
from wordbox.opening import KNOWN, Model
from wordbox.vocabulary.words import BACKGROUND, EmbeddedVocabulary, word_key

logger = logging.getLogger("wordbox")

LAYOUTS = {"native": (".safetensors",), "official": (".pth", ".safetensors"), "ultralytics": (".pt", ".safetensors")}
"""Every layout, and what the names of its files end in."""


def check(out: Path, layout: str, source: Path) -> None:
    """Raise InputError where `out` cannot hold that layout, or is the file `source` itself."""
    if layout not in LAYOUTS:
        raise InputError(f"found the layout {layout!r}, expected one of {', '.join(LAYOUTS)}")
    endings = LAYOUTS[layout]
    if out.suffix.lower() not in endings:
        raise InputError(f"{out}: found the ending {out.suffix!r}, expected {' or '.join(endings)}{_hint(out)}")
    if out.resolve() == source.resolve():
        raise InputError(f"{out} is the checkpoint itself; choose another name")


def _hint(out: Path) -> str:
    others = [layout for layout, endings in LAYOUTS.items() if out.suffix.lower() in endings]
    return f"; that is one of the layout {others[0]} (--layout)" if others else "; wordbox export writes other forms"


def write(model: Model, out: Path, layout: str) -> None:
    """Write `model` to `out`, whole or not at all. Values keep their bits.

    A file of ours holds what came with the network too: a text tower, and vectors of its names. Raises WeightsError where the layout has
    no names for this network, InputError where `out` cannot be written.
    """
    stored = _stored(model, layout)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if layout == "native":
            native.write(out, stored, model.manifest)
        elif out.suffix.lower() == ".safetensors":
            native.write(out, stored, None)
        else:
            torch_writer.write(out, stored)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}; {out.resolve()}); choose another place") from error


def _stored(model: Model, layout: str) -> Mapping[str, NDArray[Any]]:
    spec, arrays = model.manifest.spec, model.arrays
    if arrays is None:
        raise WeightsError(
            f"{model.path}: it holds a graph and no named arrays, so it cannot be converted; use the checkpoint it was made from"
        )
    if layout == "native":
        known = {} if model.words is None else {KNOWN: _with_background(model.words, model.manifest.names)}
        return {**arrays, **{clip_names.OURS + name: array for name, array in model.text.items()}, **known}
    where = str(model.path)
    if spec is None:
        raise WeightsError(f"{where}: its manifest names no network, so its arrays have no other names; leave the layout out")
    if layout == "ultralytics":
        found = layouts.to_ultralytics(spec, arrays, where)
        _say_lost(model, layout, ["its text tower"] * bool(model.text) + ["the vectors of its words"] * (model.words is not None))
        return found
    learned = model.words is not None and model.words.identity.learned
    words = None if model.words is None else WordVectors(None, _vectors(model.words, model.manifest.names))
    found = layouts.to_official(spec, arrays, model.text, words if learned else None, where)
    _say_lost(model, layout, [] if learned or words is None else ["the vectors of its words"])
    return found


def _vectors(words: EmbeddedVocabulary, names: Sequence[str]) -> NDArray[np.float32]:
    """A vector for each of `names`, those that stand twice too, of which `words` keeps one."""
    rows = {word_key(label): row for row, label in enumerate(words.labels)}
    return words.vectors[[rows[word_key(name)] for name in names]]


def _with_background(words: EmbeddedVocabulary, names: Sequence[str]) -> NDArray[np.float32]:
    """The same, and behind them the vector of the background where `words` has one."""
    return np.concatenate([_vectors(words, names), words.vectors[words.owners == BACKGROUND][:1]])


def _say_lost(model: Model, layout: str, parts: Sequence[str]) -> None:
    lost = ["its manifest with names, thresholds and origin", *parts]
    logger.warning("%s: the layout %s has no place for %s; Wordbox's own keeps all", model.path, layout, " and ".join(lost))
