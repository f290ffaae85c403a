"""Random networks of the peer packages, saved by them, with what they answer: the twins that Wordbox has to equal.

    FOLDER/bin/python tests/peers/twins.py OUT [NAME ...]        FOLDER: what environment.sh built; NAME: only these networks

Every network has random weights and BatchNorm statistics that are no identity: measured on a random picture, so that nothing dies or
explodes, and shaken afterwards. Into OUT goes, for each network, one archive of outputs and one or several files of weights:

    NAME.npz    input_640    uint8 (1, 640, 640, 3), RGB       input_rect   uint8 (1, 384, 640, 3)
                raw_640_0..  float32 (1, C, h, w), a level     raw_rect_0.. the same for the rectangle
                decoded_640  float32, what the peer's forward returns first: (1, N, 5 + K) of `yolov5`, (1, 4 + K, N) of `ultralytics`
    NAME.pt     the checkpoint, float32: a dictionary with the model as the package pickles it
    twins.json  {file of weights: {"outputs": "NAME.npz", "package", "classes", "strides", "parameters", "form"}}

C is 3 (5 + K) of `yolov5`, a x (5 + K) + k for anchor a, and 64 + K of `ultralytics`, the distances first. Pictures are divided by 255
before the peer sees them. Outputs are those of the network as its file gives it back, in evaluation mode, in float32, not fused.

Some networks stand in further forms: NAME-half.pt (made smaller by the package's own means, with an archive of its own, since rounding
moves what it answers), NAME-training.pt (a file of an unfinished training: the averaged network is the one that counts),
NAME-state.pt (names and tensors alone), NAME-legacy.pt (the stream of PyTorch up to 1.5).
"""

import argparse
import json
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shims
import torch

SIZES = {"640": (640, 640), "rect": (384, 640)}
STRIPPED = {"epoch": -1, "best_fitness": None, "ema": None, "updates": None, "optimizer": None, "date": "2024-01-01T00:00:00"}


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A network to make: the package's own table of its layers, and the number of classes."""

    package: str
    table: str
    classes: int = 80
    forms: tuple[str, ...] = ()


TWINS = {
    "yolov5n": Twin(package="yolov5", table="yolov5n.yaml", forms=("half", "training", "state", "legacy")),
    "yolov5s": Twin(package="yolov5", table="yolov5s.yaml"),
    "yolov5n6": Twin(package="yolov5", table="hub/yolov5n6.yaml", classes=4),
    "yolov5s-transformer": Twin(package="yolov5", table="hub/yolov5s-transformer.yaml", classes=7),
    # The last of its package: its activation stays with the package for every network built afterwards.
    "yolov5s-LeakyReLU": Twin(package="yolov5", table="hub/yolov5s-LeakyReLU.yaml", classes=2),
    "yolov8n": Twin(package="ultralytics", table="yolov8n.yaml", forms=("half", "training", "state", "legacy")),
    "yolov8s": Twin(package="ultralytics", table="yolov8s.yaml"),
    "yolov8m": Twin(package="ultralytics", table="yolov8m.yaml", classes=20),
    "yolov8n-p2": Twin(package="ultralytics", table="yolov8n-p2.yaml", classes=5),
    "yolov8n-p6": Twin(package="ultralytics", table="yolov8n-p6.yaml", classes=3),
    "yolov5nu": Twin(package="ultralytics", table="yolov5n.yaml", classes=80),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *TWINS])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shims.ready_for_yolov5()
    index = options.out / "twins.json"
    facts: dict[str, Any] = json.loads(index.read_text()) if index.exists() else {}
    for name in options.names or TWINS:
        facts |= made(name, TWINS[name], options.out)
        index.write_text(json.dumps(facts, indent=1))
        print(name, file=sys.stderr, flush=True)


