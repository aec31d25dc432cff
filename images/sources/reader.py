"""What every kind of source can do once it is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from images.indexes.ranges import ByteRange


@dataclass(frozen=True, slots=True)
class SourceStat:
    """The facts of one version of a source. `etag` is strong: other bytes have another one. `modified` is aware."""

    byte_size: int
    etag: str
    modified: datetime | None = None


class ByteReader(Protocol):
    """An open source, pinned to the version that it had when it was opened. Safe to read from several threads at once.

    All methods but `close` raise SourceError.
    """

    def stat(self) -> SourceStat:
        """The facts as they were when the source was opened; never a round trip."""
        ...

    def read(self, start: int, length: int) -> bytes:
        """Exactly `length` bytes from offset `start`. SourceTruncatedError where the source ends before that."""
        ...

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """The bytes of each range, in the order asked; each as `read` would give them."""
        ...

    def verify(self) -> None:
        """Raise SourceChangedError if bytes that were read so far may be of more than one version."""
        ...

    def fileno(self) -> int | None:
        """An open descriptor of a regular file with the bytes, owned by the reader; None where there is none."""
        ...

    def close(self) -> None:
        """Give everything back. Closing twice does nothing; reading afterwards raises ValueError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
