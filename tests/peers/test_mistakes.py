"""No mistake that YOLO-World's measured numbers are there to catch goes through, and each does what it did elsewhere."""

import importlib.util
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra torch")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_mistake_breaks_the_golden_test(version: str) -> None:
    spec = importlib.util.spec_from_file_location("mistakes", Path(__file__).with_name("mistakes.py"))
    assert spec is not None
    assert spec.loader is not None
    mistakes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mistakes)
    seen = list(mistakes.effects(version))
    assert len(seen) == {"v1": 29, "v2": 18}[version]
    assert [name for name, _, _, broken in seen if not broken] == []
    for name, moved, elsewhere, _ in seen:
        assert moved == pytest.approx(elsewhere, rel=0.07), name  # the figures have one or two digits
