"""The file of words that goes with an exported YOLO-World: its text encoder, or the vectors of its own names, named by checksum."""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from wordbox.encoding import partner_of
from wordbox.errors import InputError
from wordbox.manifest import Partner
from wordbox.opening import Model
from wordbox.specs import YoloWorldSpec
from wordbox.vocabulary import files
from wordbox.vocabulary.encoders import EncoderIdentity

logger = logging.getLogger("wordbox")


@contextmanager
def drafted(model: Model, out: Path) -> Iterator[tuple[Model, Path]]:
    """`model` as its export to `out` is to say of itself, and a path that its partner lies beside while the block runs.

    The partner goes beside `out` when the block ends well, and nowhere otherwise. A model of fixed classes, one that has nothing to give,
    and wordbox-nano, whose partner is in this package, come as they are. Raises WeightsError where a partner that the model names is
    missing or another file, InputError where another file has its name beside `out`.
    """
    if not model.manifest.open or not isinstance(model.manifest.spec, YoloWorldSpec):
        yield model, model.path
        return
    with _told(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=out.parent, prefix=".wordbox-", ignore_cleanup_errors=True)
    with folder:
        with _told(out):
            path, identity = _draft(model, Path(folder.name), out)
        if path is None:
            yield model, model.path
            return
        partner = Partner(name=path.name, sha256=_sha256(path))
        yield replace(model, manifest=replace(model.manifest, encoder=partner, words_from=identity)), path
        with _told(out):
            os.replace(path, out.with_name(path.name))
        logger.warning("%s: its words need %s, which lies beside it; keep the two together", out, path.name)


def _draft(model: Model, folder: Path, out: Path) -> tuple[Path | None, EncoderIdentity | None]:
    """The partner, in `folder` unless it is beside `out` already, and which encoder its vectors are of; None where there is none."""
    facts = model.manifest
    if model.text:
        from wordbox import towers  # brings the runtimes

        tower, path = towers.from_arrays(model.text, model.path, model.path.parent), folder / f"{out.stem}.text.onnx"
        towers.export(tower, path, "float32")
        return path, tower.identity
    if model.words is not None:
        path = folder / f"{out.stem}{files.ENDING}"
        files.save(path, model.words)
        return path, model.words.identity
    if facts.encoder is None:
        return None, None
    source, there = partner_of(model.path, facts.encoder), out.with_name(facts.encoder.name)
    if not os.path.exists(there):
        return Path(shutil.copyfile(source, folder / source.name)), facts.words_from
    if not there.is_file() or _sha256(there) != facts.encoder.sha256:
        raise InputError(f"{there} is another file than the one of that name that {model.path} needs; export to another folder")
    return there, facts.words_from


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """What the system says of a place that cannot be written becomes an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot get its words beside it ({error.strerror}; {out.resolve()}); choose another place") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
