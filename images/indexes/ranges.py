"""Stretches of a source's bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to, but not with, `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start
