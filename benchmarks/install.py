"""What an installation costs: megabytes on disk and the time of the first import, Wordbox beside the ultralytics package.

    python benchmarks/install.py [--rounds 7] [--only wordbox]

Builds the wheel of this checkout, and installs it and the peer into fresh virtual environments in a temporary folder, with whatever
their releases require and no extras. The peer goes onto `torch` (a CPU build where the package index gives one: the table names its
version) and `torchvision`, which has no CPU build of its own and so comes without dependencies. Sizes are the files of site-packages,
compiled ones included, without pip and setuptools; MB is 10**6 bytes. Import times are of whole processes `python -c "import ..."`,
median with least and most, run in turn after one that is not counted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PEER = (["torch==2.13.0"], ["torchvision==0.28.0", "--no-deps"], ["ultralytics==8.4.190"])
NOT_COUNTED = ("pip", "pip-", "setuptools", "setuptools-", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["wordbox", "ultralytics"], help="install and measure one of the two")
    options = parser.parse_args()
    names = [options.only] if options.only else ["wordbox", "ultralytics"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = built_wheel(Path(folder) / "wheel") if "wordbox" in names else None
        pythons = {name: installed(Path(folder) / name, ([str(wheel)],) if name == "wordbox" else PEER) for name in names}
        sizes = {name: packages_megabytes(pythons[name]) for name in names}
        seconds = import_seconds(pythons, options.rounds)
        rows = [[name, f"{sizes[name]:.0f}", _spread(seconds[name]), _versions(pythons[name])] for name in names]
        wheel_size = wheel.stat().st_size / 1e6 if wheel else None
    if len(names) == 2:
        ratios = [a / b for a, b in zip(seconds["wordbox"], seconds["ultralytics"], strict=True)]
        rows.append(["wordbox / ultralytics", f"{sizes['wordbox'] / sizes['ultralytics']:.3f}, at most 0.3", _spread(ratios), ""])
    print("| | installed, MB | import, s | of it |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    if wheel_size is not None:
        print(f"| the wheel of wordbox | {wheel_size:.2f}, at most 20 | | |")
    too_large = len(names) == 2 and sizes["wordbox"] > 0.3 * sizes["ultralytics"]
    return 1 if too_large or (wheel_size or 0) > 20 else 0


def built_wheel(folder: Path) -> Path:
    """The wheel of this checkout, in the folder."""
    _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT)])
    (wheel,) = folder.glob("wordbox-*.whl")
    return wheel


def installed(folder: Path, steps: tuple[list[str], ...]) -> Path:
    """The Python of a fresh environment in the folder, after `pip install` of each step."""
    venv.create(folder, with_pip=True, symlinks=sys.platform != "win32")
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for step in steps:
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *step])
    return python


def packages_megabytes(python: Path) -> float:
    """Size in MB of all files that were installed for that Python, without pip and setuptools."""
    packages = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    mine = [entry for entry in packages.iterdir() if not entry.name.startswith(NOT_COUNTED)]
    files = [file for entry in mine for file in ([entry] if entry.is_file() else entry.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def import_seconds(pythons: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """Seconds of `python -c "import NAME"` for each name and its Python, a value a round."""
    seconds: dict[str, list[float]] = {name: [] for name in pythons}
    for turn in range(rounds + 1):
        for name, python in pythons.items():
            begun = time.perf_counter()
            _run([str(python), "-c", f"import {name}"])
            if turn:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def _versions(python: Path) -> str:
    listed = _run([str(python), "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"]).split()
    return ", ".join(line.replace("==", " ") for line in listed if line.startswith(("wordbox=", "onnxruntime=", "torch=", "ultralytics=")))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def _run(arguments: list[str]) -> str:
    """What a command printed; ends this program with the command's last line where it failed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # only what was installed counts
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=clean)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        sys.exit(f"{' '.join(arguments)} ended with code {done.returncode}; it said last: {last}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
