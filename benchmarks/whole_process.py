"""What a user waits for: one photo through whole processes of Wordbox, beside the ultralytics package.

    python benchmarks/whole_process.py [--rounds 7] [--photo FILE] [--wordbox EXECUTABLE] [--peers FOLDER]

Each round starts every command once as a fresh process, every second round in reverse order, after one round that is not counted.
The table gives medians with least and most, and ratios taken within a round. Seconds are from start to exit; memory is the largest
resident set of the process, as the kernel counts it (`wait4`, so not on Windows).

`wordbox detect PHOTO --json -` runs its packaged model. The peer runs YOLOv8n, which it exported to ONNX itself, on ONNX Runtime, with
its own defaults: from Python as its documentation shows (`YOLO(MODEL).predict(PHOTO)`), and as its command `yolo predict`, told not to
save a picture since Wordbox saves none here. It may use every core, asks the network nothing, and has its settings written and its files
compiled before a counted round. torchvision, which it imports, gets its operators from `tests/peers/shims.py` where a CPU build lacks
them: some 20 boxes to suppress, a few milliseconds. Its environment and model come from `tests/peers/environment.sh`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PREDICT = "import sys, shims\nfrom ultralytics import YOLO\nprint(len(YOLO(sys.argv[1]).predict(sys.argv[2])[0].boxes))"
COMMAND = "import runpy, sys, shims\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A process to run: what the table calls it, and whether what it printed shows that it did its work."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    did_it: Callable[[str], bool] = bool


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process took: seconds by the clock and of processors, megabytes (10**6) resident at most."""

    seconds: float
    processor: float
    memory: float


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Two commands to compare, and the most that the medians of their ratios may be; None where anything goes."""

    ours: str
    peer: str
    seconds: float | None = None
    memory: float | None = None


BOUNDS = (
    Bound(ours="wordbox detect", peer="YOLO(...).predict", seconds=0.25, memory=0.5),
    Bound(ours="wordbox detect", peer="yolo predict", seconds=0.25, memory=0.5),
    Bound(ours="wordbox --help", peer="import numpy", seconds=2.5),
    Bound(ours="import wordbox", peer="import ultralytics"),
)


def main() -> int:
    parser = parser_with_places(__doc__)
    parser.add_argument("--photo", type=Path, default=shared_data() / "photos" / "bus.jpg", help="default: bus.jpg of the reference data")
    options = parser.parse_args()
    model = options.peers / "models" / "yolov8n-hybrid.onnx"
    if not places_exist(options, model, options.photo):
        return 2
    commands = _commands(options.wordbox.absolute(), options.peers.absolute(), model.absolute(), options.photo.absolute())
    held = print_costs(costs_of(commands, options.rounds), BOUNDS)
    print(f"\n{options.rounds} rounds, {machine()}.")
    return 0 if held else 1


def parser_with_places(doc: str | None) -> argparse.ArgumentParser:
    """A parser of what every comparison with the peer asks: rounds, and where the two programs are."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--wordbox", type=Path, default=Path(sys.executable).parent / "wordbox", help="default: the one beside this Python")
    peers = Path(os.environ.get("WORDBOX_PEERS", Path.home() / ".cache" / "wordbox" / "peers"))
    parser.add_argument("--peers", type=Path, default=peers, help="the environment that tests/peers/environment.sh built")
    return parser


def shared_data() -> Path:
    """The folder of reference data."""
    return Path(os.environ.get("WORDBOX_SHARED", CHECKOUT.parent / "shared")) / "data"


def places_exist(options: argparse.Namespace, model: Path, *data: Path) -> bool:
    """Whether both programs, the peer's model and the data are there; says on stderr what is not."""
    cures = [
        (options.peers / "bin" / "python", f"build it with tests/peers/environment.sh {options.peers}"),
        (model, f"set WORDBOX_SHARED to the folder of reference data and run tests/peers/environment.sh {options.peers}"),
        *[(path, "set WORDBOX_SHARED to the folder of reference data, or name another as --help says") for path in data],
        (options.wordbox, "install Wordbox beside this Python or name its executable with --wordbox"),
    ]
    missing = [(path, cure) for path, cure in cures if not path.exists()]
    for path, cure in missing:
        print(f"{path} does not exist; {cure}", file=sys.stderr)
    return not missing


def own_environment() -> dict[str, str]:
    """The variables of a process that may use every core as it likes."""
    # bytecode is kept, as an install by pip keeps it; otherwise each process compiles its packages anew
    return {name: value for name, value in os.environ.items() if name not in (*THREADS, "PYTHONDONTWRITEBYTECODE")}


