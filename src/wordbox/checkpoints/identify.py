"""Which network a file's arrays belong to, told from published names and shapes alone.

Sources: spec yolov5-yolov8.md, sections 1.2, 1.6, 1.7, 2.4 and 2.7; YOLO-World is told in `world`. What shapes cannot say (activation,
pools, strides of a plain state_dict) is the published form's unless the pickled modules or the user say otherwise.
"""

import logging
import re
from dataclasses import dataclass, replace

import numpy as np

from wordbox.checkpoints import world
from wordbox.checkpoints.shapes import Arrays, Shapes
from wordbox.errors import WeightsError
from wordbox.specs import AnchorHead, Anchors, DistributionHead, YoloSpec, Yolov5Spec, Yolov8Spec, YoloWorldSpec
from wordbox.variants import ANCHORS, GENERATIONS, YOLOV5_SIZES, named

_ROW = re.compile(r"model\.([0-9]{1,4})\.")
_TASKS = {"proto": "segmentation", "cv4": "segmentation, poses, oriented boxes or another open vocabulary than YOLO-World's"}

logger = logging.getLogger("wordbox")


@dataclass(frozen=True)
class _Form:
    """What the number of the last row and the kind of head say."""

    family: str
    stages: int
    """How many stages the backbone has."""
    strides: tuple[int, ...]
    neck: int
    """A row of the neck with a CSP block."""


_FORMS = {
    (24, "anchor"): _Form("yolov5", 4, (8, 16, 32), 13),
    (27, "anchor"): _Form("yolov5", 4, (8, 16, 32), 13),  # v1.0
    (33, "anchor"): _Form("yolov5", 5, (8, 16, 32, 64), 15),
    (24, "distribution"): _Form("yolov5", 4, (8, 16, 32), 13),
    (33, "distribution"): _Form("yolov5", 5, (8, 16, 32, 64), 15),
    (22, "distribution"): _Form("yolov8", 4, (8, 16, 32), 12),
    (28, "distribution"): _Form("yolov8", 4, (4, 8, 16, 32), 12),
    (30, "distribution"): _Form("yolov8", 5, (8, 16, 32, 64), 14),
}


@dataclass(frozen=True)
class Structure:
    """A network as far as shapes tell."""

    spec: YoloSpec
    v1: bool
    """Whether the rows are v1.0's, whose head is spread over the neck."""


def structure(arrays: Arrays, where: str) -> Structure:
    """The network that arrays of published names and shapes belong to.

    Raises WeightsError where it is none that Wordbox knows. Not every array is looked at: whoever draws the network does that.
    """
    rows = [int(found[1]) for found in map(_ROW.match, arrays) if found]
    if not rows:
        if any(name.startswith("backbone.stem.") for name in arrays):
            raise WeightsError(f"{where}: found arrays under Wordbox's own names without its metadata; convert the checkpoint again")
        shown = ", ".join(list(arrays)[:5])
        raise WeightsError(f"{where}: found {len(arrays)} arrays ({shown}...), expected names such as model.0.conv.weight; it is no YOLO")
    last = max(rows)
    if any(name.startswith(world.GATE) for name in arrays):
        return Structure(world.of_ultralytics(arrays, last, where), v1=False)
    if f"model.{last}.cv2.0.0.conv.weight" in arrays:
        kind = "distribution"
    elif f"model.{last}.m.0.weight" in arrays or (last == 27 and "model.18.weight" in arrays):
        kind = "anchor"
    else:
        raise WeightsError(
            f"{where}: its last row, {last}, is the head of no YOLOv5, YOLOv8 or YOLO-World; Wordbox reads detection networks of these"
        )
    for part, task in _TASKS.items():
        if any(name.startswith(f"model.{last}.{part}.") for name in arrays):
            raise WeightsError(f"{where}: these weights are for {task}; Wordbox reads detection networks of YOLOv5, YOLOv8 and YOLO-World")
    form = _FORMS.get((last, kind))
    if form is None:
        raise WeightsError(
            f"{where}: a modified network: its head is row {last}, and those of the networks that Wordbox knows are rows "
            f"{', '.join(str(row) for row, one in _FORMS if one == kind)}"
        )
    take = Shapes(arrays, where)
    try:
        spec = _yolov5(take, form, last, kind) if form.family == "yolov5" else _yolov8(take, form, last)
    except ValueError as error:  # numbers that no network can have
        take.finish()
        raise WeightsError(f"{where}: its shapes give no network: {error}") from error
    take.finish()
    return Structure(spec, v1=last == 27)


