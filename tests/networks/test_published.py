"""Published weights give the numbers that were measured of them (spec yolov5-yolov8.md, section 7.6)."""

import pytest
import torch

from wordbox import opening
from wordbox.networks.build import build
from wordbox.networks.decode import rows
from wordbox.networks.weights import load_arrays

# release, height, width; sum of all numbers, mean objectness, best row by objectness, its centre, size and objectness
MEASURED = [
    ("v6.0", 640, 640, 19683171.2, 1.43989e-4, 24608, (281.9196, 328.6404, 539.0201, 619.6083, 0.3521)),
    ("v6.0", 384, 640, 9782342.7, 1.23175e-4, 15009, (302.8493, 192.9021, 570.9863, 377.2284, 0.0702)),
    ("v6.1", 640, 640, 19737886.3, 1.63613e-4, 24989, (300.0773, 307.1745, 613.2485, 607.2950, 0.2303)),
    ("v6.1", 384, 640, 9807062.8, 2.60010e-4, 15009, (300.1120, 194.7048, 616.6946, 371.3415, 0.2306)),
]


def synthetic(height, width):
    """0.5 + 0.5 sin(0.013 (x + 1) (c + 1) + 0.007 (y + 1))."""
    c, y, x = torch.meshgrid(*(torch.arange(1, side + 1, dtype=torch.float64) for side in (3, height, width)), indexing="ij")
    return (0.5 + 0.5 * torch.sin(0.013 * x * c + 0.007 * y)).float()[None]


@pytest.mark.parametrize(("release", "height", "width", "total", "mean", "best", "numbers"), MEASURED)
def test_yolov5n_gives_what_was_measured_of_it(shared, release, height, width, total, mean, best, numbers):
    path = shared / "data" / "weights" / f"yolov5n-{release}-coco.pt"
    model = opening.read(path)
    network = build(model.manifest.spec).eval()
    load_arrays(network, model.arrays, str(path))
    with torch.inference_mode():
        found = rows(model.manifest.spec, network(synthetic(height, width)))
    low, high = found.boxes()[0].chunk(2, 1)
    table = torch.cat([(low + high) / 2, high - low, found.objectness[0].sigmoid(), found.logits[0].sigmoid()], 1)
    assert table.double().sum().item() == pytest.approx(total, rel=1e-5)
    assert table[:, 4].mean().item() == pytest.approx(mean, rel=1e-3)
    assert table[:, 4].argmax().item() == best
    assert table[best, :5].tolist() == pytest.approx(numbers, abs=2e-2)
    assert table[best, 4].item() == pytest.approx(numbers[4], abs=2e-4)
