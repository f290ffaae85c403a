"""The file of words that goes with an exported YOLO-World: its text encoder, or the vectors of its own names, named by checksum."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wordbox.encoding import identity_of, partner_of
from wordbox.errors import InputError, WeightsError
from wordbox.manifest import Partner
from wordbox.opening import Model
from wordbox.published.find import checksum
from wordbox.specs import YoloWorldSpec
from wordbox.vocabulary import files
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.known import KnownWords
from wordbox.vocabulary.words import BACKGROUND, EmbeddedVocabulary, word_key

if TYPE_CHECKING:
    from wordbox.towers import Tower

logger = logging.getLogger("wordbox")


class Draft(NamedTuple):
    """A model that is about to be exported, and its partner."""

    model: Model
    """As its export is to say of itself."""
    words: Path
    """A path that the partner lies beside."""
    partner: Path | None
    """The partner, where it must still be moved beside the export; None where it is there, or none is needed."""


@contextmanager
def drafted(model: Model, out: Path, named: str | Path | None = None) -> Iterator[Draft]:
    """`model` with the partner of its export to `out`, which stays in a folder of its own beside `out` until the block ends.

    The partner is `named`, a text encoder or vectors, or what came with the model. A model of fixed classes, one that has nothing to give,
    and wordbox-nano, whose partner is in this package, come as they are. Raises WeightsError where a partner that the model names is
    missing or another file, or `named` does not belong to it; InputError where another file has the partner's name beside `out`.
    """
    spec = model.manifest.spec
    if not model.manifest.open or not isinstance(spec, YoloWorldSpec):
        yield Draft(model, model.path, None)
        return
    with _told(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=out.parent, prefix=".wordbox-", ignore_cleanup_errors=True)
    with folder:
        with _told(out):
            found, identity = _found(model, spec, named, Path(folder.name), out)
            partner = None if found is None else Partner(name=found.name, sha256=checksum(found))
            lies = partner is not None and _lies_there(out.with_name(partner.name), partner.sha256)
        if found is None or partner is None:
            yield Draft(model, model.path, None)
            return
        said = replace(model, manifest=replace(model.manifest, encoder=partner, words_from=identity))
        yield Draft(said, out if lies else found, None if lies else found)
        logger.warning("%s: its words need %s, which lies beside it; keep the two together", out, partner.name)


def _found(
    model: Model, spec: YoloWorldSpec, named: str | Path | None, folder: Path, out: Path
) -> tuple[Path | None, EncoderIdentity | None]:
    """The partner, in `folder` unless it is beside `out` already, and which encoder its vectors are of; None where there is none."""
    facts, words = model.manifest, model.words
    vocabulary = Path(named) if files.is_file(named) else None
    if model.text or (named is not None and vocabulary is None):
        from wordbox import towers  # brings the runtimes

        inside = named is None or vocabulary is not None  # a tower gives the vectors of a vocabulary too
        tower = towers.from_arrays(model.text, model.path, model.path.parent) if inside else towers.read(Path(str(named)))
        if not inside:
            _check_belongs(tower, model, spec)
        path = folder / f"{out.stem}.text.onnx"
        if tower.exported is not None:
            shutil.copyfile(tower.path, path)
        else:
            towers.export(tower, path, "float32")
        return path, tower.identity
    if vocabulary is not None:
        words = _joined(words, files.load(vocabulary))
    if words is not None:
        path = folder / f"{out.stem}{files.ENDING}"
        files.save(path, words)
        return path, words.identity
    if facts.encoder is None:
        return None, None
    source, there = partner_of(model.path, facts.encoder), out.with_name(facts.encoder.name)
    if _lies_there(there, facts.encoder.sha256):
        return there, facts.words_from
    return Path(shutil.copyfile(source, folder / source.name)), facts.words_from


def _lies_there(place: Path, sha256: str) -> bool:
    """Whether the partner is at `place` already. Raises InputError where something else is, which nobody may lose."""
    if not os.path.lexists(place):
        return False
    if not place.is_file() or checksum(place) != sha256:
        raise InputError(f"{place} is another file than the one that this export needs there; move it, or give the export another name")
    return True


def _check_belongs(tower: "Tower", model: Model, spec: YoloWorldSpec) -> None:
    """Raise WeightsError where a tower is not the one that the model was made for, as far as its own vectors tell."""
    wanted = model.manifest.words_from or identity_of(spec)
    if tower.spec.projection != spec.embedding or not tower.identity.same_as(wanted):
        raise WeightsError(
            f"{tower.path}: found the text encoder {tower.identity}, which gives vectors of {tower.spec.projection} numbers; {model.path} "
            f"was made for {wanted} with {spec.embedding}; name that one"
        )
    if model.words is not None:
        KnownWords(wanted, spec.embedding, [model.words]).agrees(tower.encoder())


def _joined(own: EmbeddedVocabulary | None, other: EmbeddedVocabulary) -> EmbeddedVocabulary:
    """The vectors of a model's own names, and those of `other` that they lack."""
    if own is None:
        return other
    if own.prompt != other.prompt:
        logger.warning("the vectors of the model's own names are not exported: the vocabulary has the prompt %r", other.prompt)
        return other
    numbers = {word_key(label): number for number, label in enumerate(own.labels)}
    fresh = [label for label in other.labels if word_key(label) not in numbers]
    numbers |= {word_key(label): number for number, label in enumerate(fresh, len(numbers))}
    owners = [numbers[word_key(other.labels[owner])] if owner != BACKGROUND else owner for owner in other.owners.tolist()]
    held = set(zip(own.owners.tolist(), own.phrases, strict=True))
    rows = [
        row
        for row, pair in enumerate(zip(owners, other.phrases, strict=True))
        if pair not in held and (pair[0] != BACKGROUND or own.background is None)
    ]
    return EmbeddedVocabulary(
        labels=(*own.labels, *fresh),
        vectors=np.concatenate([own.vectors, other.vectors[rows]]),
        known=np.concatenate([own.known, other.known[rows]]),
        owners=np.concatenate([own.owners, np.array([owners[row] for row in rows], np.int64)]),
        identity=own.identity if own.identity.sha256 else other.identity,
        phrases=(*own.phrases, *(other.phrases[row] for row in rows)),
        prompt=own.prompt,
        licence="; ".join(dict.fromkeys(filter(None, (own.licence, other.licence)))),
        origin="; ".join(dict.fromkeys(filter(None, (own.origin, other.origin)))),
    )


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """What the system says of a place that cannot be written becomes an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot get its words beside it ({error.strerror}; {out.resolve()}); choose another place") from error
