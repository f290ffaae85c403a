"""Checkpoints of YOLOv5 and YOLOv8, and state_dicts of either, as our named arrays and their Manifest. Nothing in a file is run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wordbox.arrays import arrays as arrays_of
from wordbox.arrays import of_v1 as arrays_of_v1
from wordbox.checkpoints import identify, modules, testimony, torch_archive
from wordbox.checkpoints.modules import Pickled
from wordbox.errors import WeightsError
from wordbox.layers import layers
from wordbox.layers import of_v1 as rows_of_v1
from wordbox.manifest import Manifest, Preprocessing, Thresholds, line
from wordbox.specs import AnchorHead, DistributionHead, YoloSpec, Yolov5Spec
from wordbox.variants import native_size

logger = logging.getLogger("wordbox")

_IGNORED = ("num_batches_tracked", "anchors", "anchor_grid", "total_ops", "total_params")
_SILENT_LICENCE = "not stated in the file; published weights of YOLOv5 are GPL-3.0 at release and AGPL-3.0 since, of YOLOv8 AGPL-3.0"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a foreign file holds, in our terms."""

    arrays: Mapping[str, NDArray[Any]]
    """By our names; what fits no name keeps its own, for the drawing to complain of."""
    manifest: Manifest
    called: Mapping[str, str]
    """The file's names of the arrays that the network wants."""


def read(path: Path, *, spec: str | None = None, strict: bool = True) -> Checkpoint:
    """The checkpoint in a `.pt` or `.pth` file, zip or legacy stream. Raises WeightsError that names the file and its fault.

    `spec` names the network where a state_dict leaves open which it is, such as "yolov5s@v3.1"; a file that says it is checked
    against it. Without `strict`, arrays that the network does not want are named in a warning instead of an error.
    """
    where = str(path)
    network = modules.find_network(torch_archive.read(path), where)
    if isinstance(network, Pickled):
        return _checkpoint(network.arrays, path, spec, strict, network)
    return state_dict(network, path, spec=spec, strict=strict)


def state_dict(arrays: Mapping[str, NDArray[Any]], path: Path, *, spec: str | None = None, strict: bool = True) -> Checkpoint:
    """The same from bare arrays under published names, which say neither names nor, sometimes, the activation."""
    bare = modules.find_network(dict(arrays), str(path))
    return _checkpoint(bare.arrays if isinstance(bare, Pickled) else bare, path, spec, strict, None)


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
    if not strict:
        spare = [name for name in kept if name not in called]
        if spare:
            logger.warning("%s: %d arrays that the network does not want are left out: %s", where, len(spare), ", ".join(spare))
        kept = {name: array for name, array in kept.items() if name in called}
    return Checkpoint(kept, _manifest(drawn, path, network, heard), called)


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


def _manifest(spec: YoloSpec, path: Path, network: Pickled | None, heard: testimony.Testimony | None) -> Manifest:
    names = None if heard is None else heard.names
    if heard is not None and names is None:
        logger.warning("%s: it says no names of its classes: labels are numbers", path)
    if names is None:
        names = tuple(map(str, range(spec.classes)))
    if len(names) != spec.classes:
        raise WeightsError(f"{path}: found {len(names)} names for a network of {spec.classes} classes; expected one a class")
    facts = {} if network is None else network.facts
    stride = max(spec.strides)
    return Manifest(
        name=line(path.stem),
        names=names,
        open=False,
        preprocessing=Preprocessing(size=_size(facts, spec.strides), stride=max(stride, 32)),
        thresholds=Thresholds(conf=0.25, iou=0.7 if isinstance(spec.head, DistributionHead) else 0.45),
        spec=spec,
        origin=_origin(facts, spec),
        licence=line(facts["license"]) if isinstance(facts.get("license"), str) else _SILENT_LICENCE,
    )


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
    said = [f"{key} {facts[key]}" for key in ("version", "date") if isinstance(facts.get(key), str)]
    return ", ".join([f"a checkpoint of {kind}", *map(line, said)])
