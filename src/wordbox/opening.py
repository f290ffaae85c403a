"""From what a user names to an opened model: the file found, its arrays or graph read, its Manifest checked against them."""

import difflib
import hashlib
import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wordbox import specs, variants
from wordbox.arrays import arrays
from wordbox.checkpoints import clip_names, native
from wordbox.checkpoints import foreign as checkpoint_of_others
from wordbox.encoding import MODELS, identity_of
from wordbox.errors import VocabularyError, WeightsError
from wordbox.graphs import clip_text, ending, nano, suppression, yolo
from wordbox.graphs import foreign as graph_of_others
from wordbox.graphs.weights import Weights
from wordbox.manifest import Manifest, from_metadata
from wordbox.published import find
from wordbox.published.entries import ENTRIES, Entry, of_size
from wordbox.specs import NanoSpec, Spec, YoloSpec, YoloWorldSpec
from wordbox.vocabulary import files
from wordbox.vocabulary.encoders import LEARNED, EncoderIdentity
from wordbox.vocabulary.words import EmbeddedVocabulary, of_vectors

logger = logging.getLogger("wordbox")

PACKAGED = "wordbox-nano"
OWN_LICENCE = "Apache-2.0"
"""What wordbox-nano, and what is baked or exported of it, stands under."""
KNOWN = "vocabulary"
"""The array of a file of ours that holds the vectors of its names."""
ENDINGS = (".pt", ".pth", ".safetensors", ".onnx", ".xml")
"""What the names of model files end in."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model file, read."""

    path: Path
    manifest: Manifest
    arrays: Mapping[str, NDArray[Any]] | None
    """The network's arrays by our names; None for an ONNX graph."""
    called: Mapping[str, str]
    """What the file itself calls those arrays, where it has other names."""
    exported: onnx.ModelProto | None
    """The deployed graph of an .onnx file, another tool's with our ending."""
    words: EmbeddedVocabulary | None = None
    """Vectors that came with the model: those of its names, or prompts that were learned."""
    text: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The arrays of a text tower that came with the model, by our names; empty where none did."""

    def graph(self) -> onnx.ModelProto:
        """The deployed graph. Raises WeightsError where the arrays are not those of the network, or no graph can be drawn."""
        if self.exported is not None:
            return self.exported
        spec, own = self._network()
        if isinstance(spec, NanoSpec):
            drawn = nano.draw(spec, own, self.manifest.to_metadata(), str(self.path))
        else:
            self._shapes(spec, own)  # before anything is drawn: a small file that describes a huge network fills no memory
            drawn = yolo.draw(spec, own, self.manifest.to_metadata(), str(self.path), self.called)
        _check_drawn(drawn, self.manifest, self.path)
        return drawn

    def check(self) -> None:
        """Raise WeightsError where the arrays are not those of the network, as `graph` does, which takes longer."""
        if self.exported is not None:
            return
        spec, own = self._network()
        if isinstance(spec, NanoSpec):
            self.graph()  # its drawing alone lists its arrays
            return
        fit = self._shapes(spec, own)
        for name, shape in dict(fit.shapes).items():
            fit.take(name, *shape)
        fit.finish()

    def _network(self) -> tuple[Spec, Mapping[str, NDArray[Any]]]:
        if self.manifest.spec is None or self.arrays is None:
            raise WeightsError(f"{self.path}: its manifest names no network, so its arrays cannot be used; make the file anew")
        return self.manifest.spec, self.arrays

    def _shapes(self, spec: YoloSpec, own: Mapping[str, NDArray[Any]]) -> Weights:
        """The arrays, of which each has its shape."""
        fit = Weights(own, str(self.path), self.called)
        fit.shapes.update({named.name: named.shape for named in arrays(spec)})
        fit.finish()
        return fit


def locate(source: str | Path | None) -> Path:
    """The file that `source` means: a path, a published name such as "yolov5s@v3.1", or nothing (or "wordbox-nano"): the packaged model.

    Raises WeightsError where there is none.
    """
    if source in (None, PACKAGED):
        return MODELS / f"{PACKAGED}.safetensors"
    if source == "":
        raise WeightsError(f"found an empty name of a model, expected a file, or nothing for {PACKAGED!r}")
    path = Path(str(source))
    if isinstance(source, str) and "://" in source:
        raise WeightsError(f"{source}: weights are not downloaded; fetch the file yourself and name its path")
    if isinstance(source, str) and is_name(source) and source.lower() not in ENTRIES and os.path.isdir(path):
        raise WeightsError(
            f"{source}: a folder, expected a model file or a published name (looked for {path.resolve()}); one of CLIP's is a text encoder"
        )
    entry = ENTRIES.get(path.stem.lower()) if path.suffix.lower() in (".pt", ".pth") else None
    if entry is not None and not os.path.exists(path):
        raise WeightsError(f"{path}: no such file (looked for {path.resolve()}); {entry.name} can be had from {entry.address}")
    return find.path_of(str(source)) if is_name(source) and not os.path.isfile(path) else path


def is_name(source: str | Path | None) -> bool:
    """Whether `source` looks like the name of a network, not like a file: no folder in it, and no ending of a model file."""
    if not isinstance(source, str) or not source:
        return False
    path = Path(source)
    return path.name == source and path.suffix.lower() not in ENDINGS


def network_called(name: str) -> str:
    """What `wordbox.variants` calls the network behind a published name whose file is not here; its own names stay as they are.

    Raises WeightsError where a file is in its place and is another one.
    """
    entry = ENTRIES.get(name.lower())
    if entry is None:
        if name.lower().startswith("yolo-world"):
            near = ", ".join(difflib.get_close_matches(name.lower(), ENTRIES, 5, 0.4))
            raise WeightsError(f"found no network called {name!r}; the nearest are {near}")
        return name
    find.locate(entry)
    return name if name.lower() in map(str.lower, variants.names()) else entry.variant


def published_facts(name: str) -> dict[str, object]:
    """Licence and origin of the published weights called `name`, as `about` says them; nothing where there are none."""
    entry = ENTRIES.get(name.lower())
    if entry is None:
        return {}
    size = f", {entry.bytes:,} bytes" if entry.bytes else ""
    checksum = f", sha256 {entry.sha256}" if entry.sha256 else ""
    return {"licence": entry.licence, "origin": f"{entry.address}{size}{checksum}; the file is not here, so only its network is described"}


def read(path: Path, *, spec: str | None = None, strict: bool = True) -> Model:
    """The model in the file `path`. `spec` and `strict` are as in `checkpoints.foreign.read`, for files of that kind.

    Raises WeightsError that names the file and its fault.
    """
    if files.is_file(path):
        raise WeightsError(f"{path}: a vocabulary, which holds words and no network; give it as the words, or as the text encoder")
    match path.suffix.lower():
        case ".pt" | ".pth" | ".safetensors":
            model = _arrays(path, spec, strict)
        case ".onnx":
            model = _graph(path, spec)
        case ".xml":
            raise WeightsError(f"{path}: a file of OpenVINO's holds a graph that only OpenVINO reads; use the file that it was made from")
        case _:
            raise WeightsError(
                f"{path}: no model of that kind is known; expected a .pt, .pth, .safetensors, .onnx or .xml file, a published name such as "
                f"yolov5s, or {PACKAGED!r} (looked for {path.resolve()})"
            )
    check_manifest(model.manifest, path)
    return model


def check_manifest(manifest: Manifest, path: Path) -> None:
    """Raise WeightsError where what the file `path` says of itself is too little, or contradicts itself."""
    spec = manifest.spec
    if not manifest.names or (manifest.open and manifest.encoder is None and not isinstance(spec, YoloWorldSpec)):
        lacks = "names" if not manifest.names else "the text encoder of its words"
        raise WeightsError(f"{path}: its manifest lacks {lacks}; make the file anew")
    if spec is not None and (manifest.open != specs.is_open(spec) or (not manifest.open and len(manifest.names) != spec.classes)):
        said = "is open" if manifest.open else f"has {len(manifest.names)} names"
        has = "takes words" if specs.is_open(spec) else f"has {spec.classes} fixed classes"
        raise WeightsError(f"{path}: its manifest {said}, but its network {has}; make the file anew")


def check_published(source: str | Path | None, model: Model) -> None:
    """Raise WeightsError where `source` is a published name and `model`, found under it, is another network than was published."""
    if not isinstance(source, str) or not is_name(source) or source == PACKAGED or model.path == Path(source):
        return
    entry, found = find.find(source), model.manifest.spec
    wanted = variants.named(entry.variant)
    if found is None or not specs.alike(found, wanted):
        raise WeightsError(
            f"{model.path}: its network is not the published {entry.name}; to use it as it is, name its path: {model.path.absolute()}"
        )


def check_graph(taken: Collection[str], given: Collection[str], manifest: Manifest, path: Path) -> None:
    """Raise WeightsError where a graph that takes and gives these names does not do what its manifest says."""
    wanted = ending.INPUTS | ending.WORD_INPUTS if manifest.open else ending.INPUTS
    promised = ending.OUTPUTS
    if set(taken) >= suppression.INPUTS:
        wanted, promised = wanted | suppression.INPUTS, promised | suppression.OUTPUTS
    if (set(taken), set(given)) != (wanted, promised):
        kind = "open" if manifest.open else "of fixed classes"
        raise WeightsError(
            f"{path}: its manifest calls it {kind}, but the graph takes {sorted(taken)} and gives {sorted(given)}; "
            f"expected {sorted(wanted)} and {sorted(promised)}"
        )


def say_licence(path: Path, manifest: Manifest) -> None:
    """Say on standard error, once in a process, under which terms somebody's weights stand; of Wordbox's own, README says it."""
    if path.parent != MODELS and not (isinstance(manifest.spec, NanoSpec) and manifest.licence == OWN_LICENCE):
        _say_once(manifest.name, manifest.licence)


@cache
def _say_once(name: str, licence: str) -> None:
    logger.warning("%s: licence of these weights: %s", name, licence or "not stated in the file")


def _arrays(path: Path, spec: str | None, strict: bool) -> Model:
    if path.suffix.lower() == ".safetensors":
        stored, manifest = native.read(path)
        if manifest is not None:
            _refuse_spec(path, spec)
            return _native(path, manifest, stored)
        checkpoint = checkpoint_of_others.state_dict(stored, path, spec=spec, strict=strict)
    else:
        checkpoint = checkpoint_of_others.read(path, spec=spec, strict=strict)
    entry = _entry(path)
    facts = checkpoint.manifest
    if entry is not None:
        facts = replace(facts, name=entry.name, licence=entry.licence, origin=f"{entry.address}; {facts.origin}")
    brought, words = checkpoint.words, None
    if isinstance(facts.spec, YoloWorldSpec) and facts.open:
        learned = brought is not None and brought.names is None
        facts = replace(facts, words_from=_learned(facts.name, brought.vectors) if brought and learned else identity_of(facts.spec))
    if brought is not None:
        behind = [] if brought.background is None else [brought.background]
        words = _known(facts, np.concatenate([brought.vectors, *(vector[None] for vector in behind)]), path)
    return Model(path, facts, checkpoint.arrays, checkpoint.called, None, words, checkpoint.text)


def _learned(name: str, vectors: NDArray[np.float32]) -> EncoderIdentity:
    """What learned prompts are of, which are no text encoder's: of themselves."""
    short = (
        "".join(letter if letter.isprintable() and letter not in "/\\" else "_" for letter in name).encode()[:150].decode(errors="ignore")
    )
    return EncoderIdentity(name=f"{LEARNED}{short}", sha256=hashlib.sha256(np.ascontiguousarray(vectors, "<f4").data).hexdigest())


