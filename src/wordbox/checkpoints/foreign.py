"""Checkpoints of YOLOv5, YOLOv8 and YOLO-World, and their state_dicts, as our named arrays and their Manifest. Nothing in a file is run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wordbox.arrays import arrays as arrays_of
from wordbox.arrays import of_v1 as arrays_of_v1
from wordbox.checkpoints import identify, modules, official, testimony, torch_archive, word_vectors
from wordbox.checkpoints.modules import Pickled
from wordbox.checkpoints.word_vectors import WordVectors
from wordbox.errors import WeightsError
from wordbox.layers import layers
from wordbox.layers import of_v1 as rows_of_v1
from wordbox.manifest import Manifest, Preprocessing, Thresholds, line, numbered
from wordbox.published import coco
from wordbox.specs import AnchorHead, DistributionHead, YoloSpec, Yolov5Spec, YoloWorldSpec, is_open
from wordbox.variants import native_size

logger = logging.getLogger("wordbox")

_IGNORED = ("num_batches_tracked", "anchors", "anchor_grid", "total_ops", "total_params")
_SILENT = "not stated in the file; published weights of"
_SILENT_LICENCE = f"{_SILENT} YOLOv5 are GPL-3.0 at release and AGPL-3.0 since, of YOLOv8 AGPL-3.0"
_SILENT_WORLD = f"{_SILENT} YOLO-World are GPL-3.0 as its authors publish them, AGPL-3.0 as Ultralytics does"
_SILENT_OFFICIAL = f"{_SILENT} YOLO-World's authors are GPL-3.0"
_UNNAMED = "%s: it says no names of its classes: labels are numbers"
_BACKGROUND = " "  # the word that every published list ends with and that is never found (spec yolo-world.md, trap 24)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a foreign file holds, in our terms."""

    arrays: Mapping[str, NDArray[Any]]
    """By our names; what fits no name keeps its own, for the drawing to complain of."""
    manifest: Manifest
    called: Mapping[str, str]
    """The file's names of the arrays that the network wants."""
    words: WordVectors | None = None
    """Vectors that a YOLO-World brings along: those of its names, or learned prompts."""
    text: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The text tower's arrays by our names, without what leads them; empty where the file has none."""


def read(path: Path, *, spec: str | None = None, strict: bool = True) -> Checkpoint:
    """The checkpoint in a `.pt` or `.pth` file, zip or legacy stream. Raises WeightsError that names the file and its fault.

    A YOLO-World may be Ultralytics' or its authors', whose files hold a text tower, learned prompts or folded words besides.
    `spec` names the network where a state_dict leaves open which it is, such as "yolov5s@v3.1"; a file that says it is checked
    against it. Without `strict`, arrays that the network does not want are named in a warning instead of an error.
    """
    where = str(path)
    tree = torch_archive.read(path)
    network = modules.find_network(tree, where)
    if isinstance(network, Pickled):
        return _checkpoint(network.arrays, path, spec, strict, network)
    return _bare(network, path, spec, strict, modules.meta(tree, where))


def state_dict(arrays: Mapping[str, NDArray[Any]], path: Path, *, spec: str | None = None, strict: bool = True) -> Checkpoint:
    """The same from bare arrays under published names, which say neither names nor, sometimes, the activation."""
    bare = modules.find_network(dict(arrays), str(path))
    return _bare(bare.arrays if isinstance(bare, Pickled) else bare, path, spec, strict, {})


def _bare(arrays: Mapping[str, NDArray[Any]], path: Path, spec: str | None, strict: bool, facts: Mapping[str, Any]) -> Checkpoint:
    if not official.is_official(arrays):
        return _checkpoint(arrays, path, spec, strict, None)
    where = str(path)
    wanted = {name: array for name, array in arrays.items() if name.rpartition(".")[2] not in _IGNORED}
    found = official.parts(wanted, where)
    if spec is not None:
        identify.decided(replace(found.spec, phrases=(), background=0), spec, where)
    kept = _fitting(found.arrays, found.called, found.spec, strict, where)
    names = _classes(facts, where)
    if is_open(found.spec) and found.prompts is None:
        names = _without_blank(names, where)
    if names is None and (found.prompts is not None or not is_open(found.spec)):
        logger.warning(_UNNAMED, where)
    manifest = _manifest(found.spec, path, facts, names, official=True, prompts=found.prompts)
    return Checkpoint(kept, manifest, found.called, found.prompts, found.text)


