"""Which text encoder an open model's words go through: its table, or known vectors in front of CLIP's tower, wherever that lies."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wordbox.errors import InputError, VocabularyError, WeightsError
from wordbox.manifest import Manifest, Partner
from wordbox.published.find import cache_folder
from wordbox.specs import YoloWorldSpec
from wordbox.vocabulary import files
from wordbox.vocabulary.cache import VectorCache
from wordbox.vocabulary.encoders import CLIP_TOWERS, EncoderIdentity, TextEncoder
from wordbox.vocabulary.known import KnownWords, check_fits
from wordbox.vocabulary.table import TableEncoder
from wordbox.vocabulary.words import EmbeddedVocabulary, of_vectors

logger = logging.getLogger("wordbox")

MODELS = Path(__file__).parent / "models"


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
    or in the cache folder. `known` are vectors that came with the model. Raises WeightsError or InputError.
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
    vocabularies = [] if known is None else [known]
    found = Path(named) if named is not None else None if has_tower else _beside(model, manifest, identity)
    tower: Callable[[], TextEncoder] | None = None
    if found is not None and files.is_file(found):
        vocabularies.append(files.load(Path(found)))
        check_fits(vocabularies[-1], identity, spec.embedding, str(found))
        found = None  # a tower inside answers for the words that it lacks
    if found is not None or has_tower:
        source = model if found is None else found
        if not os.path.exists(source):
            raise WeightsError(f"{source}: no such text encoder (looked for {source.resolve()})")

        def tower() -> TextEncoder:
            from wordbox import towers  # brings the runtimes

            logger.warning("opening the text encoder in %s for words that have no vector yet", source)
            return towers.read(source).encoder(threads)

    return KnownWords(identity, spec.embedding, vocabularies, tower, VectorCache(cache_folder()))


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
    if not path.is_file() or _sha256(path) != partner.sha256:
        raise _no_partner(model, partner, path, "not at {}")
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
        if path.is_file() and _sha256(path) == partner.sha256:
            return TableEncoder.load(path, synonyms=synonyms)
    raise _no_partner(model, partner, tried[0], "neither at {} nor in this package")


def _beside(model: Path, manifest: Manifest, identity: EncoderIdentity) -> Path | None:
    """A tower, or a file of known words, that belongs to the model; None where there is none."""
    if manifest.encoder is not None:
        return partner_of(model, manifest.encoder)
    names = (identity.name, f"{identity.name}.onnx", f"{identity.name}{files.ENDING}")
    return next((path for folder in (model.parent, cache_folder()) for name in names if (path := folder / name).exists()), None)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _no_partner(model: Path, partner: Partner, beside: Path, where: str) -> WeightsError:
    return WeightsError(
        f"{model}: its text encoder {partner.name} (sha256 {partner.sha256[:12]}...) was found {where.format(beside)}; "
        "put that file beside the model"
    )