def candidates(found: Structure) -> list[str]:
    """Names of the published YOLOv5s of this structure that differ in what shapes cannot tell, one for each activation."""
    spec = found.spec
    if not isinstance(spec, Yolov5Spec) or isinstance(spec.head, DistributionHead):
        return []
    p6 = len(spec.strides) == 4
    tags = [tag for tag in _generations(spec) if (tag == "v1.0") == found.v1 and (GENERATIONS[tag].p6 or not p6)]
    size = published_size(spec) or "s"
    form = "-transformer" if spec.transformer else ""
    by_activation = {GENERATIONS[tag].activation: tag for tag in tags}
    return [f"yolov5{size}{'6' if p6 else ''}{form}@{tag}" for tag in by_activation.values()]


def published_size(spec: Yolov5Spec) -> str | None:
    """n, s, m, l or x; None where depth and width are somebody's own."""
    known = "".join(GENERATIONS[tag].sizes for tag in _generations(spec))
    for size in filter(known.__contains__, YOLOV5_SIZES):
        one = named(f"yolov5{size}{'6' if len(spec.strides) == 4 else ''}", spec.classes)
        if isinstance(one, Yolov5Spec) and (one.widths, one.neck_repeats) == (spec.widths, spec.neck_repeats):
            return size
    return None


def decided(found: YoloSpec, name: str, where: str) -> YoloSpec:
    """`found` with what shapes cannot tell taken from the network called `name`. Raises WeightsError where the two do not fit."""
    wanted = named(name, max(found.classes, 1))
    if isinstance(wanted, Yolov5Spec) and isinstance(found, Yolov5Spec):
        merged = replace(found, activation=wanted.activation, csp_activation=wanted.csp_activation, pool_sides=wanted.pool_sides)
        differences = _differences(merged, wanted)
        if found.head.kind != wanted.head.kind:
            raise WeightsError(f"{where}: it is no {name}: the head has the kind {found.head.kind!r}, expected {wanted.head.kind!r}")
        own_depth = published_size(found) is None and _form_of(merged) == _form_of(wanted)
        if differences and not own_depth:
            raise WeightsError(f"{where}: it is no {name}: {'; '.join(differences)}")
        return merged
    if (isinstance(wanted, Yolov8Spec) and isinstance(found, Yolov8Spec)) or (
        isinstance(wanted, YoloWorldSpec) and isinstance(found, YoloWorldSpec)
    ):
        merged8 = replace(found, activation=wanted.activation)
        differences = _differences(merged8, wanted)
        if differences:
            raise WeightsError(f"{where}: it is no {name}: {'; '.join(differences)}")
        return merged8
    raise WeightsError(f"{where}: it holds a network of the family {found.family}, and {name} is of the family {wanted.family}")


def _generations(spec: Yolov5Spec) -> list[str]:
    """Tags of the releases whose networks have this stem and these stages."""
    return [tag for tag, one in GENERATIONS.items() if (one.stem, one.csp) == (spec.stem, spec.csp)]


def _form_of(spec: Yolov5Spec) -> tuple[object, ...]:
    return spec.stem, spec.csp, spec.pool, spec.strides, spec.transformer


def _differences(found: object, wanted: object) -> list[str]:
    """Fields in which the file differs from what was named; heads have anchors and widths of their own."""
    mine, theirs = vars(found), vars(wanted)
    return [f"{key} is {mine[key]!r}, expected {theirs[key]!r}" for key in mine if key != "head" and mine[key] != theirs[key]]


