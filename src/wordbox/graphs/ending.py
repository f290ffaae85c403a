"""The ending of every deployed graph: uint8 canvases in, a shortlist of boxes out.

    in                                                        out
    images          uint8 (B, H, W, 3)  RGB canvases,         boxes        float32 (B, P, 4)  xyxy, canvas pixels,
                    sides a multiple of the stride                         best first; P = min(N K, max_candidates)
    words           float32 (B or 1, K, D)   open graphs      scores       float32 (B, P)
    words_mask      bool (B or 1, K)         only             labels       int64 (B, P)  positions in the words
    conf            float32 ()                                count        int64 (B)  how many of P are real; behind
    max_candidates  int64 (1)                                              it score 0, label -1, box 0
                                                              rows_passed  int64 (B)  cells with a score above conf

Row maximum, TopK of rows, TopK of their pairs, all on logits; then sigmoid and boxes of the winners alone. It is exact: the
best P pairs lie in at most P rows, and those rows are the P with the largest maxima. What decided, words' product included,
milliseconds on two cores with AVX2 (`python benchmarks/ending.py`):

    cells  words   conf    pairs that pass   this   gather what passes   all scores to NumPy
    5376     80   0.25              1,424    7.4                  6.7                  10.3
    5376     80   0.001           309,173    7.5                 46.6                  24.8
    5376   1203   0.25             21,344   61.6                 89.5                  93.6
    5376   1203   0.001         4,645,618   35.6                418.1                 237.3

Gathering is level at high thresholds and has no upper bound at low ones. More pairs may have passed where count = P: the
detector says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wordbox.graphs.blocks import scalar
from wordbox.graphs.builder import GraphBuilder
from wordbox.specs import Anchors

INPUTS = {"images", "conf", "max_candidates"}
WORD_INPUTS = {"words", "words_mask"}
OUTPUTS = {"boxes", "scores", "labels", "count", "rows_passed"}


@dataclass(frozen=True)
class Limits:
    """The two numbers that a caller sets at every run."""

    conf: str
    max_candidates: str


def image_input(graph: GraphBuilder, batch: int | str = "B", height: int | str = "H", width: int | str = "W") -> str:
    """The input `images`: uint8 (B, H, W, 3), RGB."""
    return graph.input("images", np.uint8, (batch, height, width, 3))


def word_inputs(graph: GraphBuilder, embedding: int) -> tuple[str, str]:
    """The inputs `words` and `words_mask` of an open graph."""
    return graph.input("words", np.float32, ("BW", "K", embedding)), graph.input("words_mask", np.bool_, ("BW", "K"))


def limit_inputs(graph: GraphBuilder) -> Limits:
    """The inputs `conf` and `max_candidates`."""
    return Limits(graph.input("conf", np.float32, ()), graph.input("max_candidates", np.int64, (1,)))


def shortlist(
    graph: GraphBuilder, logits: str, decode: Callable[[str], str], limits: Limits, *, sigmoid: bool, objectness: str | None = None
) -> None:
    """End the graph: the best pairs of `logits` (B, N, K) become its outputs.

    `decode` draws the boxes (B, P, 4) of chosen cells (B, P). `sigmoid` is False where `logits` are scores already. Where there is an
    `objectness` (B, N), also as logits, a score is the product of both sigmoids.
    """
    least = _logit(graph, limits.conf) if sigmoid and objectness is None else limits.conf
    best = graph.maximum(logits, 2)  # (B, N)
    if objectness is not None:
        objectness = graph.op("Sigmoid", objectness)
        best = graph.op("Mul", graph.op("Sigmoid", best), objectness)
    passed = graph.cast(graph.op("Greater", best, least), np.int64)
    rows_passed = graph.op("ReduceSum", passed, graph.integers(1), keepdims=0)
    rows_kept = graph.op("Min", graph.dimension(logits, 1), limits.max_candidates)
    _, rows = graph.op_many("TopK", best, rows_kept, count=2, axis=1)  # (B, r)

    axis = graph.integers(2)
    kept = graph.op("GatherND", logits, graph.op("Unsqueeze", rows, axis), batch_dims=1)  # (B, r, K)
    if objectness is not None:
        there = graph.op("Unsqueeze", graph.op("GatherElements", objectness, rows, axis=1), axis)
        kept = graph.op("Mul", graph.op("Sigmoid", kept), there)
    flat = graph.op("Reshape", kept, graph.integers(0, -1))
    pairs_kept = graph.op("Min", graph.dimension(flat, 1), limits.max_candidates)
    values, pairs = graph.op_many("TopK", flat, pairs_kept, count=2, axis=1)  # (B, P)
    words = graph.dimension(logits, 2)
    labels = graph.op("Mod", pairs, words)
    cells = graph.op("GatherElements", rows, graph.op("Div", pairs, words), axis=1)

    real = graph.op("Greater", values, least)  # (B, P), all True first
    count = graph.op("ReduceSum", graph.cast(real, np.int64), graph.integers(1), keepdims=0)
    scores = graph.op("Sigmoid", values) if sigmoid and objectness is None else values
    boxes = graph.op("Where", graph.op("Unsqueeze", real, axis), decode(cells), scalar(graph, 0))
    graph.output("boxes", boxes, np.float32, ("B", "P", 4))
    graph.output("scores", graph.op("Where", real, scores, scalar(graph, 0)), np.float32, ("B", "P"))
    graph.output("labels", graph.op("Where", real, labels, scalar(graph, -1, np.int64)), np.int64, ("B", "P"))
    graph.output("count", count, np.int64, ("B",))
    graph.output("rows_passed", rows_passed, np.int64, ("B",))


def gather_cells(graph: GraphBuilder, x: str, cells: str) -> str:
    """The chosen rows (B, P, ...) of x (B, N, ...) at `cells` (B, P)."""
    return graph.op("GatherND", x, graph.op("Unsqueeze", cells, graph.integers(2)), batch_dims=1)


def distances_to_boxes(graph: GraphBuilder, distances: str, points: str, strides: str, cells: str, ramp: Sequence[float]) -> str:
    """xyxy boxes (B, P, 4) in canvas pixels of the chosen `cells` (B, P).

    A side's distance is the expectation of its softmax over the bins that `ramp` (R) names, times the stride (Generalized Focal
    Loss, section 3). `distances` (B, N, 4 R) are logits, `points` (N, 2) canvas pixels, `strides` (N, 1).
    """
    bins = len(ramp)
    chosen = gather_cells(graph, distances, cells)  # (B, P, 4 R)
    apart = graph.op("Reshape", chosen, graph.integers(0, 0, 4, bins))
    likely = graph.op("Softmax", apart, axis=3)
    expected = graph.op("MatMul", likely, graph.constant(np.reshape(ramp, (bins, 1))))  # (B, P, 4, 1)
    away = graph.op("Mul", graph.op("Squeeze", expected, graph.integers(3)), graph.op("Gather", strides, cells))
    low, high = graph.op_many("Split", away, graph.integers(2, 2), count=2, axis=2)
    centre = graph.op("Gather", points, cells)  # (B, P, 2)
    return graph.op("Concat", graph.op("Sub", centre, low), graph.op("Add", centre, high), axis=2)


def anchors_to_boxes(graph: GraphBuilder, raw: str, points: str, strides: str, priors: str, rows: str, anchors: int) -> str:
    """xyxy boxes (B, P, 4) in canvas pixels of the chosen `rows` (B, P), of which each cell has `anchors`.

    The centre lies up to one cell from the cell's own, the sides are up to four times the anchor's (spec yolov5-yolov8.md,
    section 1.10). `raw` (B, N, 4) are logits, `points` (cells, 2) canvas pixels, `strides` (cells, 1), `priors` (N, 2) anchors.
    """
    twice = graph.op("Mul", graph.op("Sigmoid", gather_cells(graph, raw, rows)), scalar(graph, 2))
    place, size = graph.op_many("Split", twice, graph.integers(2, 2), count=2, axis=2)
    cells = graph.op("Div", rows, scalar(graph, anchors, np.int64))
    away = graph.op("Mul", graph.op("Sub", place, scalar(graph, 1)), graph.op("Gather", strides, cells))
    centre = graph.op("Add", graph.op("Gather", points, cells), away)
    sides = graph.op("Mul", graph.op("Mul", size, size), graph.op("Gather", priors, rows))
    half = graph.op("Mul", sides, scalar(graph, 0.5))
    return graph.op("Concat", graph.op("Sub", centre, half), graph.op("Add", centre, half), axis=2)


def priors(graph: GraphBuilder, images: str, strides: Sequence[int], anchors: Anchors) -> str:
    """The anchor (N, 2) of every row: those of a cell beside each other, cells and levels as in `grid`."""
    found = []
    for stride, level in zip(strides, anchors, strict=True):
        rows, columns = (graph.op("Div", graph.dimension(images, axis), graph.integers(stride)) for axis in (1, 2))
        shape = graph.op("Concat", graph.op("Mul", rows, columns), graph.integers(1, 1), axis=0)
        found.append(graph.op("Reshape", graph.op("Expand", graph.constant([level]), shape), graph.integers(-1, 2)))
    return graph.op("Concat", *found, axis=0)


def grid(graph: GraphBuilder, images: str, strides: tuple[int, ...], point: float) -> tuple[str, str]:
    """Points (N, 2), x and y in canvas pixels, and strides (N, 1) of all cells, finest level first, row by row."""
    points, steps = [], []
    for stride in strides:
        rows, columns = (graph.op("Div", graph.dimension(images, axis), graph.integers(stride)) for axis in (1, 2))
        shape = graph.op("Concat", rows, columns, axis=0)
        x, y = _ramp(graph, columns, stride, point), graph.op("Unsqueeze", _ramp(graph, rows, stride, point), graph.integers(1))
        both = [graph.op("Reshape", graph.op("Expand", value, shape), graph.integers(-1, 1)) for value in (x, y)]
        points.append(graph.op("Concat", *both, axis=1))
        steps.append(graph.op("Add", graph.op("Mul", both[0], scalar(graph, 0)), scalar(graph, stride)))
    return graph.op("Concat", *points, axis=0), graph.op("Concat", *steps, axis=0)


def _ramp(graph: GraphBuilder, count: str, stride: int, point: float) -> str:
    """(n + point) * stride for n from 0 to count - 1."""
    numbers = graph.op("Range", scalar(graph, 0, np.int64), graph.op("Squeeze", count), scalar(graph, 1, np.int64))
    return graph.op("Mul", graph.op("Add", graph.cast(numbers, np.float32), scalar(graph, point)), scalar(graph, stride))


def _logit(graph: GraphBuilder, score: str) -> str:
    """log(s / (1 - s)): minus infinity at 0, so that everything passes."""
    return graph.op("Log", graph.op("Div", score, graph.op("Sub", scalar(graph, 1), score)))
