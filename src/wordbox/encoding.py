"""Which text encoder an open model's words go through: its table, or known vectors in front of CLIP's tower, wherever that lies."""

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from wordbox.errors import InputError, VocabularyError, WeightsError
from wordbox.manifest import Manifest, Partner
from wordbox.published.find import cache_folder, checksum
from wordbox.specs import YoloWorldSpec
from wordbox.vocabulary import files
from wordbox.vocabulary.cache import Seen, VectorCache, state_of
from wordbox.vocabulary.encoders import CLIP_ENDINGS, CLIP_FILES, CLIP_TOWERS, EncoderIdentity, TextEncoder
from wordbox.vocabulary.known import KnownWords, check_fits
from wordbox.vocabulary.table import TableEncoder
from wordbox.vocabulary.words import EmbeddedVocabulary, of_vectors

logger = logging.getLogger("wordbox")

MODELS = Path(__file__).parent / "models"
_EXPECTED = f"expected a text encoder: a folder of CLIP from Hugging Face, a {', '.join(CLIP_ENDINGS)}, or a {files.ENDING}"


def encoder_of(
    model: Path,
    manifest: Manifest,
    *,
    synonyms: bool = True,
    known: EmbeddedVocabulary | None = None,
    has_tower: bool = False,
    named: str | Path | None = None,
    threads: int | None = None,
) -> TextEncoder | None:
    """The text encoder of the open model in the file `model`; None where classes are fixed.

    wordbox-nano's is a table of words. YOLO-World's is CLIP's text tower, opened when a word is asked for that has no vector yet: the one
    that is `named` (a folder, a file, or a `.vocab.safetensors` of known words), else the one inside the model (`has_tower`), or beside it,
    or in the cache folder; a vocabulary that is found first stands before it. `known` are vectors that came with the model. Raises
    WeightsError or InputError.
    """
    if not manifest.open:
        if named is not None:
            raise InputError(f"{model}: its classes are fixed, so it takes no text encoder; leave {named} out")
        return None
    spec = manifest.spec
    if not isinstance(spec, YoloWorldSpec):
        if named is not None:
            raise InputError(f"{model}: its words go through its own table, so it takes no other text encoder; leave {named} out")
        return _table(model, manifest, synonyms)
    identity = manifest.words_from or identity_of(spec)
    if named is not None:
        _check_named(Path(named), model, identity)
    stored: Path | None = None
    tower: Path | None = None
    for path in _candidates(model, manifest, identity, None if named is None else Path(named), has_tower):
        if files.is_file(path):
            stored = stored or Path(path)
        elif not identity.learned:  # no tower gives vectors that go with learned ones
            tower = path
            break
    vocabularies = [] if known is None else [known]
    if stored is not None:
        vocabularies.append(files.load(stored))
        check_fits(vocabularies[-1], identity, spec.embedding, str(stored))
    cache = VectorCache(cache_folder())
    if tower is None:
        return KnownWords(identity, spec.embedding, vocabularies, None, cache, stored=str(stored or ""))
    seen = _seen(tower, cache)
    if seen is not None and seen.identity.same_as(identity):
        identity = seen.identity
        if stored is not None:
            check_fits(vocabularies[-1], identity, spec.embedding, str(stored))  # now that the tower's checksum is known
    # an exported tower says in what precision it is once it is read; all others are whole
    precision = seen.precision if seen is not None else None if tower.suffix.lower() == ".onnx" else "float32"
    opened = partial(_opened, tower, cache, threads)
    return KnownWords(identity, spec.embedding, vocabularies, opened, cache, precision=precision, tower_at=str(tower))


def with_vectors(encoder: TextEncoder | None, manifest: Manifest) -> TextEncoder | None:
    """`encoder`, or, where it has no vectors for the model's own names, one that gives them noise: enough to compare two engines with."""
    if encoder is None:
        return None
    try:
        encoder.encode(manifest.names)
    except VocabularyError:
        rng = np.random.default_rng(0)
        noise = rng.normal(size=(len(manifest.names), encoder.width)) / np.sqrt(encoder.width)
        logger.warning("%s: there are no vectors for its own names, so both sides are given noise in place of words", manifest.name)
        known = of_vectors(manifest.names, noise.astype(np.float32), encoder.identity)
        return KnownWords(encoder.identity, encoder.width, [known])
    return encoder


