"""Sources of which no copy is evicted from this node: one empty file for each, named by its place."""

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_PLACE = re.compile(r"[0-9a-f]{32}")


class Pins:
    """Methods raise OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, place: str) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._root / place).touch(mode=0o600)

    def remove(self, place: str) -> None:
        (self._root / place).unlink(missing_ok=True)

    def has(self, place: str) -> bool:
        return (self._root / place).is_file()

    def all(self) -> Collection[str]:
        with suppress(FileNotFoundError):
            return frozenset(path.name for path in self._root.iterdir() if _PLACE.fullmatch(path.name))
        return frozenset()
