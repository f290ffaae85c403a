"""What a pickle being read works on: its bytes, a stack, marks in it, and a memo."""

from collections.abc import Callable
from typing import Any, TypeAlias

from wordbox.checkpoints.stand_ins import Limits
from wordbox.errors import WeightsError

Persistent: TypeAlias = Callable[[Any], Any]


class Machine:
    """One pickle. Each step of its reader takes the machine and a position and gives the next position."""

    __slots__ = ("data", "limits", "marks", "memo", "persistent", "stack")

    def __init__(self, data: bytes, persistent: Persistent, where: str) -> None:
        """Start on `data`, whose references to what lies outside `persistent` resolves; `where` names the file."""
        self.data = data
        self.persistent = persistent
        self.limits = Limits(where, len(data))
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def fault(self, text: str) -> WeightsError:
        """The error for `text`, with the file's name."""
        return self.limits.fault(f"its pickle {text}")

    def marked(self) -> list[Any]:
        """What lies above the last mark, taken off the stack."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def text(self, start: int, size: int) -> bytes:
        """`size` bytes of the pickle from `start`."""
        if start + size > len(self.data):
            raise self.fault(f"claims {size} bytes at byte {start}, beyond its end; the file is cut or damaged, copy it anew")
        return self.data[start : start + size]

    def line(self, start: int) -> tuple[str, int]:
        """The line that starts at `start`, and the position behind it."""
        end = self.data.find(b"\n", start, start + 4096)
        if end < 0:
            raise self.fault(f"has a line without an end at byte {start}; the file is cut or damaged, copy it anew")
        return self.data[start:end].decode("utf-8", "replace"), end + 1
