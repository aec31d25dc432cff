"""Processor time and memory of a process and all that it started, from /proc (Linux)."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds, of live processes and of those that they waited for."""

    cpu_seconds: float

    def since(self, earlier: "Usage") -> float:
        return self.cpu_seconds - earlier.cpu_seconds


def tree_pids(roots: Iterable[int]) -> list[int]:
    """The roots and their descendants that are alive."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        if (PROC / str(pid)).exists() and pid not in found:
            found.append(pid)
            waiting.extend(children.get(pid, []))
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                yield int(entry.name), int(fields[1])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty where it has ended."""
    with suppress(OSError):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


def usage(roots: Iterable[int]) -> Usage:
    total = 0
    for pid in tree_pids(roots):
        fields = _stat(pid)
        if fields:
            # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
            total += sum(int(ticks) for ticks in fields[11:15])
    return Usage(total / TICKS)


def memory(roots: Iterable[int]) -> tuple[int, int]:
    """Bytes: the sum of the resident sets, and of the proportional sets, where shared pages count once."""
    resident = proportional = 0
    for pid in tree_pids(roots):
        with suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    resident += int(line.split()[1]) * 1024
                elif line.startswith("Pss:"):
                    proportional += int(line.split()[1]) * 1024
    return resident, proportional


class MemoryWatch:
    """Samples the memory of trees while it is entered; in bytes.

    Reading the sums makes the kernel walk the pages, so measurements of speed are made without it.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = list(roots)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.idle_resident, self.idle_proportional = memory(self._roots)
        self.peak_resident, self.peak_proportional = self.idle_resident, self.idle_proportional

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            resident, proportional = memory(self._roots)
            self.peak_resident = max(self.peak_resident, resident)
            self.peak_proportional = max(self.peak_proportional, proportional)