def _yolov5(take: Shapes, form: _Form, last: int, kind: str) -> Yolov5Spec:
    arrays, stages = take.arrays, form.stages
    focus = "model.0.conv.conv.weight" in arrays
    end = 2 * stages
    pool_first = f"model.{end}.cv3.conv.weight" not in arrays and f"model.{end}.cv4.conv.weight" not in arrays
    csp_rows = [*range(2, end, 2), end + 1 if pool_first else end]
    transformer = f"model.{csp_rows[-1]}.m.linear.weight" in arrays
    downs = [f"model.{row}.conv.weight" for row in range(1, end, 2)]
    head: AnchorHead | DistributionHead
    if kind == "anchor":
        anchors = _anchors(take, last, form.strides)
        head = AnchorHead(anchors=anchors)
        classes = take.out("model.18.weight" if last == 27 else f"model.{last}.m.0.weight") // len(anchors[0]) - 5
    else:
        head, classes = _distribution(take, last)
    return Yolov5Spec(
        classes=max(classes, 1),
        widths=(take.out("model.0.conv.conv.weight" if focus else "model.0.conv.weight"), *map(take.out, downs)),
        repeats=tuple(take.count(f"model.{row}.m.tr" if transformer and row == csp_rows[-1] else f"model.{row}.m") for row in csp_rows),
        neck_repeats=take.count(f"model.{form.neck}.m"),
        head=head,
        stem="focus" if focus else "conv",
        csp="BottleneckCSP" if "model.2.cv4.conv.weight" in arrays else "C3",
        pool="SPP" if pool_first else "SPPF",
        pool_sides=((3, 5, 7) if stages == 5 else (5, 9, 13)) if pool_first else (5,),
        pool_first=pool_first,
        transformer=transformer,
        strides=form.strides,
    )


def _yolov8(take: Shapes, form: _Form, last: int) -> Yolov8Spec:
    end = 2 * form.stages
    head, classes = _distribution(take, last)
    # C2 keeps two halves, C2f those and every bottleneck's output
    joined = take.arrays.get(f"model.{form.neck}.cv2.conv.weight")
    split, repeats = take.out(f"model.{form.neck}.cv1.conv.weight"), take.count(f"model.{form.neck}.m")
    return Yolov8Spec(
        classes=classes,
        widths=(take.out("model.0.conv.weight"), *(take.out(f"model.{row}.conv.weight") for row in range(1, end, 2))),
        repeats=tuple(take.count(f"model.{row}.m") for row in range(2, end + 1, 2)),
        neck_repeats=repeats,
        head=head,
        neck_csp="C2" if joined is not None and joined.ndim == 4 and joined.shape[1] == split else "C2f",
        strides=form.strides,
    )


def _distribution(take: Shapes, last: int) -> tuple[DistributionHead, int]:
    """The head, whose widths depend on the release that built it (trap T13), and its classes."""
    depthwise = f"model.{last}.cv3.0.0.1.conv.weight" in take.arrays
    head = DistributionHead(
        box_width=take.out(f"model.{last}.cv2.0.0.conv.weight"),
        label_width=take.out(f"model.{last}.cv3.0.0.1.conv.weight" if depthwise else f"model.{last}.cv3.0.0.conv.weight"),
        bins=max(take.out(f"model.{last}.cv2.0.2.weight") // 4, 1),
        depthwise=depthwise,
    )
    return head, take.out(f"model.{last}.cv3.0.2.weight")


def _anchors(take: Shapes, last: int, strides: tuple[int, ...]) -> Anchors:
    """Anchors in pixels, finest level first, from the buffer that holds them in cells (trap T16); the published ones without it."""
    name = f"model.{last}.anchors"
    buffer = take.arrays.get(name)
    if buffer is None:
        logger.warning(
            "%s: %s is missing: the published anchors are taken; boxes are wrong if it was trained with others", take.where, name
        )
        return ANCHORS[len(strides)]
    if buffer.ndim != 3 or buffer.shape[0] != len(strides) or buffer.shape[2] != 2 or buffer.dtype.kind not in "fiu":
        raise ValueError(f"found {name} {list(buffer.shape)} of {buffer.dtype}, expected numbers [{len(strides)}, anchors of a level, 2]")
    levels = buffer[::-1] if last == 27 else buffer
    pixels = levels.astype(np.float64) * np.array(strides, np.float64).reshape(-1, 1, 1)
    return tuple(tuple((float(w), float(h)) for w, h in level) for level in pixels)
