"""Feeds the checkpoint reader mutated files: python tests/attacks/fuzz_reader.py --seconds 3600

Only WeightsError may come out, on one line that names the file; nothing may run, take long, or fill memory. What breaks this is kept in
the folder that --keep names. The last line gives totals; the exit status is 1 if there were findings.
"""

import argparse
import codecs
import hashlib
import logging
import random
import sys
import tempfile
import time
import traceback
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import checkpoint_cases as cases
import checkpoint_forge as forge
import world_cases

from wordbox.checkpoints import foreign, modules, official, torch_archive
from wordbox.errors import WeightsError

SLOW = 20.0  # seconds of processor time for one input: the longest sound one takes a hundredth, on a busy machine too
MEMORY = 128 * 2**20  # beside four times the file: a million steps of a pickle make no more
# What a reader has no business with.
DEEDS = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "subprocess.",
    "socket.",
    "exec",
    "compile",
    "import",
    "ctypes.",
    "pickle.",
    "marshal.",
    "webbrowser.",
    "shutil.",
    "code.__new__",
    "function.__new__",
    "urllib.",
)


class Watch:
    """A `with` block in which each deed of the interpreter beyond reading is noted in `deeds`."""

    def __init__(self) -> None:
        self.deeds: list[str] = []
        self._on = False
        for codec in ("utf-32-le", "utf-32-be"):  # Python loads these when they are first used
            codecs.lookup(codec)
        sys.addaudithook(self._note)

    def __enter__(self) -> None:
        self.deeds.clear()
        self._on = True

    def __exit__(self, *_: object) -> None:
        self._on = False

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on or event == "builtins.id":  # by far the most frequent
            return
        written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if written or event.startswith(DEEDS):
            self.deeds.append(f"{event} {arguments!r:.200}")


@dataclass
class Totals:
    """What a run has seen."""

    inputs: int = 0
    sound: int = 0
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0
    largest: int = 0


def run(chance: random.Random, folder: Path, watch: Watch, seconds: float, keep: Path | None = None, progress: float = 0.0) -> Totals:
    """Try mutated checkpoints for so many seconds; `progress` seconds lie between lines on standard output, 0 for none."""
    seeds = _seeds()
    totals = Totals()
    path = folder / "fuzzed.pt"
    started = told = time.monotonic()
    while time.monotonic() - started < seconds:
        data = _input(chance, seeds)
        path.write_bytes(data)
        totals.inputs += 1
        fault = _try(path, len(data), totals, watch)
        if fault:
            name = hashlib.sha256(data).hexdigest()[:16]
            totals.findings.append(f"{name}: {fault}")
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name}.pt").write_bytes(data)
                print(f"FOUND {name}: {fault}", flush=True)
        if progress and time.monotonic() - told >= progress:
            told = time.monotonic()
            print(
                f"{told - started:.0f} s: {totals.inputs} inputs, {totals.sound} still sound, {len(totals.findings)} findings", flush=True
            )
    return totals


def _try(path: Path, size: int, totals: Totals, watch: Watch) -> str | None:
    """What is wrong with how the reader takes the file at `path`; None if nothing is."""
    traced = totals.inputs % 8 == 0  # tracing makes everything many times slower
    if traced:
        tracemalloc.start()
    started = time.process_time()
    fault = None
    try:
        with watch:
            network = modules.find_network(torch_archive.read(path), str(path))
            if _is_world(network):
                foreign.read(path)
        totals.sound += 1
    except WeightsError as error:
        message = str(error)
        if not message.startswith(f"{path}: ") or not message.isprintable() or len(message) > 1000:
            fault = f"a message that is not one line with the file's name: {message[:200]!a}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fault = f"{type(error).__name__}: {error} {traceback.format_exc().splitlines()[-4:-1]}"
    spent = time.process_time() - started
    peak = 0
    if traced:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    totals.slowest, totals.largest = max(totals.slowest, spent), max(totals.largest, peak)
    if watch.deeds:
        fault = f"it did {watch.deeds[:3]}"
    elif spent > SLOW:
        fault = f"it took {spent:.1f} s"
    elif peak > MEMORY + 4 * size:
        fault = f"it took {peak / 2**20:.0f} MB for {size} bytes"
    return fault


def _is_world(network: Any) -> bool:
    """Whether what was found is a YOLO-World, which is read to its end: the names and arrays in it are of many forms."""
    return network.kind.endswith("WorldModel") if isinstance(network, modules.Pickled) else official.is_official(network)