def peer_environment(peers: Path) -> dict[str, str]:
    """The same for one of the peer's, which asks the network nothing."""
    theirs = own_environment() | {"PYTHONPATH": str(CHECKOUT / "tests" / "peers"), "YOLO_CONFIG_DIR": str(peers / "config")}
    return theirs | {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}


def costs_of(commands: Sequence[Command], rounds: int) -> dict[str, list[Cost]]:
    """What each command took, by its name, a value a round; every second round goes backwards."""
    costs: dict[str, list[Cost]] = {command.name: [] for command in commands}
    for turn in range(rounds + 1):
        for command in commands if turn % 2 else reversed(commands):
            cost = measured(command)
            if turn:  # the round before the first only warms the files
                costs[command.name].append(cost)
    return costs


def machine() -> str:
    """What this was measured on, in words."""
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        name = next((line.split(":", 1)[1].strip() for line in facts.read_text().splitlines() if line.startswith("model name")), name)
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{name}, {os.cpu_count()} cores, load average {load} at the end, Python {platform.python_version()}"


def measured(command: Command) -> Cost:
    """Run a command to its end and return what it took; ends this program with its last words where it failed."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained, tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = subprocess.Popen(command.arguments, stdout=said, stderr=complained, env=command.environment, cwd=folder)
        # The largest resident set starts at that of this process, from which it was forked: keep NumPy and the like out of here.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complained.seek(0)
        text, complaint = said.read(), complained.read().strip()
    if process.returncode or not command.did_it(text):
        last = (complaint or text.strip() or "nothing").splitlines()[-1]
        sys.exit(f"{command.name} ended with code {process.returncode} and did not do its work; it said last: {last}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds=seconds, processor=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss * unit / 1e6)


def _commands(wordbox: Path, peers: Path, model: Path, photo: Path) -> list[Command]:
    ours, theirs = own_environment(), peer_environment(peers)
    python = str(wordbox.parent / "python")
    peer = str(peers / "bin" / "python")
    yolo = [str(peers / "bin" / "yolo"), "predict", f"model={model}", f"source={photo}", "save=False"]
    predict = [peer, "-c", PREDICT, str(model), str(photo)]
    return [
        Command(name="wordbox detect", arguments=[str(wordbox), "detect", str(photo), "--json", "-"], environment=ours, did_it=found_some),
        Command(name="YOLO(...).predict", arguments=predict, environment=theirs, did_it=counted_some),
        Command(name="yolo predict", arguments=[peer, "-c", COMMAND, *yolo], environment=theirs),
        Command(name="wordbox --help", arguments=[str(wordbox), "--help"], environment=ours),
        Command(name="import numpy", arguments=[python, "-c", "import numpy; print(1)"], environment=ours),
        Command(name="import wordbox", arguments=[python, "-c", "import wordbox; print(1)"], environment=ours),
        Command(name="import ultralytics", arguments=[peer, "-c", "import ultralytics; print(1)"], environment=theirs),
    ]


def found_some(text: str) -> bool:
    """Whether `wordbox detect --json -` found something."""
    answer = json.loads(text)
    return not answer["failed"] and bool(answer["images"][0]["detections"])


def counted_some(text: str) -> bool:
    """Whether PREDICT counted any boxes; the peer's own report stands before the number."""
    return int(text.split()[-1]) > 0


def print_costs(costs: dict[str, list[Cost]], bounds: Iterable[Bound]) -> bool:
    """Print all costs and ratios; whether the medians keep the bounds."""
    held = True
    print("| | seconds | processor seconds | peak memory, MB | time bound | memory bound |\n|---|---|---|---|---|---|")
    for name in costs:
        print(_row(f"`{name}`", costs[name]))
    for bound in bounds:
        pairs = zip(costs[bound.ours], costs[bound.peer], strict=True)
        ratios = [Cost(seconds=a.seconds / b.seconds, processor=a.processor / b.processor, memory=a.memory / b.memory) for a, b in pairs]
        most = (bound.seconds, bound.memory)
        print(_row(f"`{bound.ours}` / `{bound.peer}`", ratios, ["" if value is None else f"{value}" for value in most]))
        medians = [statistics.median(ratio.seconds for ratio in ratios), statistics.median(ratio.memory for ratio in ratios)]
        held &= all(value is None or median <= value for median, value in zip(medians, most, strict=True))
    return held


def _row(name: str, costs: list[Cost], bounds: Sequence[str] = ("", "")) -> str:
    columns = ([cost.seconds for cost in costs], [cost.processor for cost in costs], [cost.memory for cost in costs])
    return " | ".join([f"| {name}", *(spread(column) for column in columns), *bounds]) + " |"


def spread(values: Sequence[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    sys.exit(main())
