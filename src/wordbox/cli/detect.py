"""`wordbox detect`: what is in these pictures?"""

import csv as tables
import io
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wordbox.cli.options import Json, Weights, WordList, opened, with_settings
from wordbox.cli.output import check_target, json_writer, print_table, progress_bar, say, short, write_file
from wordbox.errors import InputError, WordboxError
from wordbox.settings import DetectSettings, LoadSettings

if TYPE_CHECKING:
    from wordbox.detection.detections import Detections
    from wordbox.images.sources import Source


@with_settings(DetectSettings)
@with_settings(LoadSettings, "loading")
def detect(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Pictures, folders, quoted patterns, .txt lists, http addresses; - is standard input."),
    ],
    *,
    settings: DetectSettings,
    loading: LoadSettings,
    words: WordList = None,
    weights: Weights = None,
    save: Annotated[Path | None, typer.Option(help="Put the pictures with their boxes drawn into this folder.", metavar="DIR")] = None,
    json: Json = None,
    csv: Annotated[Path | None, typer.Option(help="Write one line a box to this file.", metavar="FILE")] = None,
) -> None:
    """Find things in pictures.

    wordbox detect photo.jpg --words 'person, red bus' --save found
    """
    begun = time.perf_counter()
    write = json_writer(json)
    from wordbox.images.sources import find

    pictures = find(sources[0] if len(sources) == 1 else sources)
    for note in pictures.notes:
        say(note)
    taken = {source.path.resolve() for source in pictures.items if source.path is not None}
    _check_targets(csv, json, save, taken)
    detector = opened(weights, loading)
    loaded = time.perf_counter()
    results: list[Detections] = []
    drawn = Drawings(save, taken)
    with progress_bar("Detecting", len(pictures.items)) as progress:
        found = detector.run(pictures.items, words, settings, keep=save is not None)
        for source, result in zip(pictures.items, found, strict=True):
            _report(result)
            if result.error is None:
                drawn.add(source, result)
            results.append(replace(result, picture=None))
            progress(len(results))
    spent = time.perf_counter() - loaded
    good = [result for result in results if result.error is None]
    if csv is not None:
        write_file(csv, _csv(good))
    failed = [{"source": result.source, "error": str(result.error)} for result in results if result.error is not None]
    write({"images": [result.to_dict() for result in good], "failed": failed})
    if json != "-" and good:
        _print_found(good)
        many = f", {1000 * spent / len(results):.0f} ms a picture" if len(results) > 1 else ""
        from wordbox.detection.detections import Dropped

        count = "1 picture" if len(good) == 1 else f"{len(good)} pictures"
        saved = f"; drawn into {save}" if drawn.count else ""
        dropped = sum((result.dropped for result in good), Dropped())
        lost = f"; dropped {dropped}" if str(dropped) else ""
        print(f"{sum(map(len, good))} found in {count}{lost}; {loaded - begun:.2f} s to load, {spent:.2f} s to detect{many}{saved}")
    if failed:
        say(f"{len(failed)} of {len(results)} pictures could not be read")
    if failed or drawn.failed:
        raise typer.Exit(1 if good else 2)


def _check_targets(csv: Path | None, json: str | None, save: Path | None, taken: set[Path]) -> None:
    """Raise InputError where an answer could not be written or would overwrite a path in `taken`; what is fine joins them."""
    if csv is not None and str(csv) == "-":
        raise InputError("found - for --csv, expected a file; standard output takes JSON, with --json -")
    for target in (csv, None if json in (None, "-") else Path(str(json))):
        if target is not None:
            check_target(target, taken)
            taken.add(target.resolve())
    if save is not None:
        check_target(save / "any.png", ())


def _report(found: "Detections") -> None:
    """Say what a user must know of one picture."""
    if found.error is not None:
        text = str(found.error)
        say(text if found.source in text else f"{found.source}: {text}")
    for note in found.notes:
        say(f"{found.source}: {note}")


class Drawings:
    """Draws pictures into a folder, each under a name that no other picture of this run and no source has."""

    def __init__(self, folder: Path | None, taken: Iterable[Path]) -> None:
        """Draw into `folder`, or nothing where it is None, and keep off the paths in `taken`."""
        self._folder = folder
        # file systems that take IMG.jpg and img.jpg for one file are common
        self._taken = {str(path).casefold() for path in taken}
        self.count = 0
        """How many were written."""
        self.failed = 0
        """How many could not be drawn or written."""

    def add(self, source: "Source", result: "Detections") -> None:
        """Draw one; what goes wrong is said, and the others go on."""
        from wordbox.detection.draw import encode

        if self._folder is None:
            return
        name = Path("stdin" if source.name == "-" else source.file_name)
        suffix = name.suffix if name.suffix.lower() in (".jpg", ".jpeg") else ".png"
        path, count = self._folder / f"{name.stem}{suffix}", 2
        while str(path.resolve()).casefold() in self._taken:
            path, count = self._folder / f"{name.stem}-{count}{suffix}", count + 1
        self._taken.add(str(path.resolve()).casefold())
        try:
            write_file(path, encode(result.plot(), suffix))
            self.count += 1
        except WordboxError as error:
            self.failed += 1
            say(str(error))


def _csv(found: Sequence["Detections"]) -> bytes:
    text = io.StringIO()
    writer = tables.writer(text)
    writer.writerow(["source", "label", "score", "x1", "y1", "x2", "y2"])
    for result in found:
        for row in result.to_dict()["detections"]:
            writer.writerow([result.source, row["label"], row["score"], *row["box"]])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _print_found(found: Sequence["Detections"]) -> None:
    """One picture: a row a box. Several: a row a picture and label."""
    if len(found) == 1:
        boxes = [[short(d.label), f"{d.score:.2f}", *(f"{side:.0f}" for side in d.box)] for d in found[0]]
        if boxes:
            print_table(["label", "score", "left", "top", "right", "bottom"], boxes)
        return
    rows = []
    for result in found:
        best = {d.label: d.score for d in reversed(list(result))}
        counts = Counter(d.label for d in result).most_common()
        rows += [[result.source, short(label), str(count), f"{best[label]:.2f}"] for label, count in counts]
    if rows:
        print_table(["picture", "label", "count", "best score"], rows, left=2)