# -- inputs


@dataclass
class Seed:
    """What a pickle holds, with its storages; to be mutated and wrapped again."""

    tree: Any
    storages: dict[str, tuple[str, bytes]]


def _seeds() -> list[Seed]:
    tree, held = forge.network()
    root = tree["model"]
    arrays = {}
    for key in "01":
        kind, data = held.held[key]
        count = len(data) // forge.SIZES[kind]
        arrays[f"module.{key}.weight"] = forge.tensor(key, kind, count, 0, (count,), (1,))
    numbers = {
        "best": cases.array((1, (2,), cases.dtype("f8"), False, bytes(16))),
        "score": forge.Call("numpy.core.multiarray.scalar", (cases.dtype("f4"), bytes(4))),
        "opt": {"path": forge.Call("pathlib.PosixPath", ("/", "a", "b")), "size": forge.Call("torch.Size", ((1, 2),))},
        "device": forge.Call("torch.device", ("cuda", 0)),
    }
    return [
        Seed(tree, held.held),
        Seed({"ema": root, **numbers}, held.held),
        Seed({"state_dict": arrays}, {"0": held.held["0"], "1": held.held["1"]}),
        Seed({"model": forge.module("models.yolo.Model"), **numbers}, {}),
        *(Seed(tree, stored) for tree, stored in world_cases.trees()),
    ]


KINDS = [
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.Size",
    "torch.device",
    "torch.nn.parallel.DataParallel",
    "models.common.Conv",
    "argparse.Namespace",
    "pathlib.Path",
    "collections.OrderedDict",
    "collections.defaultdict",
    "__builtin__.set",
    "builtins.frozenset",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "_codecs.encode",
    "os.system",
    "evil.Net",
]
OPCODES = [bytes([code]) for code in b"(.0123NIKJMGLXUTBC)]}aeiostulbcdhjqrpPQR" + bytes(range(0x80, 0x99))]
SNIPPETS = [
    *(cases.STACKED, cases.SHELL_CODE, cases.STATE),
    *(forge.named(kind) for kind in KINDS),
    *(b"q\x00", b"h\x00", b"q\x01", b"h\x01", b"\x94", b"2", b"K\x00", b"\x8b\xff\xff\xff\x7f", b"r\xff\xff\xff\xff"),
    *(forge.code(value) for value in (2**62, -1, {}, ("storage", 1), 1e300)),
]
NAMES: list[Any] = [
    *("model", "ema", "module", "_modules", "_parameters", "_buffers", "_non_persistent_buffers_set", "state_dict", "a.b", "", "\n"),
    *(7, None, 1.5, b"x", (1, 2)),
]
ODD: list[Any] = [
    *(None, True, -1, 0, 1, 7, 2**31, 2**62, 10**100, -(2**63), 1e300, "", "x", "\n", "storage", b"", b"\x00\xff"),
    *((), [], {}, (1,), (0, 2**40), (1,) * 40, [[]], {"a": {}}),
    forge.tensor("0", "Half", 6, 0, (6,), (1,)),
    forge.tensor("0", "Half", 6, 0, (0, 2**39, 2**39), (1, 1, 1)),
    forge.module("models.common.Conv"),
    forge.Instance("argparse.Namespace", {"a": 1}),
    *(cases.dtype("U1"), cases.dtype(">i2")),
    *(forge.Raw(forge.named(kind)) for kind in KINDS),
    *(forge.Raw(forge.named(f"torch.{kind}Storage")) for kind in forge.SIZES),
    *(forge.Raw(forge.named(kind)) for kind in ("torch.float16", "torch.uint16", "torch.storage.UntypedStorage")),
]


def _input(chance: random.Random, seeds: list[Seed]) -> bytes:
    if chance.random() < 0.1:  # a case, mutated as a whole
        return _bytes(chance, _small_case(chance), chance.randint(1, 8))
    seed = chance.choices(seeds, [5] * (len(seeds) - 3) + [1] * 3)[0]  # the last are large
    tree = seed.tree
    if chance.random() < 0.6:
        tree = _values(chance, tree, chance.choice((0.002, 0.005, 0.02)))
    code = forge.pickled(tree)
    if tree is seed.tree or chance.random() < 0.3:
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6, 20))):
            code = _opcodes(chance, code) if chance.random() < 0.7 else _bytes(chance, code, 1)
    held = dict(seed.storages)
    if held and chance.random() < 0.1:
        key = chance.choice(list(held))
        held[key] = (held[key][0], held[key][1][: chance.randint(0, len(held[key][1]))])
    if chance.random() < 0.6:
        extra = {"byteorder": chance.choice((b"little", b"big"))} if chance.random() < 0.2 else {}
        data = forge.zipped(code, {key: raw for key, (_, raw) in held.items()}, root=chance.choice(("archive", "best")), extra=extra)
    else:
        data = forge.streamed(code, held)
    return _bytes(chance, data, chance.randint(1, 5)) if chance.random() < 0.4 else data