def _checkpoint(arrays: Mapping[str, NDArray[Any]], path: Path, spec: str | None, strict: bool, network: Pickled | None) -> Checkpoint:
    where = str(path)
    heard = None if network is None else testimony.hear(network, where)
    found = identify.structure(arrays, where)
    drawn = found.spec if heard is None else _told(found.spec, heard, where)
    if spec is not None:
        named = identify.decided(drawn, spec, where)
        if heard is not None and named != drawn:
            raise WeightsError(f"{where}: the file itself says {_difference(drawn, named)}; leave the spec {spec!r} out")
        drawn = named
    elif heard is None:
        drawn = _undoubted(found, where)
    entries, rows = arrays_of(drawn), layers(drawn)
    if found.v1:
        entries, rows = arrays_of_v1(entries), rows_of_v1(rows)
    if network is not None:
        testimony.check_wiring(network, rows, where)
    called = {entry.name: entry.published for entry in entries}
    ours = {published: name for name, published in called.items()}
    wanted = {name: array for name, array in arrays.items() if name.rpartition(".")[2] not in _IGNORED}
    kept = {ours.get(name, name): array for name, array in wanted.items()}
    if len(kept) < len(wanted):
        twice = [name for name in wanted if name in called and called[name] in wanted]
        raise WeightsError(f"{where}: arrays stand there twice, under the published name and as {', '.join(twice)}; expected one of each")
    kept = _fitting(kept, called, drawn, strict, where)
    names = None if heard is None else heard.names
    if heard is not None and names is None and not is_open(drawn):
        logger.warning(_UNNAMED, where)
    vectors = None
    if isinstance(drawn, YoloWorldSpec) and heard is not None:
        vectors = word_vectors.of_names(heard.vectors, names, drawn.embedding, where)
        names = _without_blank(names, where)
    return Checkpoint(kept, _manifest(drawn, path, {} if network is None else network.facts, names), called, vectors)


def _fitting(
    arrays: Mapping[str, NDArray[Any]], called: Mapping[str, str], spec: YoloSpec, strict: bool, where: str
) -> dict[str, NDArray[Any]]:
    """The arrays with single numbers as such, which some files keep in lists of one; not `strict`, without those that nobody wants."""
    odd = [f"{called.get(name, name)} {array.dtype}" for name, array in arrays.items() if array.dtype.kind not in "fiub"]
    if odd:
        raise WeightsError(f"{where}: found {', '.join(odd[:5])}, expected real numbers; the file is damaged or forged")
    single = {one.name for one in arrays_of(spec) if one.shape == ()}
    kept = {name: array.reshape(()) if name in single and array.shape == (1,) else array for name, array in arrays.items()}
    if not strict:
        spare = [name for name in kept if name not in called]
        if spare:
            logger.warning("%s: %d arrays that the network does not want are left out: %s", where, len(spare), ", ".join(spare))
        kept = {name: array for name, array in kept.items() if name in called}
    return kept


def _without_blank(names: tuple[str, ...] | None, where: str) -> tuple[str, ...] | None:
    """The names that name something: people put a blank one at the end, as background."""
    kept = tuple(name for name in names or () if name.strip())
    if names is not None and len(kept) < len(names):
        logger.info("%s: %d of its names are blank: they are background, and never found", where, len(names) - len(kept))
    return kept or None


