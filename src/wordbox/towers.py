"""CLIP's text towers: found in whatever file holds one, joined with their tokenizer, run as encoders, and exported."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from wordbox.checkpoints import clip_names, modules, native, torch_archive
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import InputError, WeightsError
from wordbox.graphs import clip_text
from wordbox.graphs import foreign as graph_of_others
from wordbox.published.coco import NAMES
from wordbox.published.find import cache_folder
from wordbox.specs import ClipTextSpec
from wordbox.vocabulary import tokens
from wordbox.vocabulary.clip import ClipEncoder
from wordbox.vocabulary.encoders import CLIP_FILES, CLIP_TOWERS, EncoderIdentity
from wordbox.vocabulary.tokens import ClipTokenizer

MERGES_KEY = "wordbox.merges"
"""Metadata of an exported tower: its tokenizer's merges, one a line."""
VERSION = 1
PRECISIONS: tuple[clip_text.Store, ...] = ("float32", "float16", "int8")


@dataclass(frozen=True, eq=False)
class Tower:
    """A text tower, read."""

    path: Path
    """The file that it was found in."""
    spec: ClipTextSpec
    arrays: Mapping[str, NDArray[Any]] | None
    """By our names; None for an exported tower."""
    exported: onnx.ModelProto | None
    """The graph of an exported tower."""
    folders: tuple[Path, ...]
    """Where the tokenizer's file is looked for; an exported tower has it inside."""

    @cached_property
    def identity(self) -> EncoderIdentity:
        """Which tower it is, told by its numbers: half precision and names do not count."""
        if self.exported is not None:
            facts = _facts(self.exported, str(self.path))
            return EncoderIdentity(name=facts["name"], sha256=facts["sha256"])
        found = hashlib.sha256()
        for name, array in sorted((self.arrays or {}).items()):
            found.update(name.encode())
            found.update(clip_names.as_float32(array).data)
        width = self.spec.projection
        return EncoderIdentity(name=CLIP_TOWERS.get(width, f"clip-text-{width}"), sha256=found.hexdigest())

    @cached_property
    def merges(self) -> tuple[str, ...]:
        """The tokenizer's merges. Raises WeightsError that says where its file may be put, if it is nowhere."""
        if self.exported is not None:
            text = _metadata(self.exported).get(MERGES_KEY)
            if text is None:
                raise WeightsError(f"{self.path}: its metadata lacks {MERGES_KEY!r}; export it anew")
            return tuple(text.split("\n"))
        path = tokens.find(self.folders)
        if path is None:
            raise WeightsError(
                f"{self.path}: CLIP's tokenizer was found in none of {', '.join(map(str, self.folders))}; put one of "
                f"{', '.join(tokens.FILES)} there, which come with CLIP's weights"
            )
        return tokens.read_merges(path)

    def tokenizer(self) -> ClipTokenizer:
        """What cuts phrases for this tower. Raises WeightsError where the tokenizer is another tower's, MissingExtraError."""
        where = str(self.path if self.exported is not None else tokens.find(self.folders) or self.path)
        found = ClipTokenizer(self.merges, where=where, context=self.spec.context)
        if found.size != self.spec.tokens:
            raise WeightsError(f"{where}: a tokenizer of {found.size} tokens, but the tower {self.path} has {self.spec.tokens}")
        return found

    def graph(self, store: clip_text.Store = "float32") -> onnx.ModelProto:
        """The tower's graph, without its tokenizer where it is drawn. Raises WeightsError where its arrays do not fit."""
        if self.exported is not None:
            return self.exported
        return clip_text.draw(self.spec, self.arrays or {}, {}, str(self.path), store=store)

    @property
    def precision(self) -> str:
        """How its matrices are kept: whole, unless an exported tower says otherwise."""
        return "float32" if self.exported is None else str(_facts(self.exported, str(self.path))["precision"])

    def encoder(self, threads: int | None = None) -> ClipEncoder:
        """The tower at work on `threads` processors, all that this process may use where None.

        Raises WeightsError, EngineError or MissingExtraError.
        """
        tokenizer = self.tokenizer()
        engine = OnnxRuntimeEngine(self.graph().SerializeToString(), where=str(self.path), threads=threads)
        found = ClipEncoder(engine, tokenizer, self.identity, self.precision)
        if found.width != self.spec.projection:
            raise WeightsError(f"{self.path}: its vectors have {found.width} numbers, but its spec says {self.spec.projection}")
        return found


def read(path: Path) -> Tower:
    """The text tower in a folder of Hugging Face's, in weights of a CLIP or of a whole YOLO-World, or in an .onnx of ours.

    Nothing in the file is run. Raises WeightsError that names the file and what was expected.
    """
    if path.is_dir():
        return _folder(path)
    match path.suffix.lower():
        case ".onnx":
            return _exported(path)
        case ".safetensors" | ".bin" | ".pt" | ".pth":
            return from_arrays(_arrays(path), path, path.parent)
        case _:
            raise WeightsError(
                f"{path}: no text tower of that kind is known; expected a folder of Hugging Face's, or a .safetensors, .bin, .pt, .pth or "
                f".onnx file (looked for {path.resolve()})"
            )


def from_arrays(arrays: Mapping[str, NDArray[Any]], where: Path, tokenizer_beside: Path) -> Tower:
    """The tower among these arrays of the file `where`, whose names are any that `clip_names.from_any` knows, ours with "text." too.

    Its tokenizer is looked for in the folder `tokenizer_beside`, then in the cache. Raises WeightsError.
    """
    ours = clip_names.from_any(arrays, str(where))
    return Tower(where, clip_names.spec_of(ours, str(where)), ours, None, (tokenizer_beside, cache_folder()))