_CASES: list[bytes] = []


def _small_case(chance: random.Random) -> bytes:
    if not _CASES:
        _CASES.extend(data for data in (build() for _, build in cases.CASES) if 0 < len(data) < 20_000)
    return chance.choice(_CASES)


def _values(chance: random.Random, value: Any, rate: float) -> Any:
    """The tree with a few of its values in the wrong place."""
    if chance.random() < rate:
        other = chance.choice(ODD)
        return chance.choice((other, other, other, [value], (value,), {"_modules": value}, forge.Instance("evil.Net", value)))

    def inside(part: Any) -> Any:
        return _values(chance, part, rate)

    match value:
        case forge.Call(kind, arguments):
            return forge.Call(chance.choice(KINDS) if chance.random() < rate else kind, _all(inside, arguments))
        case forge.Instance(kind, state, arguments):
            return forge.Instance(chance.choice(KINDS) if chance.random() < rate else kind, inside(state), _all(inside, arguments))
        case forge.Persistent(reference):
            return forge.Persistent(inside(reference))
        case tuple():
            return _all(inside, value)
        case list():
            return [inside(part) for part in value]
        case dict():
            return {chance.choice(NAMES) if chance.random() < rate else key: inside(part) for key, part in value.items()}
    return value


def _all(inside: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(inside(part) for part in values)


def _opcodes(chance: random.Random, code: bytes) -> bytes:
    """One change that tends to leave most opcodes readable."""
    if not code:
        return chance.choice(SNIPPETS)
    at = chance.randrange(len(code))
    spots = [i for i in range(at, min(at + 64, len(code))) if code[i : i + 1] in b"RQb\x81tus("]
    at = spots[0] if spots else at
    match chance.randrange(6):
        case 0:
            return code[:at] + chance.choice(SNIPPETS) + code[at:]
        case 1:
            return code[:at] + chance.choice(OPCODES) + code[at:]
        case 2:
            return code[:at] + chance.choice(OPCODES) + code[at + 1 :]
        case 3:
            return code[:at] + code[at + 1 :]
        case 4:
            end = min(len(code), at + chance.choice((2, 8, 40, 200)))
            return code[:end] + code[at:end] * chance.choice((1, 2, 50)) + code[end:]
        case _:
            end = min(len(code), at + chance.choice((2, 8, 40, 200)))
            to = chance.randrange(len(code))
            return code[:to] + code[at:end] + code[to:]


def _bytes(chance: random.Random, data: bytes, times: int) -> bytes:
    """Changes of bytes anywhere."""
    changed = bytearray(data)
    for _ in range(times):
        at = chance.randrange(len(changed) or 1)
        match chance.randrange(7):
            case 0 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if changed:
                changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), b"\1\0\0\0"))
            case 3:
                del changed[at : at + chance.choice((1, 2, 4, 16, 256))]
            case 4:
                changed[at:at] = chance.randbytes(chance.choice((1, 2, 4, 16)))
            case 5:
                del changed[at:]
            case _:
                to = chance.randrange(len(changed) or 1)
                changed[to:to] = changed[at : at + chance.choice((4, 30, 46, 200))]
    return bytes(changed)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Feed the checkpoint reader mutated files.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of the mutations; drawn and printed if not given")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for files that break a promise")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    logging.getLogger("wordbox").setLevel(logging.ERROR)
    print(f"seed {seed}, {given.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        totals = run(random.Random(seed), Path(folder), Watch(), given.seconds, given.keep, progress=60)
    print(
        f"seed {seed}: {totals.inputs} inputs in {given.seconds:.0f} s, {totals.sound} still sound, {len(totals.findings)} findings; "
        f"slowest {totals.slowest:.2f} s, largest {totals.largest / 2**20:.1f} MB"
    )
    return bool(totals.findings)


if __name__ == "__main__":
    sys.exit(main())
