"""What every test may ask for."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that developers and CI have beside the checkout."""
    folder = Path(os.environ.get("WORDBOX_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no reference data at {folder}; set WORDBOX_SHARED to the folder that holds it")
    return folder
