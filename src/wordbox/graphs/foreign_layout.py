"""Which output of another tool's graph holds the boxes, and how they are written there.

    layout       output            a candidate's numbers                                            written by
    classes      (B, 4 + K, N)     centre, sides, K scores                                          YOLOv8 and its heirs, YOLOv5u
    (turned)     (B, N, 4 + K)     the same
    objectness   (B, N, 5 + K)     centre, sides, objectness, K scores; score = objectness x class  YOLOv5, YOLOv7
    finished     (B, n, 6)         xyxy, score, class: what is left after suppression               exports with NMS inside

Boxes are in canvas pixels, scores after the sigmoid (spec yolov5-yolov8.md 1.15 and 4.10). The number of names decides between
layouts; without names the longer axis is that of candidates. What stays in doubt is refused: wrong boxes are worse than none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import onnx

from wordbox.errors import WeightsError
from wordbox.graphs.foreign_shapes import sides

FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
_FINISHED_MOST = 1000  # boxes of a picture that exports with suppression inside are made for, at most
_STRIDES = (4, 8, 16, 32, 64, 128)
_SUPPRESSORS = {"NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMSDynamic_TRT", "BatchedNMS_TRT", "TRTBatchedNMS"}

Shape = Sequence[int | None]


@dataclass(frozen=True)
class Layout:
    """How an output writes its candidates."""

    kind: Literal["classes", "objectness", "finished"]
    classes: int
    rows: bool
    """Whether a candidate is a row, (B, N, ...), not a column."""


@dataclass(frozen=True)
class Ends:
    """The image input and the candidates output of a graph."""

    image: onnx.ValueInfoProto
    candidates: onnx.ValueInfoProto
    layout: Layout

    @property
    def canvas(self) -> tuple[int | None, int | None]:
        """Height and width of the canvas; None for a side of any length."""
        return _canvas(self.image)


def ends(graph: onnx.GraphProto, names: int, suppressed: bool, where: str) -> Ends:
    """The two ends of a graph whose metadata has `names` names (0: none) and says whether suppression is inside (`suppressed`).

    Raises WeightsError that says what was found where that is not one float input (B, 3, H, W) and one output of a layout above.
    """
    image = _image(graph, where)
    read = [(value, layouts(sides(value), names, suppressed, _canvas(image))) for value in graph.output if _is_float(value)]
    fits = [(value, layout) for value, found in read for layout in found]
    if len(fits) == 1:
        value, layout = fits[0]
        if layout.kind == "finished" and not names:
            raise WeightsError(
                f"{where}: its output {_written([value])} holds finished boxes, but its metadata has no names; export it with them"
            )
        return Ends(image, value, layout)
    raise WeightsError(f"{where}: {_refusal(graph, names, suppressed, len(fits))}")


def layouts(found: Shape, names: int, suppressed: bool, canvas: tuple[int | None, int | None]) -> list[Layout]:
    """The layouts that an output of the shape `found` may have; none where it holds no candidates, or none for so many `names`."""
    if len(found) != 3:
        return []
    first, second = found[1:]
    one_each, three_each = _cells(canvas)
    if suppressed and second in (6, None):
        return [Layout("finished", names, rows=True)]
    if second == 6 and first is not None and first <= _FINISHED_MOST and first not in three_each:
        return [Layout("finished", names, rows=True)]
    likely = []
    if names:
        if first == 4 + names:
            likely.append(Layout("classes", names, rows=False))
        if second == 5 + names:
            likely.append(Layout("objectness", names, rows=True))
        if second == 4 + names and (first is None or first in one_each):  # other counts are the queries of a transformer
            likely.append(Layout("classes", names, rows=True))
    elif first is not None and first > 4 and (second is None or second > first):
        likely.append(Layout("classes", first - 4, rows=False))
    elif second is not None and second > 5 and (first is None or first > second) and first not in one_each:
        likely.append(Layout("objectness", second - 5, rows=True))
    return likely


def _image(graph: onnx.GraphProto, where: str) -> onnx.ValueInfoProto:
    stored = {initializer.name for initializer in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [value for value in graph.input if value.name not in stored]
    written = _written(inputs)
    if len(inputs) == 1 and len(sides(inputs[0])) == 4:
        _, channels, _, last = sides(inputs[0])
        if last in (1, 3) and channels != 3:
            raise WeightsError(
                f"{where}: found the input {written}, channels last as TensorFlow has them, expected (B, 3, H, W); "
                "export it with channels first"
            )
        if channels == 1:
            raise WeightsError(f"{where}: found the input {written}, of grey pictures, expected (B, 3, H, W); Wordbox gives it colours")
        if channels in (3, None) and _is_float(inputs[0]):
            return inputs[0]
    raise WeightsError(f"{where}: found inputs {written}, expected one float input (B, 3, H, W)")


def _refusal(graph: onnx.GraphProto, names: int, suppressed: bool, fits: int) -> str:
    """Why a graph has not exactly one output that is understood, as far as its shapes tell."""
    shapes = [sides(value) for value in graph.output]
    written = _written(graph.output)
    tables = [found for found in shapes if len(found) == 3]
    if fits > 1:
        return f"found outputs {written}, of which {fits} readings fit, expected exactly one table of boxes and scores"
    masks = {found[1] for found in shapes if len(found) == 4} - {None}
    for found in tables:
        if names and any(side is not None and side - names - extra in masks for side in found[1:] for extra in (4, 5)):
            return f"found outputs {written}, those of the task 'segment', expected 'detect'; Wordbox detects boxes only"
    if not tables and shapes and all(len(found) in (4, 5) for found in shapes):
        return f"found outputs {written}, raw maps; export with the decoded output, or give Wordbox the .pt file itself"
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] != 7:
        return f"found the output {written}, that of the task 'classify', expected 'detect'; Wordbox detects boxes only"
    if suppressed or any(node.op_type in _SUPPRESSORS for node in graph.node):
        return f"found outputs {written}, boxes after a suppression of its own in a form that is not known; export it without NMS"
    held = _held(tables) if names else ""
    if held:
        return f"its metadata names {names} classes, but its outputs {written} hold scores of {held}; one of them is another model's"
    if not names and any(None not in found[1:] for found in tables):
        return f"found outputs {written}, which no names explain; export it with names in its metadata, or as (B, 4 + classes, candidates)"
    return f"found outputs {written}, expected exactly one of the form (B, 4 + classes, candidates) or (B, candidates, 5 + classes)"


def _held(tables: Sequence[Shape]) -> str:
    """How many classes tables hold where names are left aside: "5", or "79 or, without objectness, 80"."""
    counts = []
    for _, first, second in tables:
        if first is not None and first > 4 and (second is None or second > first):
            counts.append(f"{first - 4}")
        elif second is not None and second > 5 and (first is None or first > second):
            counts.append(f"{second - 5} or, without objectness, {second - 4}")
    return ", ".join(counts)


def _cells(canvas: tuple[int | None, int | None]) -> tuple[set[int], set[int]]:
    """Candidates of a canvas, one a cell and three a cell, for pyramids of two levels and more; empty where a side is free."""
    height, width = canvas
    if height is None or width is None:
        return set(), set()
    levels = [-(-height // stride) * -(-width // stride) for stride in _STRIDES]
    sums = {sum(levels[low:high]) for low in range(len(levels)) for high in range(low + 2, len(levels) + 1)}
    return sums, {3 * total for total in sums}


def _canvas(image: onnx.ValueInfoProto) -> tuple[int | None, int | None]:
    height, width = sides(image)[2:]
    return height, width


def _is_float(value: onnx.ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type in FLOATS


def _written(values: Sequence[onnx.ValueInfoProto]) -> str:
    """ "output0 [1, 84, 8400], output1 [1, 32, ?, ?]"."""
    written = (f"{value.name} [{', '.join('?' if side is None else str(side) for side in sides(value))}]" for value in values)
    return ", ".join(written) or "none"
