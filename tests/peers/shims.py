"""What the peer packages lack in the peers' environment, for processes that run them there. Import it before a peer package.

It keeps them off the network, and their settings inside the environment. It defines the operators of torchvision, which has none beside
a CPU build of PyTorch, when torchvision is imported and finds its own library unusable; a process that never imports torchvision pays
nothing, and one whose torchvision works keeps its own operators. `ready_for_yolov5` gives the `yolov5` package the older libraries that it
expects.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def ready_for_yolov5() -> None:
    """Let `yolov5` 7.0.14 run beside NumPy 2 and PyTorch 2.6 or later, without IPython, without a network and without fonts.

    Call it in a process that runs `yolov5` alone: `torch.load` reads whole pickles from then on, of files that this process trusts.
    """
    import functools

    import numpy as np
    import numpy.ma  # NumPy's lazy modules confuse the package's own import order
    import torch

    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid
    notebook: Any = ModuleType("IPython")
    notebook.get_ipython = lambda: None
    notebook.display = ModuleType("IPython.display")
    sys.modules |= {"IPython": notebook, "IPython.display": notebook.display}
    torch.load = functools.partial(torch.load, weights_only=False)
    import yolov5.utils.general
    import yolov5.utils.plots

    for module in (yolov5.utils.general, yolov5.utils.plots):
        module.check_font = lambda *given, **named: None


def clock_standing_still(module: Any) -> None:
    """Give the module of a peer a `time` whose clock stands still: its suppression stops by the clock and drops boxes."""
    import time

    still: Any = ModuleType("time")
    still.__dict__.update(vars(time))
    still.time = lambda: 0.0
    module.time = still


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
    """Indices (M,) of the boxes that suppression keeps, best first, from boxes (N, 4) xyxy and scores (N,).

    Peers move the boxes of each class to a place of its own, so they fall into groups that share no column; each is done alone.
    """
    import numpy as np
    import torch

    order = scores.argsort(descending=True, stable=True)
    corners = boxes[order].numpy()  # best first
    kept = np.ones(len(corners), bool)
    by_left = corners[:, 0].argsort()
    reach = np.maximum.accumulate(corners[by_left, 2])
    for group in np.split(by_left, np.flatnonzero(corners[by_left[1:], 0] > reach[:-1]) + 1):
        group.sort()
        kept[group] = False
        kept[group[_kept_of_group(corners[group], iou)]] = True
    return order[torch.from_numpy(kept)]


def _kept_of_group(corners: Any, iou: float) -> list[int]:
    """Indices of the boxes (N, 4), best first, that no better one which is kept itself overlaps by more than `iou`."""
    import numpy as np

    kept = []
    left = np.arange(len(corners))
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        top, bottom = np.maximum(corners[best, :2], corners[left, :2]), np.minimum(corners[best, 2:], corners[left, 2:])
        shared = (bottom - top).clip(min=0).prod(1)
        left = left[shared <= iou * (areas[best] + areas[left] - shared)]
    return kept


for variable in ("YOLO_CONFIG_DIR", "YOLOV5_CONFIG_DIR"):
    os.environ.setdefault(variable, os.path.join(sys.prefix, "config"))
os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}

_libraries: list[Any] = []
sys.meta_path.insert(0, _Watch())
