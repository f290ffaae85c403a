"""The operators that torchvision lacks beside a CPU build of PyTorch, for processes of the peers' environment.

Import it before a peer package. It defines them when torchvision is imported and finds its own library unusable; a process that
never imports torchvision pays nothing, and one whose torchvision works keeps its own operators.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Watch(MetaPathFinder):
    """Finds nothing: sees torchvision's modules come in, and acts once `extension` has said whether there are operators."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        extension = sys.modules.get("torchvision.extension")
        if fullname.startswith("torchvision.") and hasattr(extension, "_has_ops"):
            sys.meta_path.remove(self)
            if not extension._has_ops():
                _define_operators()
                # It still says that it has none, so nobody asks for those that are not defined here; only the refusal goes.
                extension._assert_has_ops = lambda: None
        return None


def _define_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _kept, "CPU")
    _libraries.append(library)  # the operators live as long as this object


def _kept(boxes: Any, scores: Any, iou: float) -> Any:
    """Indices (M,) of the boxes that suppression keeps, best first, from boxes (N, 4) xyxy and scores (N,)."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    if not len(order):
        return order
    x1, y1, x2, y2 = boxes[order].unbind(1)
    areas = (x2 - x1) * (y2 - y1)
    kept = []
    left = torch.arange(len(order))
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        width = (torch.minimum(x2[best], x2[left]) - torch.maximum(x1[best], x1[left])).clamp(min=0)
        height = (torch.minimum(y2[best], y2[left]) - torch.maximum(y1[best], y1[left])).clamp(min=0)
        shared = width * height
        left = left[shared <= iou * (areas[best] + areas[left] - shared)]
    return order[torch.stack(kept)]


_libraries: list[Any] = []
sys.meta_path.insert(0, _Watch())