def _classes(facts: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """Names of the data set that mmengine noted in a file's meta; None where it noted none."""
    noted = facts.get("dataset_meta")
    found = None if not isinstance(noted, Mapping) else noted.get("classes", noted.get("CLASSES"))
    if not isinstance(found, list | tuple) or not found:
        return None
    try:
        return numbered(found)
    except ValueError as error:
        raise WeightsError(f"{where}: found classes {found!r:.80} in its meta, {error}") from error


def _told(spec: YoloSpec, heard: testimony.Testimony, where: str) -> YoloSpec:
    """The structure with what the modules say in place of what shapes cannot tell."""
    if heard.strides is not None and heard.strides != spec.strides:
        raise WeightsError(f"{where}: a modified network: its strides are {list(heard.strides)}, expected {list(spec.strides)}")
    said: dict[str, Any] = {"activation": heard.activation, "leak": heard.leak, "norm_epsilon": heard.epsilon}
    if isinstance(spec, Yolov5Spec):
        said["csp_activation"] = heard.csp_activation
    said["pool_sides"] = heard.pool_sides
    try:
        return replace(spec, **{key: value for key, value in said.items() if value is not None})
    except ValueError as error:
        raise WeightsError(f"{where}: its modules give no network: {error}") from error


def _undoubted(found: identify.Structure, where: str) -> YoloSpec:
    """The one published network of that structure. Raises WeightsError where there are several, or none."""
    spec, fitting = found.spec, identify.candidates(found)
    if isinstance(spec, YoloWorldSpec):  # published with one activation, and its words are an input
        return spec
    if isinstance(spec, Yolov5Spec) and isinstance(spec.head, AnchorHead) and not fitting:
        raise WeightsError(
            f"{where}: these arrays do not say which activation they were trained with, and no YOLOv5 was published with "
            f"{spec.stem} stem, {spec.csp} and strides {list(spec.strides)}; a checkpoint with its modules says it"
        )
    if len(fitting) > 1:
        raise WeightsError(
            f"{where}: these arrays do not say which activation they were trained with, and {' and '.join(fitting)} both fit; "
            f"name the right one, with --spec {fitting[-1]} for instance"
        )
    if fitting:
        spec = identify.decided(spec, fitting[0], where)
    logger.warning(
        "%s: bare arrays say neither names nor activation: labels are numbers, and %s is taken, as published", where, spec.activation
    )
    return spec


def _difference(drawn: object, named: object) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in vars(drawn).items() if value != vars(named)[key])


def _manifest(
    spec: YoloSpec,
    path: Path,
    facts: Mapping[str, Any],
    names: tuple[str, ...] | None,
    *,
    official: bool = False,
    prompts: WordVectors | None = None,
) -> Manifest:
    is_world, silent = isinstance(spec, YoloWorldSpec), _SILENT_LICENCE
    if isinstance(spec, YoloWorldSpec):
        silent = _SILENT_OFFICIAL if official else _SILENT_WORLD
        thresholds = Thresholds(conf=0.1, iou=0.7)
    else:
        thresholds = Thresholds(conf=0.25, iou=0.7 if isinstance(spec.head, DistributionHead) else 0.45)
    stride = max(spec.strides)
    return Manifest(
        name=line(path.stem),
        names=_names(spec, path, names, prompts),
        open=is_open(spec),
        preprocessing=Preprocessing(size=_size(facts, spec.strides), stride=max(stride, 32)),
        thresholds=thresholds,
        spec=spec,
        background=_BACKGROUND if is_world and is_open(spec) and prompts is None else None,
        origin=_origin(facts, spec),
        licence=line(facts["license"]) if isinstance(facts.get("license"), str) else silent,
    )


def _names(spec: YoloSpec, path: Path, names: tuple[str, ...] | None, prompts: WordVectors | None) -> tuple[str, ...]:
    """What labels are called: as the file says; else the names of COCO where words are an input, and numbers."""
    if names is None and is_open(spec) and prompts is None:
        return coco.NAMES
    count = len(prompts.vectors) if prompts is not None else spec.classes
    if names is None:
        return tuple(map(str, range(count)))
    if len(names) != count and not (is_open(spec) and prompts is None):
        raise WeightsError(f"{path}: found {len(names)} names for a network of {count} classes; expected one a class")
    return names


def _size(facts: Mapping[str, Any], strides: tuple[int, ...]) -> int:
    """The size it was trained at, if the file says it; else 1280 with four levels to stride 64, and 640."""
    stride = max(strides)
    for key in ("train_args", "opt"):
        options = facts.get(key)
        size = options.get("imgsz") if isinstance(options, Mapping) else None
        if isinstance(size, int) and not isinstance(size, bool) and stride <= size <= 8192:
            return -(-size // stride) * stride
    return native_size(strides)


def _origin(facts: Mapping[str, Any], spec: YoloSpec) -> str:
    """When and by what the file was written, as far as it says."""
    kind = "YOLOv5" if isinstance(spec.head, AnchorHead) else "YOLOv5u" if isinstance(spec, Yolov5Spec) else "YOLOv8"
    if isinstance(spec, YoloWorldSpec):
        kind = f"YOLO-World {spec.version}"
    said = [f"{key} {facts[key]}" for key in ("version", "date", "mmengine_version", "time") if isinstance(facts.get(key), str)]
    return ", ".join([f"a checkpoint of {kind}", *map(line, said)])
