"""YOLO-World full of noise, which any program can make: what golden/yolo_world.txt was measured of.

    python tests/golden_world.py          prints those lines as this build says them

NumPy alone up to there, so that the tests of both drawings take it.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordbox.arrays import Named

FILE = Path(__file__).with_name("golden") / "yolo_world.txt"
PIXELS, SCORE = 1e-3, 2e-5
"""How far from the measured lines a build may be. LayerNorm with epsilon 1e-3 moves them by 3.6e-3 pixels, rounding by 2e-4."""
CELLS = (0, 37, 95, 96, 110, 119, 120, 125)
OFFICIAL: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^backbone\.stages\.(\d)\.down", lambda m: f"backbone.image_model.stage{int(m[1]) + 1}.0"),
    (r"^backbone\.stages\.(\d)\.csp", lambda m: f"backbone.image_model.stage{int(m[1]) + 1}.1"),
    (r"^backbone\.pool\.enter", "backbone.image_model.stage4.2.conv1"),
    (r"^backbone\.pool\.join", "backbone.image_model.stage4.2.conv2"),
    (r"^backbone\.stem", "backbone.image_model.stem"),
    (r"^neck\.top_down\.(\d)", lambda m: f"neck.top_down_layers.{1 - int(m[1])}"),  # theirs in the order of the way, ours finest first
    (r"^neck\.bottom_up", "neck.bottom_up_layers"),
    (r"^neck\.down\.", "neck.downsample_layers."),
    (r"^neck\.pooling\.projections\.(\d)", r"neck.text_enhancer.projections.\1.conv"),
    (r"^neck\.pooling\.(\w+)\.norm", r"neck.text_enhancer.\1.0"),
    (r"^neck\.pooling\.(\w+)\.linear", r"neck.text_enhancer.\1.1"),
    (r"^neck\.pooling\.out", "neck.text_enhancer.proj"),
    (r"\.gate\.guide", ".attn_block.guide_fc"),
    (r"\.gate\.project", ".attn_block.project_conv"),
    (r"\.gate\.bias", ".attn_block.bias"),
    (r"^head\.contrast\.(\d)\.scale", r"bbox_head.head_module.cls_contrasts.\1.logit_scale"),
    (r"^head\.contrast\.(\d)\.offset", r"bbox_head.head_module.cls_contrasts.\1.bias"),
    (r"^head\.contrast", "bbox_head.head_module.cls_contrasts"),
    (r"^head\.box", "bbox_head.head_module.reg_preds"),
    (r"^head\.label", "bbox_head.head_module.cls_preds"),
    (r"(preds\.\d)\.first", r"\1.0"),
    (r"(preds\.\d)\.second", r"\1.1"),
    (r"(preds\.\d)\.predict", r"\1.2"),
    (r"\.split\.", ".main_conv."),
    (r"\.join\.", ".final_conv."),
    (r"(blocks\.\d)\.first", r"\1.conv1"),
    (r"(blocks\.\d)\.second", r"\1.conv2"),
    (r"(?<!cls_contrasts\.\d)\.norm\.", ".bn."),
    (r"\.mean$", ".running_mean"),
    (r"\.variance$", ".running_var"),
]
"""From our names to those of official files, one after another."""


def noise(name: str, count: int) -> NDArray[np.float64]:
    """`count` numbers from -0.5 to 0.5 that follow from the name (section 9.1)."""
    i = np.arange(count, dtype=np.int64)
    seed = sum(place * byte for place, byte in enumerate(name.encode(), 1)) % 65521
    mixed = (31 * (i * i % 65519) + 7919 * i + seed * (i % 251 + 1) + seed * seed % 65521) % 65521
    return mixed / 65521 - 0.5


def official(name: str) -> str:
    """What official files call our array `name`."""
    for ours, theirs in OFFICIAL:
        name = re.sub(ours, theirs, name)
    return name


def filled(arrays: Iterable[Named], version: str) -> dict[str, NDArray[np.float32]]:
    """Every one of the `arrays` of an open network, by our names."""
    return {one.name: _filled(one, version).astype(np.float32).reshape(one.shape) for one in arrays}


def images() -> NDArray[np.float32]:
    """(1, 3, 96, 64)."""
    return (noise("image", 3 * 96 * 64) + 0.5).astype(np.float32).reshape(1, 3, 96, 64)


def words() -> NDArray[np.float32]:
    """(1, 5, 512), of any length."""
    return (2 * noise("text", 5 * 512)).astype(np.float32).reshape(1, 5, 512)


def measured(version: str) -> dict[str, NDArray[np.float64]]:
    """The lines of the file."""
    found = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{version} "):
            _, first, second, *numbers = line.split()
            found[f"{first} {second}"] = np.array(numbers, np.float64)
    return found


def said(boxes: NDArray[np.floating], scores: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """The same lines of `boxes` (126, 4), xyxy, and `scores` (126, 5)."""
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    boxes = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])
    found = {"range scores": np.array([scores.min(), scores.max()])}
    for what, values in (("box", boxes), ("scores", scores)):
        found |= {f"mean {what}": values.mean(0), f"deviation {what}": values.std(0, ddof=1)}
        found |= {f"{cell} {what}": values[cell] for cell in CELLS}
    return found


def apart(version: str, boxes: NDArray[np.floating], scores: NDArray[np.floating]) -> tuple[float, float]:
    """The largest difference from the measured lines: pixels, score."""
    expected, found = measured(version), said(boxes, scores)
    assert expected.keys() == found.keys()
    gaps = {what: float(np.abs(found[what] - expected[what]).max()) for what in expected}
    pixels, score = (max(gap for what, gap in gaps.items() if what.endswith(kind)) for kind in ("box", "scores"))
    return pixels, score


def _filled(one: Named, version: str) -> NDArray[np.float64]:
    key, count = official(one.name), int(np.prod(one.shape))
    u = noise(key, count)
    if one.name == "head.bins":
        return np.arange(count, dtype=np.float64)
    if key.endswith("running_var"):
        return 0.75 + 0.5 * u
    if key.endswith("running_mean"):
        return 0.4 * u
    if key.endswith("logit_scale"):
        return np.full(count, {"v1": 2.5, "v2": 0.0}[version])
    if len(one.shape) > 1:
        steep = "guide_fc" in key or "text_enhancer" in key
        gain = 12 if re.search(r"reg_preds\.\d\.2\.weight", key) else 8 if steep else 4.5
        return gain * u / np.sqrt(count / one.shape[0])
    return 1 + 0.5 * u if key.endswith(".weight") else u


def main() -> None:
    """Print the lines of both versions."""
    import torch

    from wordbox.arrays import arrays
    from wordbox.networks.build import build
    from wordbox.networks.decode import decode
    from wordbox.networks.weights import load_arrays
    from wordbox.variants import yolo_world

    for version in ("v1", "v2"):
        spec = yolo_world("s", version=version)
        network = build(spec).eval()
        load_arrays(network, filled(arrays(spec), version), "noise")
        with torch.inference_mode():
            maps = network(torch.from_numpy(images()), torch.from_numpy(words()))
        boxes, scores = (one[0].numpy() for one in decode(spec, maps))
        lines = said(boxes, scores)
        for what in measured(version):
            places = 4 if what.endswith("box") else 6
            print(f"{version}  {what:16}", *(f"{number:.{places}f}" for number in lines[what]), sep="  ")
        pixels, score = apart(version, boxes, scores)
        print(f"# {version}: up to {pixels:.1e} pixels and {score:.1e} of score from {FILE.name}")


if __name__ == "__main__":
    main()
