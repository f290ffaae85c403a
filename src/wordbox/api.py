"""Load and evaluate: the bridge between files, graphs, engines and detectors."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordbox.data.formats import coco
from wordbox.data.records import Dataset
from wordbox.detection.detector import Detector
from wordbox.errors import WeightsError
from wordbox.evaluation import run
from wordbox.evaluation.report import Report
from wordbox.manifest import Manifest, Partner, from_metadata
from wordbox.settings import EvaluateSettings
from wordbox.vocabulary.encoders import TextEncoder
from wordbox.vocabulary.table import TableEncoder
from wordbox.vocabulary.words import Words

if TYPE_CHECKING:
    import onnx

PACKAGED = "wordbox-nano"
_MODELS = Path(__file__).parent / "models"


def load(source: str | Path | None = None, *, synonyms: bool = True, device: str = "cpu", threads: int | None = None) -> Detector:
    """A Detector from a model file, or the model inside the package where nothing (or "wordbox-nano") is named.

    A file is a `.safetensors` of ours, or an `.onnx`: ours, or another tool's export with an output (B, 4 + K, N).
    `synonyms=False` switches off the list of synonyms that an open model's words are looked up in.
    `threads` is how many processors to use, all that this process may use where None.
    `device` is "cpu", or "cuda" where onnxruntime-gpu is installed. Raises WeightsError or EngineError.
    """
    from wordbox.engines.onnxruntime import OnnxRuntimeEngine

    path = _path(source)
    graph, manifest = _graph(path)
    engine = OnnxRuntimeEngine(graph.SerializeToString(), where=str(path), threads=threads, device=device)
    encoder = None if manifest.encoder is None or not manifest.open else _encoder(manifest.encoder, path, synonyms=synonyms)
    if encoder is not None and encoder.width != engine.inputs["words"].shape[2]:
        wanted = engine.inputs["words"].shape[2]
        raise WeightsError(f"{path}: its words are vectors of {wanted} numbers, but its text encoder gives {encoder.width}; one is wrong")
    return Detector(engine, manifest, encoder)


def read_dataset(path: str | Path) -> Dataset:
    """Labelled pictures from a COCO JSON file. Raises DatasetError."""
    return coco.read(Path(path))


def evaluate(
    detector: Detector,
    data: str | Path | Dataset,
    *,
    words: Words | None = None,
    settings: EvaluateSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Average precision of `detector` on labelled pictures by COCO's rules, with what a reader must know beside it.

    `data` is a COCO JSON file or a Dataset. `words` are looked for instead of the detector's own; labels are matched with the
    data's classes by name, so a mapping such as {"car": "automobile"} measures other words for a class. `progress` is told how
    many pictures are done. Raises DatasetError, VocabularyError, or MissingExtraError without the extra `evaluate`.
    """
    asked = detector if words is None else detector.with_words(words)
    dataset = data if isinstance(data, Dataset) else read_dataset(data)
    return run.evaluate(asked, dataset, settings=settings or EvaluateSettings(), progress=progress)


def describe(source: str | Path | None = None) -> dict[str, Any]:
    """What a model file says about itself, and what its graph costs at its own size and with its own names.

    Keys: name, parameters, flops (twice the multiply-adds of convolutions and matrix products, norms folded), size, words,
    open, licence, origin; None where the file does not tell. Raises WeightsError.
    """
    from wordbox.graphs import count

    graph, manifest = _graph(_path(source))
    size = manifest.preprocessing.size
    height, width = (size, size) if isinstance(size, int) else size
    width_of_words = 0 if manifest.spec is None else manifest.spec.embedding
    shapes = {
        "images": (1, height, width, 3),
        "words": (1, len(manifest.names), width_of_words),
        "words_mask": (1, len(manifest.names)),
        "conf": (),
        "max_candidates": (1,),
    }
    return {
        "name": manifest.name,
        "parameters": count.parameters(graph),
        "flops": count.flops(graph, shapes),
        "size": [height, width],
        "open": manifest.open,
        "words": list(manifest.names),
        "licence": manifest.licence or None,
        "origin": manifest.origin or None,
    }


def _path(source: str | Path | None) -> Path:
    if source == "":
        raise WeightsError(f"found an empty name of a model, expected a file, or nothing for {PACKAGED!r}")
    return _MODELS / f"{PACKAGED}.safetensors" if source in (None, PACKAGED) else Path(str(source))


def _graph(path: Path) -> "tuple[onnx.ModelProto, Manifest]":
    """The deployed graph of a model file: drawn from arrays, ours as it is, or another tool's with our ending."""
    from wordbox.checkpoints import native
    from wordbox.graphs import foreign, nano

    match path.suffix.lower():
        case ".safetensors":
            arrays, manifest = native.read(path)
            if manifest.spec is None:
                raise WeightsError(f"{path}: its manifest names no network, so its arrays cannot be used; make the file anew")
            graph = nano.draw(manifest.spec, arrays, manifest.to_metadata(), str(path))
        case ".onnx":
            graph = foreign.read(path)
            found = from_metadata({entry.key: entry.value for entry in graph.metadata_props}, str(path))
            graph, manifest = foreign.adopt(graph, str(path)) if found is None else (graph, found)
        case _:
            raise WeightsError(
                f"{path}: no model of that kind is known; expected a .safetensors or .onnx file, or {PACKAGED!r} "
                f"(looked for {path.resolve()})"
            )
    _check(graph, manifest, path)
    return graph, manifest


def _check(graph: "onnx.ModelProto", manifest: Manifest, path: Path) -> None:
    """Raise WeightsError where a graph is not what its manifest says."""
    from wordbox.graphs import ending

    taken, given = {value.name for value in graph.graph.input}, {value.name for value in graph.graph.output}
    wanted = ending.INPUTS | ending.WORD_INPUTS if manifest.open else ending.INPUTS
    if (taken, given) != (wanted, ending.OUTPUTS):
        kind = "open" if manifest.open else "of fixed classes"
        raise WeightsError(
            f"{path}: its manifest calls it {kind}, but the graph takes {sorted(taken)} and gives {sorted(given)}; "
            f"expected {sorted(wanted)} and {sorted(ending.OUTPUTS)}"
        )
    if not manifest.names or (manifest.open and manifest.encoder is None):
        lacks = "names" if not manifest.names else "the text encoder of its words"
        raise WeightsError(f"{path}: its manifest lacks {lacks}; make the file anew")


def _encoder(partner: Partner, model: Path, *, synonyms: bool) -> TextEncoder:
    """The text encoder that a model names: beside it, or the one in the package, whichever has the right checksum."""
    tried = [model.parent / partner.name, _MODELS / partner.name]
    for path in tried:
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == partner.sha256:
            return TableEncoder.load(path, synonyms=synonyms)
    raise WeightsError(
        f"{model}: its text encoder {partner.name} (sha256 {partner.sha256[:12]}...) was found neither at {tried[0]} nor in this package; "
        "put that file beside the model"
    )