def _native(path: Path, manifest: Manifest, stored: Mapping[str, NDArray[Any]]) -> Model:
    """A file of ours: the network's arrays, and those that only travel with them."""
    text = {name.removeprefix(clip_names.OURS): array for name, array in stored.items() if name.startswith(clip_names.OURS)}
    arrays = {name: array for name, array in stored.items() if name != KNOWN and not name.startswith(clip_names.OURS)}
    words = _known(manifest, stored[KNOWN], path) if KNOWN in stored else None
    return Model(path, manifest, arrays, {}, None, words, text)


def _known(manifest: Manifest, vectors: NDArray[Any], path: Path) -> EmbeddedVocabulary:
    """Vectors (K, D) of the model's own names, or one more, of the background. Raises WeightsError where they are of another kind."""
    spec, count = manifest.spec, len(manifest.names)
    fits = isinstance(spec, YoloWorldSpec) and vectors.dtype.kind == "f" and vectors.ndim == 2 and vectors.shape[1] == spec.embedding
    if not isinstance(spec, YoloWorldSpec) or not fits or len(vectors) not in (count, count + 1):
        raise WeightsError(f"{path}: found vectors {list(vectors.shape)} of {count} names, which its network does not take")
    wide = vectors.astype(np.float32)
    try:
        identity = manifest.words_from or identity_of(spec)
        found = of_vectors(manifest.names, wide[:count], identity, licence=manifest.licence, origin=manifest.origin)
        return found if len(wide) == count else found.with_background(manifest.background or " ", wide[count])
    except VocabularyError as error:
        raise WeightsError(f"{path}: its vectors of words cannot be used: {error}") from error


def _graph(path: Path, spec: str | None) -> Model:
    _refuse_spec(path, spec)
    graph = graph_of_others.read(path)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    if clip_text.KEY in metadata:
        raise WeightsError(
            f"{path}: a text encoder, which finds nothing by itself; name it beside a model that takes words (--text-encoder)"
        )
    found = from_metadata(metadata, str(path))
    graph, manifest = graph_of_others.adopt(graph, str(path)) if found is None else (graph, found)
    _check_drawn(graph, manifest, path)
    return Model(path, manifest, None, {}, graph)


def _check_drawn(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    check_graph([value.name for value in model.graph.input], [value.name for value in model.graph.output], manifest, path)


def _entry(path: Path) -> Entry | None:
    """The published file that this one is, bit for bit, where its checksum is known."""
    likely = of_size(path.stat().st_size)
    return likely.get(find.checksum(path)) if likely else None


def _refuse_spec(path: Path, spec: str | None) -> None:
    if spec is not None:
        raise WeightsError(f"{path}: it says itself which network it holds; leave the spec {spec!r} out")
