"""What a program makes in the environment of the peer packages ($WORDBOX_PEERS, else ~/.cache/wordbox/peers; environment.sh builds it)."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Made = Callable[..., Path]


@pytest.fixture(scope="session")
def made_by(root: Path) -> Made:
    """`made_by("twins.py", *also)`: the folder that this version of that program of this folder makes, of the data files it is given.

    It is made once and kept beside the environment; those of other versions go.
    """
    peers = Path(os.environ.get("WORDBOX_PEERS", Path.home() / ".cache" / "wordbox" / "peers"))
    python = peers / "bin" / "python"
    if not python.exists():
        if "WORDBOX_PEERS" in os.environ:
            pytest.fail(f"WORDBOX_PEERS names {peers}, which holds no environment; tests/peers/environment.sh builds one")
        pytest.skip(f"no peer packages at {peers}; tests/peers/environment.sh installs them there, or name their folder in WORDBOX_PEERS")

    def make(*programs: str, data: tuple[Path, ...] = ()) -> Path:
        sources = [*(root / "tests" / "peers" / name for name in (*programs, "shims.py")), *data]
        version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
        made = peers / Path(programs[0]).stem / version
        if not made.exists():
            work = made.with_name(f"{version}-{os.getpid()}")
            done = subprocess.run([python, sources[0], work, *data], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            work.rename(made)
            for other in made.parent.glob("?" * len(version)):  # not what another run is making
                if other != made:
                    shutil.rmtree(other)
        return made

    return make
