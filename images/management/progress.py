"""Progress of a command: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    def advance(self, name: str) -> None:
        """One more is done: `name`."""


class _Writer(Protocol):
    def write(self, text: str) -> object: ...


class _Lines:
    def __init__(self, out: _Writer, total: int) -> None:
        self._out, self._total, self._done = out, total, 0

    def advance(self, name: str) -> None:
        self._done += 1
        self._out.write(f"[{self._done}/{self._total}] {name}")


class _Bar:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def advance(self, name: str) -> None:
        self._progress.update(self._task, advance=1, description=name)


@contextmanager
def open_progress(out: _Writer, total: int, terminal: TextIO | None = None) -> Iterator[Advance]:
    """Report `total` steps to `out`, or as a bar where `terminal` (standard output by default) is one."""
    if not (terminal or sys.stdout).isatty():
        yield _Lines(out, total)
        return
    columns = (TextColumn("{task.description:40.40}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        yield _Bar(progress, total)


@contextmanager
def open_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal for one thing that is done in steps: call what this gives with how many of how many."""
    columns = (TextColumn("{task.description:40.40}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
