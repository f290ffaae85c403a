"""YOLO-World, drawn (Cheng et al., 2024, figure 2; spec yolo-world.md, chapter 1).

images ── stem ── down·C2f ── down·C2f ── down·C2f ── down·C2f·SPPF      backbone, YOLOv8's
                              8 │         16 │        32 │
words ──────────┬───────────────▼ ◀──── up ─────▼◀──── up ─────┘          neck: down the pyramid, words gate both stages
                ├─ look at the picture (version 1)
                └▶              gated ─ down ─▶ gated ─ down ─▶ gated     neck: up again, gated by the words as they are now
words ───────────▶               ▼              ▼               ▼         head: boxes, and each cell's likeness to each word
"""

from collections.abc import Sequence

import numpy as np

from wordbox.graphs import yolov8
from wordbox.graphs.blocks import cells_first, concatenate, kernel_and_bias, upsample_nearest
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.gates import Words, c2f_gated, words_with_mask
from wordbox.graphs.heads import (
    RegionEmbedding,
    RegionNames,
    best_phrases,
    cell_scores,
    contrastive_scores,
    distribution_towers,
    region_embedding,
)
from wordbox.graphs.pen import Pen, conv_norm
from wordbox.graphs.pooling import pooled_words
from wordbox.specs import YoloWorldSpec

_LEAST_LENGTH = 1e-12  # below it a vector has no direction


def predictions(pen: Pen, x: str, spec: YoloWorldSpec, words: str | None, mask: str | None) -> tuple[list[str], list[str]]:
    """Distances (B, n, 4 R) and words (B, n, K) of the cells of each level, finest first, as logits.

    x are pictures (B, 3, H, W) with values 0 to 255; `words` (B or 1, K, D) and their `mask` (B or 1, K) are inputs of an open graph,
    and None where words are folded in.
    """
    graph, constant = pen.graph, spec.version == "v1" and spec.folded > 0
    if constant:
        vectors = pen.weights.take("words", spec.folded, spec.embedding)
        words = graph.constant(vectors[None], name="words")
        mask = graph.constant(np.ones((1, spec.folded)), np.bool_)
    gating = spec.folded if words is None or mask is None else words_with_mask(graph, words, mask)
    levels = neck(pen, yolov8.backbone(pen, x, spec), spec, gating)
    towers = distribution_towers(pen, levels, spec.widths[-len(levels) :], spec.head)
    distances, found = [], []
    for level, (box, label) in enumerate(towers):
        name = f"head.box.{level}.predict"
        kernel, bias = kernel_and_bias(pen.weights, name, spec.head.box_width, 4 * spec.head.bins, 1)
        distances.append(cell_scores(graph, cells_first(graph, box), kernel, bias, name))
        if words is None or mask is None:
            name = f"head.label.{level}.predict"
            kernel, bias = kernel_and_bias(pen.weights, name, spec.head.label_width, sum(spec.phrases), 1)
            found.append(cell_scores(graph, cells_first(graph, label), kernel, bias, name))
            continue
        if constant:
            named = vectors[: sum(spec.phrases)]
            compared = graph.constant(named[None] / np.maximum(np.linalg.norm(named, axis=1, keepdims=True), _LEAST_LENGTH))
            shown = graph.constant(np.ones((1, len(named))), np.bool_)
        else:
            compared, shown = _unit(graph, words), mask
        cells, region = _regions(pen, label, level, spec)
        found.append(contrastive_scores(graph, cells, region, compared, shown, f"head.region.{level}"))
    return distances, [best_phrases(graph, logits, spec.phrases) for logits in found]


def neck(pen: Pen, levels: Sequence[str], spec: YoloWorldSpec, words: Words | int) -> list[str]:
    """The levels mixed both ways, gated by words; in version 1 these look at the picture before the way up (trap 16)."""
    graph, count = pen.graph, len(levels)
    widths, depth = spec.widths[-count:], spec.neck_repeats
    mixed, x = list(levels), levels[-1]
    for level in range(count - 2, -1, -1):
        fine, coarse = widths[level], widths[level + 1]
        x = concatenate(graph, upsample_nearest(graph, x), levels[level])
        x = mixed[level] = c2f_gated(pen, x, f"neck.top_down.{level}", coarse + fine, fine, depth, words, spec.embedding)
    if spec.version == "v1" and isinstance(words, Words):
        words = Words(pooled_words(pen, words.vectors, mixed, widths, spec.embedding, spec.pooled_width), words.hidden)
    for level in range(count - 1):
        fine, coarse = widths[level], widths[level + 1]
        x = conv_norm(pen, x, f"neck.down.{level}", fine, fine, 3, 2)
        x = concatenate(graph, x, mixed[level + 1])
        x = mixed[level + 1] = c2f_gated(pen, x, f"neck.bottom_up.{level}", fine + coarse, coarse, depth, words, spec.embedding)
    return mixed


def _regions(pen: Pen, label: str, level: int, spec: YoloWorldSpec) -> tuple[str, RegionEmbedding]:
    """What words are compared with at each cell of a level (B, n, C), and how."""
    width, hidden, graph = spec.embedding, spec.head.label_width, pen.graph
    name, contrast = f"head.label.{level}.predict", f"head.contrast.{level}"
    cells = cells_first(graph, label)
    if spec.version == "v2":
        names = RegionNames(region=name, norm=f"{contrast}.norm", scale=f"{contrast}.scale", offset=f"{contrast}.offset")
        return cells, region_embedding(pen.weights, names, hidden, width, spec.norm_epsilon)
    kernel, bias = kernel_and_bias(pen.weights, name, hidden, width, 1)
    steep, offset = np.exp(pen.weights.take(f"{contrast}.scale").astype(np.float64)), float(pen.weights.take(f"{contrast}.offset"))
    # A cell's vector E = W h + b is compared at unit length. With [W b] = Q R, E is Q (R [h 1]): as long as R [h 1], which is
    # far shorter to compute, and words go through Q' instead.
    basis, rest = np.linalg.qr(np.concatenate([kernel.reshape(width, hidden), bias[:, None]], 1).astype(np.float64))
    short = rest.astype(np.float32)
    seen = cell_scores(graph, cells, short[:, :-1, None, None], short[:, -1], f"{name}.short")
    return _unit(graph, seen), RegionEmbedding((basis * steep).astype(np.float32), np.zeros(width, np.float32), offset)


def _unit(graph: GraphBuilder, x: str) -> str:
    """x (B, n, C) with each row at unit length."""
    length = graph.op("Sqrt", graph.op("ReduceSum", graph.op("Mul", x, x), graph.integers(-1)))
    return graph.op("Div", x, graph.op("Max", length, graph.constant(_LEAST_LENGTH)))
