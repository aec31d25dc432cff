"""What the server sees of decoding: hand over a job and a source, get back bytes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from images.decoders.source import SourceData

SHARE_PIXELS = 100_000_000
"""Of a stream, for which the limits of time are made: four times what a small server needs at the worst."""


class Chunks(Iterator[bytes], Protocol):
    """The pieces of a result; the first is not empty. `close` may be called at any time, and more than once."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """A result. `length` in bytes is known when all of it has arrived; then nothing is held any more.

    Otherwise a decoder goes on producing until `chunks` is read to its end or closed. Reading raises DecodeError.
    """

    chunks: Chunks
    length: int | None
    enough: Callable[[], None] | None = None
    """Tells a decoder that makes many tiles, one part after the other, that nobody wants what it has not begun."""

    def close(self) -> None:
        self.chunks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self) -> bytes:
        """All of it."""
        with self:
            return b"".join(self.chunks)


class Runner(Protocol):
    """Does jobs: {"kind": "render", "plan": {…}}, {"kind": "tiles", …} or {"kind": "inspect", "format": …}."""

    def run(self, job: Mapping[str, Any], source: SourceData, *, returns_early: bool = False) -> Rendered:
        """Do `job`; returns when the first bytes are there, or all of them if they are few and not `returns_early`.

        Raises DecodeError, OverloadedError among them.
        """
        ...

    def stats(self) -> dict[str, Any]:
        """Numbers for health checks and metrics."""
        ...

    def close(self) -> None:
        """End every process; later jobs raise OverloadedError."""
        ...


def shares(job: Mapping[str, Any]) -> int:
    """How many times the limits of time for one job `job` may take: more than one only for a very large stream."""
    plan = job.get("plan")
    if not isinstance(plan, Mapping) or not plan.get("streams"):
        return 1
    size = plan["request"]["size"]
    pixels: int = max(plan["pixels"], size["width"] * size["height"])
    return max(1, -(-pixels // SHARE_PIXELS))


def is_dear(job: Mapping[str, Any]) -> bool:
    """Whether `job` belongs into the lane that may not take every decoder."""
    plan = job.get("plan")
    return isinstance(plan, Mapping) and bool(plan.get("is_dear"))
