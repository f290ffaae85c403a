"""What the tests of the networks share; without torch they are skipped."""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest


class Skipped(pytest.Module):
    def collect(self):
        pytest.skip("needs the extra torch")


def pytest_pycollect_makemodule(module_path, parent):
    return None if find_spec("torch") else Skipped.from_parent(parent, path=module_path)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny networks run sooner on one thread, and machines are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="session")
def golden():
    """YOLO-World full of noise, and what was measured of it."""
    spec = spec_from_file_location("golden_world", Path(__file__).parents[1] / "golden_world.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny():
    """Narrow networks by kind, a few thousand numbers each."""
    from dataclasses import replace

    from wordbox.specs import AnchorHead, DistributionHead
    from wordbox.variants import named

    priors = AnchorHead(anchors=(((9.0, 13.0), (20.0, 15.0)), ((40.0, 30.0), (31.0, 66.0)), ((90.0, 120.0), (150.0, 70.0))))
    towers = DistributionHead(box_width=16, label_width=12, bins=8)
    narrow = {"classes": 3, "widths": (8, 8, 16, 24, 32)}
    yolov5 = replace(named("yolov5n"), **narrow, head=priors)
    world = replace(named("yolov8n-worldv2"), widths=(8, 8, 64, 64, 128), head=towers, embedding=24, pooled_width=32)
    baked = replace(world, phrases=(1, 3, 2), background=1)
    return {
        "yolov5": yolov5,
        "yolov5u": replace(yolov5, head=towers),
        "yolov8": replace(named("yolov8n"), **narrow, head=towers),
        "world-v1": replace(world, version="v1"),
        "world-v2": world,
        "baked-v1": replace(baked, version="v1"),
        "baked-v2": baked,
    }


@pytest.fixture(scope="session")
def randomise():
    """Give a network weights and norms that are far from their start, and hand it back resting."""

    def random(network, seed=0):
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                if name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                elif name.endswith(("running_mean", "bias", "scale", "offset")):
                    tensor.uniform_(-0.3, 0.3, generator=generator)
        return network.eval()

    return random