def partner_of(model: Path, partner: Partner) -> Path:
    """The file beside the model that its manifest names. Raises WeightsError where it is not there, or is another one."""
    path = model.parent / partner.name
    if not _is_partner(path, partner):
        raise _no_partner(model, partner, path, "not found at {}")
    return path


def identity_of(spec: YoloWorldSpec) -> EncoderIdentity:
    """The text encoder that a network with words of that width was published with."""
    return EncoderIdentity(name=CLIP_TOWERS.get(spec.embedding, f"clip-text-{spec.embedding}"))


def _table(model: Path, manifest: Manifest, synonyms: bool) -> TextEncoder | None:
    partner = manifest.encoder
    if partner is None:
        return None
    tried = [model.parent / partner.name, MODELS / partner.name]
    for path in tried:
        if _is_partner(path, partner):
            return TableEncoder.load(path, synonyms=synonyms, sha256=partner.sha256)
    raise _no_partner(model, partner, tried[0], "found neither at {} nor in this package")


def _check_named(named: Path, model: Path, identity: EncoderIdentity) -> None:
    """Raise WeightsError or InputError where `named` can be no text encoder of the model, as far as that is seen without reading it."""
    if files.is_file(named):
        return
    if not os.path.exists(named):
        raise WeightsError(f"{named}: no such text encoder (looked for {named.resolve()}); {_EXPECTED}")
    if identity.learned:
        raise InputError(f"{model}: it takes its own labels only, those of {identity}, so it takes no text encoder; leave {named} out")
    if _weights(named) is None:
        found = f"a folder without {' or '.join(CLIP_FILES)}" if named.is_dir() else f"a file that ends in {named.suffix!r}"
        raise WeightsError(f"{named}: {found}, {_EXPECTED} (looked in {named.resolve()})")


def _weights(tower: Path) -> Path | None:
    """The file that holds the numbers of a tower; None where there is none of that kind."""
    if tower.is_dir():
        return next((path for name in CLIP_FILES if (path := tower / name).is_file()), None)
    return tower if tower.suffix.lower() in CLIP_ENDINGS else None


def _candidates(model: Path, manifest: Manifest, identity: EncoderIdentity, named: Path | None, has_tower: bool) -> Iterator[Path]:
    """Towers, and files of known words, that belong to the model, the nearest first."""
    if named is not None:
        yield named
    if has_tower:
        yield model
    partner = manifest.encoder
    if partner is not None and named is None:
        yield partner_of(model, partner)
    elif partner is not None and _is_partner(model.parent / partner.name, partner):  # whoever names another needs none
        yield model.parent / partner.name
    for folder in (model.parent, cache_folder()):
        for ending in ("", ".onnx", files.ENDING):
            if (path := folder / f"{identity.name}{ending}").exists():
                yield path


def _seen(tower: Path, cache: VectorCache) -> Seen | None:
    """Which text encoder the file holds, where it was read before."""
    state = _state(tower)
    return cache.seen(tower, state) if state else None


def _state(tower: Path) -> str:
    """What changes when the tower does; empty where that cannot be told."""
    weights = _weights(tower)
    try:
        return "" if weights is None else f"{weights.name} {state_of(weights)}"
    except OSError:
        return ""


def _opened(tower: Path, cache: VectorCache, threads: int | None) -> TextEncoder:
    from wordbox import towers  # brings the runtimes

    logger.warning("opening the text encoder in %s for words that have no vector yet", tower)
    state = _state(tower)  # before it is read: what is put in its place meanwhile has another
    found = towers.read(tower).encoder(threads)
    if state:
        cache.see(tower, state, Seen(found.identity, found.precision))
    return found


def _is_partner(path: Path, partner: Partner) -> bool:
    return path.is_file() and checksum(path) == partner.sha256


def _no_partner(model: Path, partner: Partner, beside: Path, where: str) -> WeightsError:
    return WeightsError(
        f"{model}: its text encoder {partner.name} (sha256 {partner.sha256[:12]}...) was {where.format(beside)}; "
        "put that file beside the model"
    )
