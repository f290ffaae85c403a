"""How many processors an engine may use: this process's share, not the machine's."""

import os
from pathlib import Path

from wordbox.errors import InputError


def thread_count(asked: int | None) -> int:
    """`asked`, or as many threads as this process has processors where None. Raises InputError below 1."""
    if asked is not None and asked < 1:
        raise InputError(f"threads is {asked}, expected a whole number from 1")
    return asked or available_threads()


def available_threads() -> int:
    """Processors that this process may use: its affinity, and no more than its cgroup's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup, or a quota of "max"
        return allowed
