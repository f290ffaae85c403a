"""What the ending of the deployed graph costs beside two plainer ones, the words' product included.

    python benchmarks/ending.py

Three graphs take the same features and words: ours (`wordbox.graphs.ending.shortlist`, 1000 candidates); one that gathers in the
graph every pair of the rows whose maximum passes; one that gives out all scores (B, N, K), thresholded in NumPy. The logits are
drawn so that about 300,000 pairs of 80 words pass 0.001, as with wordbox-nano. Runs alternate; a cell is median (least - most), ms.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.engines.threads import available_threads
from wordbox.graphs import ending
from wordbox.graphs.builder import GraphBuilder

CHANNELS = 128
CANDIDATES = 1000
CASES = [(cells, words, conf) for cells in (5376, 8400) for words in (80, 1203) for conf in (0.25, 0.001)]
SECONDS = 6.0  # a case
MEAN, SPREAD = -5.9, 1.75  # of the logits
Feeds = dict[str, NDArray[np.generic]]


def scored() -> tuple[GraphBuilder, str, ending.Limits]:
    """A graph with logits (B, N, K) of words at cells, drawn as the contrastive head draws them."""
    graph = GraphBuilder()
    features = graph.input("features", np.float32, ("B", "N", CHANNELS))
    words = graph.input("words", np.float32, ("B", "K", CHANNELS))
    limits = ending.limit_inputs(graph)
    logits = graph.op("MatMul", features, graph.op("Transpose", words, perm=[0, 2, 1]))
    return graph, graph.op("Add", logits, graph.constant(MEAN)), limits


def boxes_of(graph: GraphBuilder) -> Callable[[str], str]:
    boxes = graph.input("boxes", np.float32, ("B", "N", 4))
    return lambda cells: ending.gather_cells(graph, boxes, cells)


def engine(graph: GraphBuilder) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(graph.model({}).SerializeToString(), where="benchmark")


def ours() -> OnnxRuntimeEngine:
    graph, logits, limits = scored()
    ending.shortlist(graph, logits, boxes_of(graph), limits, sigmoid=True)
    return engine(graph)


def gathering() -> OnnxRuntimeEngine:
    """Every pair that passes of the rows whose maximum passes; the answer has no upper bound."""
    graph, logits, limits = scored()
    boxes = graph.input("boxes", np.float32, ("B", "N", 4))
    one = graph.constant(1)
    least = graph.op("Log", graph.op("Div", limits.conf, graph.op("Sub", one, limits.conf)))
    passing = graph.op("NonZero", graph.op("Greater", graph.maximum(logits, 2), least))  # (2, r)
    rows = graph.op("Transpose", passing, perm=[1, 0])
    kept = graph.op("GatherND", logits, rows)  # (r, K)
    pairs = graph.op("NonZero", graph.op("Greater", kept, least))  # (2, P)
    at = graph.op("Transpose", pairs, perm=[1, 0])
    row, label = graph.op_many("Split", pairs, graph.integers(1, 1), count=2, axis=0)
    chosen = graph.op("Gather", rows, graph.op("Squeeze", row, graph.integers(0)))
    graph.output("boxes", graph.op("GatherND", boxes, chosen), np.float32, ("P", 4))
    graph.output("scores", graph.op("Sigmoid", graph.op("GatherND", kept, at)), np.float32, ("P",))
    graph.output("labels", graph.op("Squeeze", label, graph.integers(0)), np.int64, ("P",))
    return engine(graph)


def raw() -> OnnxRuntimeEngine:
    graph, logits, _ = scored()
    graph.output("scores", graph.op("Sigmoid", logits), np.float32, ("B", "N", "K"))
    graph.output("boxes", graph.input("boxes", np.float32, ("B", "N", 4)), np.float32, ("B", "N", 4))
    return engine(graph)


def thresholded(running: OnnxRuntimeEngine, feeds: Feeds) -> None:
    """The best pairs of raw scores, in NumPy."""
    found = running.run(feeds)
    scores = found["scores"][0]
    cells, labels = np.nonzero(scores > feeds["conf"])
    values = scores[cells, labels]
    best = np.argpartition(-values, CANDIDATES)[:CANDIDATES] if len(values) > CANDIDATES else np.arange(len(values))
    best = best[np.argsort(-values[best])]
    found["boxes"][0][cells[best]], values[best], labels[best]


def inputs(cells: int, words: int, conf: float) -> Feeds:
    """A case: features and words whose products have the spread of the logits, and the two limits."""
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(0, SPREAD, (1, cells, CHANNELS)).astype(np.float32),
        "words": (rng.normal(size=(1, words, CHANNELS)) / CHANNELS**0.5).astype(np.float32),
        "boxes": rng.random((1, cells, 4), np.float32),
        "conf": np.array(conf, np.float32),
        "max_candidates": np.array([CANDIDATES]),
    }


def main() -> None:
    print(f"{available_threads()} threads; ms, median (least - most)")
    print("| cells | words | conf | pairs above conf | ours | gather what passes | scores to NumPy |")
    print("|---" * 7 + "|")
    scores = raw()
    runs: list[Callable[[Feeds], object]] = [ours().run, gathering().run, partial(thresholded, scores)]
    for cells, words, conf in CASES:
        feeds = inputs(cells, words, conf)
        pairs = int((scores.run(feeds)["scores"] > conf).sum())
        times: list[list[float]] = [[] for _ in runs]
        begun = time.perf_counter()
        while len(times[0]) < 4 or (time.perf_counter() - begun < SECONDS and len(times[0]) < 200):
            for run, taken in zip(runs, times, strict=True):
                start = time.perf_counter()
                run(feeds)
                taken.append(1e3 * (time.perf_counter() - start))
        shown = " | ".join(f"{np.median(t[1:]):.1f} ({min(t[1:]):.1f} - {max(t[1:]):.1f})" for t in times)  # the first warms up
        print(f"| {cells} | {words} | {conf} | {pairs:,} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
