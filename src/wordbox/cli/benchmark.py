"""`wordbox benchmark`: how fast is it on this machine?"""

import os
import platform
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordbox.cli.options import Device, Json, Precision, Spec, opened
from wordbox.cli.output import json_writer, print_table, progress_bar, say
from wordbox.engines.names import ENGINES
from wordbox.errors import InputError, WordboxError

if TYPE_CHECKING:
    from wordbox.detection.stages import StageTimes
    from wordbox.images.sources import Source
    from wordbox.settings import DetectSettings, LoadSettings

VIDEO = 25
"""Pictures a second of a video, which real-time is measured by."""
_PHOTOS = Path(__file__).parents[1] / "photos"
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "sve")  # what runtimes choose kernels by


def benchmark(
    weights: Annotated[str | None, typer.Argument(metavar="[W]", help="A model file or name. Left out: the packaged model.")] = None,
    *,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", "-s", metavar="SOURCE", help="A photo, folder or pattern; may be repeated. Left out: photos of the package."
        ),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", "-e", metavar="NAME", help=f"{', '.join(ENGINES)}; may be repeated. Left out: all that are installed."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often every photo is looked at; one more to warm up.")] = 20,
    size: Annotated[int | None, typer.Option(help="Long side of the picture as the network sees it. Left out: the model's own.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processors to use. Left out: all that it may use.")] = None,
    device: Device = "cpu",
    precision: Precision = "float32",
    spec: Spec = None,
    json: Json = None,
) -> None:
    """Measure the milliseconds of every stage from a photo to boxes, by engine: is it real-time here?

    wordbox benchmark yolov8n.pt --source photos
    """
    write = json_writer(json)
    from wordbox.settings import DetectSettings, LoadSettings

    chosen = _engines(engine)
    photos = _photos(source)
    settings = DetectSettings(size=size)
    rows: list[dict[str, Any]] = []
    refused: list[str] = []
    with progress_bar("Measuring", len(chosen) * (rounds + 1) * len(photos)) as progress:
        for position, name in enumerate(chosen):
            before = position * (rounds + 1) * len(photos)
            try:
                loading = LoadSettings(engine=name, threads=threads, device=device, precision=precision, spec=spec)
                times = _measured(weights, loading, photos, rounds, settings, lambda done, before=before: progress(before + done))
            except WordboxError as error:
                if engine or len(refused) + 1 == len(chosen):
                    raise
                refused.append(f"{name} is left out: {error}")
                continue
            rows.append({"engine": name, "stages": times})
    for line in refused:
        say(line)
    answer = _answer(rows, weights, threads, photos, rounds)
    write(answer)
    if json != "-":
        _show(answer)


def _measured(
    weights: str | None, loading: "LoadSettings", photos: "list[Source]", rounds: int, settings: "DetectSettings", progress: Any
) -> "list[StageTimes]":
    """Times of one engine; what it holds is given back before the next one starts."""
    from wordbox.detection.stages import measure

    return measure(opened(weights, loading), photos, rounds, settings=settings, progress=progress)


def _engines(named: list[str] | None) -> list[str]:
    """The engines to measure, each once. Raises InputError for one that is unknown."""
    unknown = [name for name in named or () if name not in ENGINES]
    if unknown:
        raise InputError(f"found engine {unknown[0]!r}, expected one of {', '.join(ENGINES)}")
    return list(dict.fromkeys(named)) if named else [name for name in ENGINES if find_spec(name)]


def _photos(named: list[str] | None) -> "list[Source]":
    """The photos to measure on. Raises SourceError where there are none."""
    from wordbox.images.sources import find

    found = find([*named] if named else str(_PHOTOS))
    for note in found.notes if named else ():  # beside our own photos lies a text about them
        say(note)
    return list(found.items)


def _answer(rows: list[dict[str, Any]], weights: str | None, threads: int | None, photos: "list[Source]", rounds: int) -> dict[str, Any]:
    """Everything that was measured, and what it was measured on, as plain values."""
    from wordbox.engines.threads import available_threads

    engines = []
    for row in rows:
        stages = {one.stage: {"median": one.median, "least": one.least, "most": one.most} for one in row["stages"]}
        stages = {stage: {name: round(value, 3) for name, value in values.items()} for stage, values in stages.items()}
        total = next(one.median for one in row["stages"] if one.stage == "total")
        engines.append({"engine": row["engine"], "milliseconds": stages, "pictures_a_second": round(1000 / total, 2)})
    return {
        "weights": weights or "wordbox-nano",
        "photos": len(photos),
        "rounds": rounds,
        "threads": threads or available_threads(),
        "machine": machine(),
        "engines": engines,
    }


def _show(answer: dict[str, Any]) -> None:
    """The table, and a sentence that answers the question."""
    engines = answer["engines"]
    lines = [
        [stage, *("{median:.1f} ({least:.1f}-{most:.1f})".format(**row["milliseconds"][stage]) for row in engines)]
        for stage in engines[0]["milliseconds"]
    ]
    lines.append(["pictures a second", *(f"{row['pictures_a_second']:.1f}" for row in engines)])
    print_table(["stage, ms", *(row["engine"] for row in engines)], lines)
    facts = answer["machine"]
    known = f" with {', '.join(facts['instructions'])}" if facts["instructions"] else ""
    counted = f"{_counted(answer['rounds'], 'round')} through {_counted(answer['photos'], 'photo')}"
    print(f"median (least-most) of {counted}, one at a time, with {answer['weights']}")
    print(f"{facts['processor']}, {facts['system']}, {_counted(facts['processors'], 'processor')}{known}")
    best = max(engines, key=lambda row: row["pictures_a_second"])
    enough = "real-time" if best["pictures_a_second"] >= VIDEO else "not real-time"
    where = f"{best['engine']} on {_counted(answer['threads'], 'thread')}"
    print(f"{best['pictures_a_second']:.1f} pictures a second with {where}: {enough} for video at {VIDEO} a second")


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def machine() -> dict[str, Any]:
    """Facts of this computer that speed depends on: processor, its vector instructions where they are easily told, system."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        told = ""
    model = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", told, re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    return {
        "processor": model[1].strip() if model else platform.processor() or platform.machine(),
        "processors": os.cpu_count() or 1,
        "instructions": [name for name in _INSTRUCTIONS if name in has],
        "system": f"{platform.system()} {platform.machine()}",
    }
