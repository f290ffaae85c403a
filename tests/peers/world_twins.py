"""Random YOLO-Worlds of the ultralytics package, saved by it, with what they answer for words: more twins that Wordbox has to equal.

    FOLDER/bin/python tests/peers/world_twins.py OUT WORDS.npy         FOLDER: what environment.sh built

WORDS.npy (1203, 512) are CLIP's features of as many words, of any length; the peer gets them at length one, as its own tower gives them.
Besides what `twins.py` shakes, gates are made to heed words, scales and offsets differ from level to level, and scores spread. Into OUT
goes, for each network, in the forms of `twins.py`:

    NAME.npz    words              float32 (1203, 512)
                input_640          uint8 (1, 640, 640, 3), RGB       input_rect  uint8 (1, 384, 640, 3)
                boxes_640_K        float32 (64, N), the distances at every cell, all levels joined, for the first K words
                scores_640_K       float32 (K, N), logits, for 1 and 80 words
                scores_640_1203    float32 (1203, 300), at the cells that stand in `cells_640`, which are in order
                best_640_1203      float32 (N,), the largest logit of each cell
                ..._rect_...       the same for the rectangle
    twins.json  {file of weights: {"outputs": "NAME.npz", "version", "parameters", "form"}}

Files hold the vectors of the first 80 words and names for them.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shims  # noqa: F401
import torch
from twins import SIZES, loaded, pictured, pixels, randomise, save

COUNTS = (1, 80, 1203)
CELLS = 300


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A network to make, and the forms of its file."""

    table: str
    forms: tuple[str, ...] = ("half",)


TWINS = {
    "yolov8s-world": Twin(table="yolov8s-world.yaml", forms=("", "half", "state")),
    "yolov8s-worldv2": Twin(table="yolov8s-worldv2.yaml", forms=("", "half", "state")),
    "yolov8m-worldv2": Twin(table="yolov8m-worldv2.yaml"),
    "yolov8l-worldv2": Twin(table="yolov8l-worldv2.yaml"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("words", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    words = of_length_one(options.words)
    facts: dict[str, Any] = {}
    for name, twin in TWINS.items():
        facts |= made(name, twin, words, options.out)
        print(name, file=sys.stderr, flush=True)
    (options.out / "twins.json").write_text(json.dumps(facts, indent=1))


def of_length_one(path: Path) -> torch.Tensor:
    """The vectors of a file, float32 (1, K, D)."""
    vectors = torch.from_numpy(np.load(path).astype(np.float32))
    return torch.nn.functional.normalize(vectors, dim=1)[None]


def made(name: str, twin: Twin, words: torch.Tensor, out: Path) -> dict[str, Any]:
    """Make one network, its files and their outputs; what twins.json says of the files."""
    torch.manual_seed(list(TWINS).index(name))
    network = drawn(twin.table, words)
    described = {
        "version": "v2" if "v2" in name else "v1",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    facts = {}
    for form in twin.forms:
        weights = out / (f"{name}-{form}.pt" if form else f"{name}.pt")
        save(network, "ultralytics", form, weights)
        outputs = f"{name}-half.npz" if form == "half" else f"{name}.npz"
        if form != "state":
            np.savez(out / outputs, **answers(loaded(weights), words))
        facts[weights.name] = {"outputs": outputs, **described, "form": form or "whole"}
    return facts


def drawn(table: str, words: torch.Tensor) -> Any:
    """The package's own network of a table, random, with the vectors of the first 80 `words` and names for them."""
    from ultralytics.nn.tasks import WorldModel

    network = WorldModel(table, ch=3, nc=COUNTS[1], verbose=False)
    network.args = {"task": "detect", "imgsz": 640}
    network.names = {i: f"class {i}" for i in range(COUNTS[1])}
    network.txt_feats = words[:, : COUNTS[1]].clone()
    head = network.model[-1]
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("attn.gl.weight"):
                parameter.normal_()  # words of length one differ little otherwise, and gates heed nothing but their bias
            elif name.endswith("logit_scale"):
                parameter.add_(torch.empty_like(parameter).uniform_(1, 2))
        for contrast in head.cv4:
            contrast.bias.fill_(-2)
        if "l-" in table:
            for contrast in head.cv4:
                contrast.bias = torch.nn.Parameter(contrast.bias[0] + 0.2)  # a bare number, as in published files
    randomise(network, gain=(0.3, 0.9), lift=0.8)  # or each gated stage makes the errors of rounding half as large again
    return network


def answers(network: Any, words: torch.Tensor) -> dict[str, np.ndarray]:
    """Inputs and outputs of a network, under the names of the module's docstring."""
    stored = {"words": words[0].numpy()}
    for i, (size, (height, width)) in enumerate(SIZES.items()):
        picture = stored[f"input_{size}"] = pictured(np.random.default_rng(i), height, width)
        for count in COUNTS:
            boxes, scores = answered(network, pixels(picture), words[:, :count])
            for values in (boxes, scores):
                assert values.isfinite().all()
                assert 0.1 < values.std() < 100, f"{size}, {count} words: a spread of {values.std()}"
            stored[f"boxes_{size}_{count}"] = boxes.numpy()
            if count == max(COUNTS):
                cells = np.sort(np.random.default_rng(i).choice(scores.shape[1], CELLS, replace=False))
                stored[f"cells_{size}"], stored[f"best_{size}_{count}"] = cells, scores.amax(0).numpy()
                scores = scores[:, torch.from_numpy(cells)]
            stored[f"scores_{size}_{count}"] = scores.contiguous().numpy()
    return stored


def answered(network: Any, images: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances (64, N) and logits (K, N) of the one picture in `images` for `words` (1, K, D)."""
    network.txt_feats = words
    network.model[-1].nc = words.shape[1]  # the head counts its outputs by it
    with torch.no_grad():
        _, raw = network(images)
    assert raw["scores"].shape[1] == words.shape[1]
    return raw["boxes"][0].clone(), raw["scores"][0].clone()


if __name__ == "__main__":
    main()
