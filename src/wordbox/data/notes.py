"""What was odd in the labels of many pictures, told in a line for each kind of oddity."""

from collections.abc import Mapping, Sequence

SHOWN = 5
"""How many entries a note lists before it only counts them."""


def told(source: object, noun: str, odd: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each oddity, with the things that share it: "labels.json: 2 annotations (7, 9) left out: ..."."""
    return [f"{source}: {counted(items, noun)} {what}" for what, items in odd.items()]


def counted(items: Sequence[str], noun: str) -> str:
    """How many there are, and the first of them."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    # Names that would break the line or the terminal are shown with their escapes.
    shown = [item if item.isprintable() else repr(item) for item in items[:SHOWN]]
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'} ({', '.join(shown)}{more})"