def made(name: str, twin: Twin, out: Path) -> dict[str, Any]:
    """Make one network, its files and their outputs; what twins.json says of the files."""
    torch.manual_seed(list(TWINS).index(name))
    network = drawn(twin)
    randomise(network)
    described = {
        "package": twin.package,
        "classes": twin.classes,
        "strides": [int(stride) for stride in network.stride],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
    facts = {}
    for form in ("", *twin.forms):
        weights = out / (f"{name}-{form}.pt" if form else f"{name}.pt")
        save(network, twin.package, form, weights)
        outputs = f"{name}-half.npz" if form == "half" else f"{name}.npz"
        if form in ("", "half"):
            np.savez(out / outputs, **answers(loaded(weights), twin.classes))
        facts[weights.name] = {"outputs": outputs, **described, "form": form or "whole"}
    return facts


def drawn(twin: Twin) -> Any:
    """The package's own network of a table, with names for its classes."""
    names = {i: f"class {i}" for i in range(twin.classes)}
    if twin.package == "yolov5":
        import yolov5
        from yolov5.models.yolo import DetectionModel

        network = DetectionModel(str(Path(yolov5.__file__).parent / "models" / twin.table), ch=3, nc=twin.classes)
        network.nc = twin.classes
    else:
        from ultralytics.nn.tasks import DetectionModel

        network = DetectionModel(twin.table, ch=3, nc=twin.classes, verbose=False)
        network.args = {"task": "detect", "imgsz": 640}
    network.names = names
    return network


def randomise(network: Any, gain: tuple[float, float] = (0.5, 1.5), lift: float = 0.0) -> None:
    """Random scales, offsets and statistics for every BatchNorm, random biases elsewhere; activations keep a sane range.

    A BatchNorm multiplies by `gain`, least and most, and adds about `lift`.
    """

    def shaken(norm: Any, given: tuple[torch.Tensor]) -> None:
        """Statistics near those of what a norm is about to see, so that the next one sees them already."""
        variance, mean = torch.var_mean(given[0], (0, 2, 3))
        norm.weight.uniform_(*gain)
        norm.bias.normal_(lift, 0.3)
        norm.running_mean.copy_(mean + torch.randn_like(mean) * 0.3 * variance.sqrt())
        norm.running_var.copy_(variance * torch.exp2(torch.empty_like(variance).uniform_(-1, 1)))

    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    inside = {id(parameter) for norm in norms for parameter in norm.parameters()}
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1 and id(parameter) not in inside:
                parameter.add_(torch.randn_like(parameter) * 0.5)
        hooks = [norm.register_forward_pre_hook(shaken) for norm in norms]
        network.eval()(pixels(np.concatenate([pictured(np.random.default_rng(seed), 256, 256) for seed in (10, 11)])))
        for hook in hooks:
            hook.remove()


def save(network: Any, package: str, form: str, path: Path) -> None:
    """Write the network as the package writes it in that form."""
    network = deepcopy(network)
    for parameter in network.parameters():
        parameter.requires_grad = False
    other = deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)  # whoever takes the network that does not count answers wrongly
    whole = {**STRIPPED, "model": network}
    match form:
        case "state":
            torch.save(network.state_dict(), path)
        case "legacy":
            torch.save(whole, path, _use_new_zipfile_serialization=False)
        case "training":
            model = other if package == "yolov5" else None  # `ultralytics` keeps the average alone
            torch.save(whole | {"epoch": 3, "model": model, "ema": network, "updates": 700}, path)
        case "half":
            torch.save(whole, path)
            if package == "yolov5":
                from yolov5.utils.general import strip_optimizer
            else:
                from ultralytics.utils.torch_utils import strip_optimizer
            strip_optimizer(str(path))
        case _:
            torch.save(whole, path)


def loaded(path: Path) -> Any:
    """The network that a file gives back, in float32 and in evaluation mode."""
    return torch.load(path, map_location="cpu", weights_only=False)["model"].float().eval()


def answers(network: Any, classes: int) -> dict[str, np.ndarray]:
    """Inputs and outputs of a network, under the names of the module's docstring."""
    stored = {}
    for i, (size, (height, width)) in enumerate(SIZES.items()):
        picture = pictured(np.random.default_rng(i), height, width)
        stored[f"input_{size}"] = picture
        with torch.no_grad():
            decoded, raw = network(pixels(picture))
        if size == "640":
            stored["decoded_640"] = decoded.numpy()
        for level, values in enumerate(_by_level(raw, classes)):
            assert values.isfinite().all()
            assert 0.1 < values.std() < 100, f"level {level} of {size}: a spread of {values.std()}"
            stored[f"raw_{size}_{level}"] = values.contiguous().numpy()
    return stored


def _by_level(raw: Any, classes: int) -> list[torch.Tensor]:
    """Raw outputs as maps (1, C, h, w): `yolov5` gives (1, A, h, w, 5 + K), `ultralytics` all levels joined, distances and scores apart."""
    if isinstance(raw, list):
        return [level.permute(0, 1, 4, 2, 3).flatten(1, 2) for level in raw]
    joined = torch.cat([raw["boxes"], raw["scores"]], 1)  # (1, 64 + K, N)
    assert joined.shape[1] == 64 + classes
    shapes = [features.shape[2:] for features in raw["feats"]]
    parts = joined.split([height * width for height, width in shapes], 2)
    return [part.unflatten(2, shape) for part, shape in zip(parts, shapes, strict=True)]


def pictured(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise on coarse patches, uint8 (1, height, width, 3): edges of every strength."""
    patches = rng.integers(0, 256, (height // 32, width // 32, 3)).repeat(32, 0).repeat(32, 1)
    return np.clip(patches + rng.normal(0, 40, patches.shape), 0, 255).astype(np.uint8)[None]


def pixels(pictures: np.ndarray) -> torch.Tensor:
    """What a peer's network takes: float32 (B, 3, H, W), 0 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


if __name__ == "__main__":
    main()