def export(tower: Tower, out: Path, precision: str) -> float:
    """Write `tower` with its tokenizer as an .onnx that needs no other file, and give the least cosine that its vectors lose to.

    `precision` is "float32", or how matrices are kept: "float16" or "int8". Cosines are between the vectors of COCO's 80 names with
    both towers; the least and the mean stand in the file. Raises WeightsError for a tower that is exported already, or InputError.
    """
    if precision not in PRECISIONS:
        raise InputError(f"found precision {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if out.suffix.lower() != ".onnx":
        raise InputError(f"{out}: found the ending {out.suffix!r}, expected .onnx")
    if tower.arrays is None:
        raise WeightsError(f"{tower.path}: it is exported already; name the weights that it was made from, or copy it as it is")
    store = PRECISIONS[PRECISIONS.index(precision)]
    model = tower.graph(store)
    cosines = [1.0] if store == "float32" else _cosines(tower, model)
    facts = {"version": VERSION, "name": tower.identity.name, "sha256": tower.identity.sha256, "spec": asdict(tower.spec)}
    facts |= {"precision": store, "least_cosine": min(cosines), "mean_cosine": float(np.mean(cosines))}
    helper.set_model_props(model, {clip_text.KEY: json.dumps(facts, sort_keys=True), MERGES_KEY: "\n".join(tower.merges)})
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".wordbox-", ignore_cleanup_errors=True) as folder:
            draft = Path(folder, out.name)
            draft.write_bytes(model.SerializeToString())
            os.replace(draft, out)  # whole or not at all
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}; {out.resolve()}); choose another place") from error
    return min(cosines)


def _cosines(tower: Tower, model: onnx.ModelProto) -> list[float]:
    """How near the vectors of `model` are to those of the tower as it is, a cosine for each of COCO's names."""
    tokenizer = tower.tokenizer()
    engines = (OnnxRuntimeEngine(graph.SerializeToString(), where=str(tower.path)) for graph in (tower.graph(), model))
    one, other = (ClipEncoder(engine, tokenizer, tower.identity).encode(NAMES).astype(np.float64) for engine in engines)
    return [min(1.0, float(cosine)) for cosine in (one * other).sum(1)]


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Whatever named arrays the file holds."""
    if path.suffix.lower() == ".safetensors":
        return native.read(path)[0]
    found = modules.find_network(torch_archive.read(path), str(path))
    return found.arrays if isinstance(found, modules.Pickled) else found


def _folder(path: Path) -> Tower:
    file = next((path / name for name in CLIP_FILES if (path / name).is_file()), None)
    if file is None:
        held = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
        raise WeightsError(f"{path}: a folder without {' or '.join(CLIP_FILES)} (it holds {held}; looked in {path.resolve()})")
    tower = from_arrays(_arrays(file), file, path)
    config = path / "config.json"
    if config.is_file():
        _check_config(config, tower.spec)
    return tower


def _check_config(path: Path, spec: ClipTextSpec) -> None:
    """Raise WeightsError where the folder's description names another network than is drawn, which its arrays cannot tell."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        said = whole.get("text_config", whole)
        found = {key: said.get(key, wanted) for key, wanted in _wanted(spec).items()}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: cannot be read as JSON with a text tower's facts ({error}); copy or download it anew") from error
    wrong = [f"{key} {found[key]!r} instead of {wanted!r}" for key, wanted in _wanted(spec).items() if found[key] != wanted]
    if wrong:
        raise WeightsError(f"{path}: it describes another tower than CLIP's: {', '.join(wrong)}")


def _wanted(spec: ClipTextSpec) -> dict[str, object]:
    return {"hidden_act": "quick_gelu", "num_attention_heads": spec.heads, "layer_norm_eps": spec.norm_epsilon}


def _exported(path: Path) -> Tower:
    model, where = graph_of_others.read(path), str(path)
    facts = _facts(model, where)
    try:
        spec = ClipTextSpec(**facts["spec"])
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{where}: its spec of a text tower cannot be read ({error}); export it anew") from error
    taken, given = ([value.name for value in values] for values in (model.graph.input, model.graph.output))
    if (taken, given) != (["tokens"], ["vectors"]):
        raise WeightsError(f"{where}: its graph takes {taken} and gives {given}, expected tokens and vectors; export it anew")
    return Tower(path, spec, None, model, ())


def _facts(model: onnx.ModelProto, where: str) -> dict[str, Any]:
    """What an exported tower says of itself."""
    text = _metadata(model).get(clip_text.KEY)
    if text is None:
        taken: Sequence[str] = [value.name for value in model.graph.input][:5]
        raise WeightsError(f"{where}: no text tower of Wordbox's (it takes {list(taken)}); make one with wordbox export --text-encoder")
    try:
        facts = json.loads(text)
        if facts["version"] != VERSION:
            raise WeightsError(
                f"{where}: found a text tower of version {facts['version']!r}, expected {VERSION}; a newer Wordbox may read it"
            )
        if not all(isinstance(facts[key], str) for key in ("name", "sha256", "precision")) or not isinstance(facts["spec"], dict):
            raise TypeError("its name, sha256, precision or spec is of another type")
        EncoderIdentity(name=facts["name"], sha256=facts["sha256"])  # says what no name can be
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{where}: its metadata {clip_text.KEY!r} cannot be read ({error!r}); export it anew") from error
    found: dict[str, Any] = facts
    return found


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    """What is text of a file's metadata: protobuf gives bytes where it is no UTF-8."""
    return {entry.key: entry.value for entry in model.metadata_props if isinstance(entry.value, str)}
