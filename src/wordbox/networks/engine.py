"""The PyTorch engine: a live network behind the same inputs and outputs as a deployed graph (`graphs.ending`)."""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wordbox.engines.base import Array, TensorInfo
from wordbox.engines.feeds import listed, misfit
from wordbox.engines.threads import thread_count
from wordbox.errors import EngineError, InputError, first_line
from wordbox.networks.blocks import ConvNorm
from wordbox.networks.build import Network
from wordbox.networks.decode import Rows, rows
from wordbox.networks.distribution_head import Tower
from wordbox.networks.yolo_world_head import Contrast, YoloWorldHead
from wordbox.specs import NanoSpec, Spec, YoloWorldSpec, is_open

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class TorchEngine:
    """Runs a network on a processor or a graphics card. Implements `engines.base.Engine`.

    Inputs and outputs mean what the table in `graphs.ending` says, and near ties may stand in another order.
    """

    def __init__(
        self,
        network: Network,
        metadata: Mapping[str, str],
        *,
        where: str,
        threads: int | None = None,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        """Copy `network`, which stays as it is, for inference on `device`: "cpu", "cuda" (or "cuda:1") or "mps".

        `where` names it in errors. Torch has one number of threads for the whole process, which becomes `threads`, or the
        processors that this process may use where None; in float32 on a graphics card TF32 goes off, for the whole process too.
        Other precisions run by autocast and give boxes in float32; a processor without such arithmetic takes far longer for them.
        Raises InputError for another device or precision, EngineError if torch cannot use it.
        """
        if precision not in _DTYPES:
            raise InputError(f"found precision {precision!r}, expected one of {', '.join(_DTYPES)}")
        self._where, self._dtype, self._device = where, _DTYPES[precision], _device(device)
        torch.set_num_threads(thread_count(threads))
        if self._device.type == "cuda" and precision == "float32":
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32
        self._spec: Spec = network.spec
        self._metadata = dict(metadata)
        self._inputs, self._outputs = _inputs(self._spec), _OUTPUTS
        try:
            still: nn.Module = copy.deepcopy(network).to(self._device).eval().requires_grad_(False)
        except RuntimeError as error:  # no such card, or no room on it
            raise EngineError(f"{where}: {self.name} cannot use {device!r}: {first_line(error)}") from error
        self._bins = dict(still.named_parameters()).get("head.bins")
        self._network = fused(still).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks it

    @property
    def name(self) -> str:
        """What computes, and its version."""
        return f"PyTorch {torch.__version__}"

    @property
    def inputs(self) -> Mapping[str, TensorInfo]:
        """Name, dtype and shape of every input."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorInfo]:
        """Name, dtype and shape of every output."""
        return self._outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """What was given at the start."""
        return self._metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output for `feeds`. Raises EngineError where they do not fit, or torch refuses them."""
        wrong = misfit(self._inputs, feeds) or _misfit(feeds, self._spec.strides[-1])
        if wrong is not None:
            raise EngineError(f"{self._where}: {wrong}")
        try:
            with torch.inference_mode():
                return self._run({name: torch.from_numpy(np.require(value, requirements=["C", "W"])) for name, value in feeds.items()})
        except RuntimeError as error:  # out of memory, mostly
            raise EngineError(f"{self._where}: {self.name} refuses {listed(feeds)} on {self._device}: {first_line(error)}") from error

    def _run(self, feeds: dict[str, Tensor]) -> dict[str, Array]:
        images = feeds["images"].to(self._device).permute(0, 3, 1, 2).float() / 255  # channels last in memory, as they came
        words = [feeds[name].to(self._device) for name in ("words", "words_mask") if name in feeds]
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            maps = self._network(images, *words)
        found = shortlist(rows(self._spec, maps, self._bins), float(feeds["conf"]), int(feeds["max_candidates"]))
        return {name: value.cpu().numpy() for name, value in found.items()}


def shortlist(everything: Rows, conf: float, max_candidates: int) -> dict[str, Tensor]:
    """The best pairs of row and class, under the names and in the order of the table in `graphs.ending`.

    Row maximum, the best rows, their best pairs; boxes of the winners alone.
    """
    best = everything.best()  # (B, N)
    chosen = best.topk(min(best.shape[1], max_candidates), 1).indices
    kept = everything.take(chosen)
    flat = kept.scores().flatten(1)
    scores, pairs = flat.topk(min(flat.shape[1], max_candidates), 1)  # (B, P)
    classes = everything.logits.shape[2]
    real = scores > conf
    boxes = kept.take(pairs // classes).boxes()
    return {
        "boxes": boxes.where(real[..., None], 0),
        "scores": scores.where(real, 0),
        "labels": (pairs % classes).where(real, -1),
        "count": real.sum(1),
        "rows_passed": (best > conf).sum(1),
    }


def fused(network: nn.Module) -> nn.Module:
    """`network` with every BatchNorm behind a convolution folded into it; it must be in eval mode and is changed."""
    for block in network.modules():
        if isinstance(block, ConvNorm) and isinstance(block.norm, nn.BatchNorm2d):
            block.conv, block.norm = fuse_conv_bn_eval(block.conv, block.norm), nn.Identity()
        if isinstance(block, YoloWorldHead) and block.contrast is not None:
            for tower, contrast in zip(block.label, block.contrast, strict=True):
                if isinstance(tower, Tower) and isinstance(contrast, Contrast) and isinstance(contrast.norm, nn.BatchNorm2d):
                    tower.predict, contrast.norm = fuse_conv_bn_eval(tower.predict, contrast.norm), nn.Identity()
    return network


_OUTPUTS: Mapping[str, TensorInfo] = {
    "boxes": TensorInfo(np.dtype(np.float32), (None, None, 4)),
    "scores": TensorInfo(np.dtype(np.float32), (None, None)),
    "labels": TensorInfo(np.dtype(np.int64), (None, None)),
    "count": TensorInfo(np.dtype(np.int64), (None,)),
    "rows_passed": TensorInfo(np.dtype(np.int64), (None,)),
}


def _inputs(spec: Spec) -> dict[str, TensorInfo]:
    words = (
        {
            "words": TensorInfo(np.dtype(np.float32), (None, None, spec.embedding)),
            "words_mask": TensorInfo(np.dtype(np.bool_), (None, None)),
        }
        if isinstance(spec, NanoSpec | YoloWorldSpec) and is_open(spec)
        else {}
    )
    return {
        "images": TensorInfo(np.dtype(np.uint8), (None, None, None, 3)),
        **words,
        "conf": TensorInfo(np.dtype(np.float32), ()),
        "max_candidates": TensorInfo(np.dtype(np.int64), (1,)),
    }


def _misfit(feeds: Mapping[str, Array], stride: int) -> str | None:
    """What is wrong with `feeds` whose names, dtypes and ranks fit; None where nothing is."""
    batch, *sides = feeds["images"].shape[:3]
    if any(side % stride or not side for side in sides):
        return f"found {listed(feeds)}, expected images whose sides are multiples of {stride}"
    if feeds["max_candidates"][0] < 0:
        return f"found max_candidates {feeds['max_candidates'][0]}, expected a whole number from 0"
    if "words" in feeds:
        words, mask = feeds["words"].shape, feeds["words_mask"].shape
        if words[1] == 0 or words[1] != mask[1] or {words[0], mask[0]} - {1, batch}:
            return f"found {listed(feeds)}, expected at least one word, as many in words_mask, in 1 or {batch} lists"
    return None


def _device(name: str) -> torch.device:
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise InputError(f"found device {name!r}, expected cpu, cuda or mps")
    if (kind == "cuda" and not torch.cuda.is_available()) or (kind == "mps" and not torch.backends.mps.is_available()):
        raise EngineError(f"this PyTorch ({torch.__version__}) finds no {kind} device here; docs/gpu.md says what it needs")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise InputError(f"found device {name!r}, which torch cannot read: {first_line(error)}") from error
