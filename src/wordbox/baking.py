"""A model baked: an open one and some words become one of fixed classes, which needs no words and no text encoder any more."""

from dataclasses import replace

import numpy as np

from wordbox.errors import VocabularyError, WeightsError
from wordbox.graphs.fold_words import fold_words
from wordbox.manifest import Manifest
from wordbox.opening import Model
from wordbox.specs import NanoSpec, YoloWorldSpec
from wordbox.vocabulary.words import BACKGROUND, EmbeddedVocabulary


def check(model: Model) -> None:
    """Raise WeightsError where no words can be folded into `model`: its classes are fixed already, or its file holds no named arrays."""
    if model.manifest.open and model.arrays is None:
        raise WeightsError(f"{model.path}: a graph, whose weights have no names; bake the checkpoint that it was made from")
    if not model.manifest.open:
        shown = ", ".join(model.manifest.names[:5]) + (", ..." if len(model.manifest.names) > 5 else "")
        raise WeightsError(f"{model.path}: its classes are fixed already ({shown}); bake a model that takes words")


def bake(model: Model, vocabulary: EmbeddedVocabulary) -> Model:
    """`model` with the words of `vocabulary` folded in; it finds what the open one finds with them.

    Raises WeightsError as `check` does, or where its arrays do not fit; VocabularyError where the encoder knows nothing of a word.
    """
    check(model)
    model.check()
    facts, spec, arrays = model.manifest, model.manifest.spec, model.arrays
    assert isinstance(spec, NanoSpec | YoloWorldSpec), "no other family takes words"
    assert arrays is not None
    if vocabulary.unknown:
        unknown = ", ".join(map(repr, vocabulary.unknown))
        raise VocabularyError(f"the text encoder knows nothing of {unknown}, so they cannot be baked; leave them out")
    owners = np.where(vocabulary.owners == BACKGROUND, len(vocabulary.labels), vocabulary.owners)
    rows = np.argsort(owners, kind="stable")  # label by label, the background last
    counts = np.bincount(owners, minlength=len(vocabulary.labels) + 1).tolist()
    background = counts.pop()
    folded, found = fold_words(spec, arrays, vocabulary.vectors[rows], counts, background)
    manifest = replace(
        facts,
        names=vocabulary.labels,
        open=False,
        spec=folded,
        encoder=None,
        background=None,
        words_from=None,
        origin=f"{facts.origin}; {len(vocabulary.labels)} words folded in" if facts.origin else "",
    )
    return Model(model.path, manifest, found, {}, None)


def said_of(manifest: Manifest) -> str:
    """What became of the words of a model, in a sentence."""
    spec = manifest.spec
    if manifest.open:
        return "nothing is baked: words are an input"
    if not isinstance(spec, NanoSpec | YoloWorldSpec):
        return "nothing is baked: it was trained for its classes"
    if isinstance(spec, YoloWorldSpec) and spec.version == "v1":
        return "version 1: the words are constants, and still look at each picture"
    return "the words are in the weights: convolutions of fixed classes"
