"""`wordbox detect`: what is in these pictures?"""

import csv as tables
import io
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordbox.cli.options import Device, Json, Synonyms, Weights, WordList, with_settings
from wordbox.cli.output import clean_stdout, print_table, progress_bar, say, write_file, write_json
from wordbox.settings import DetectSettings

if TYPE_CHECKING:
    from wordbox.detection.detections import Detections
    from wordbox.images.sources import Source


@with_settings(DetectSettings)
def detect(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Pictures, folders, quoted patterns, .txt lists, http addresses; - is standard input."),
    ],
    *,
    settings: DetectSettings,
    words: WordList = None,
    weights: Weights = None,
    save: Annotated[Path | None, typer.Option(help="Put the pictures with their boxes drawn into this folder.", metavar="DIR")] = None,
    json: Json = None,
    csv: Annotated[Path | None, typer.Option(help="Write one line a box to this file.", metavar="FILE")] = None,
    synonyms: Synonyms = True,
    device: Device = "cpu",
) -> None:
    """Find things in pictures.

    wordbox detect photo.jpg --words 'person, red bus' --save found
    """
    begun = time.perf_counter()
    with clean_stdout(json):
        from wordbox.api import load
        from wordbox.images.sources import find

        pictures = find(sources[0] if len(sources) == 1 else sources)
        for note in pictures.notes:
            say(note)
        detector = load(weights, synonyms=synonyms, device=device)
        loaded = time.perf_counter()
        results: list[Detections] = []
        taken = {source.path.resolve() for source in pictures.items if source.path is not None}
        with progress_bar("Detecting", len(pictures.items)) as progress:
            for source, found in zip(pictures.items, detector.run(pictures.items, words, settings), strict=True):
                _report(found)
                if save is not None and found.error is None:
                    _save(source, found, save, taken)
                results.append(found)
                progress(len(results))
        spent = time.perf_counter() - loaded
    good = [found for found in results if found.error is None]
    if csv is not None:
        write_file(csv, _csv(good))
    if json is not None:
        failed = [{"source": found.source, "error": str(found.error)} for found in results if found.error is not None]
        write_json(json, {"images": [found.to_dict() for found in good], "failed": failed})
    if json != "-" and good:
        _print_found(good)
        many = f", {1000 * spent / len(results):.0f} ms a picture" if len(results) > 1 else ""
        print(
            f"{sum(map(len, good))} found in {len(good)} of {len(results)} pictures; "
            f"{loaded - begun:.2f} s to load, {spent:.2f} s to detect{many}"
        )
    if len(good) < len(results):
        say(f"{len(results) - len(good)} of {len(results)} pictures could not be read")
        raise typer.Exit(1 if good else 2)


def _report(found: "Detections") -> None:
    """Say what a user must know of one picture."""
    if found.error is not None:
        text = str(found.error)
        say(text if found.source in text else f"{found.source}: {text}")
    for note in found.notes:
        say(f"{found.source}: {note}")


def _save(source: "Source", result: "Detections", folder: Path, taken: set[Path]) -> None:
    """Draw and write one picture under a name that is not `taken`: by another picture of this run, or by a source."""
    from wordbox.detection.draw import encode

    name = Path(source.file_name)
    suffix = name.suffix if name.suffix.lower() in (".jpg", ".jpeg") else ".png"
    path, count = folder / f"{name.stem}{suffix}", 2
    while path.resolve() in taken:
        path, count = folder / f"{name.stem}-{count}{suffix}", count + 1
    taken.add(path.resolve())
    write_file(path, encode(result.plot(), suffix))


def _csv(found: Sequence["Detections"]) -> bytes:
    text = io.StringIO()
    writer = tables.writer(text)
    writer.writerow(["source", "label", "score", "x1", "y1", "x2", "y2"])
    for result in found:
        for row in result.to_dict()["detections"]:
            writer.writerow([result.source, row["label"], row["score"], *row["box"]])
    return text.getvalue().encode()


def _print_found(found: Sequence["Detections"]) -> None:
    """One picture: a row a box. Several: a row a picture and label."""
    if len(found) == 1:
        boxes = [[d.label, f"{d.score:.2f}", *(f"{side:.0f}" for side in d.box)] for d in found[0]]
        if boxes:
            print_table(["label", "score", "left", "top", "right", "bottom"], boxes)
        return
    rows = []
    for result in found:
        best = {d.label: d.score for d in reversed(list(result))}
        counts = Counter(d.label for d in result).most_common()
        rows += [[result.source, label, str(count), f"{best[label]:.2f}"] for label, count in counts]
    if rows:
        print_table(["picture", "label", "count", "best score"], rows, left=2)
