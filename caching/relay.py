"""A production on its way to the client, copied into the cache as it passes."""

from collections.abc import Callable, Iterator

from caching.keeping import Keeping


class Relay(Iterator[bytes]):
    """Hands on chunks and keeps them once the last has passed.

    Exactly one of the three ends happens, once: `on_kept(kept)` after the last chunk, `on_failure`
    with the producer's error, `on_abort` when the reader goes away first. A producer's error counts
    as a failure only if it is an Exception. Read by one thread at a time.
    """

    def __init__(
        self,
        first: bytes | None,
        rest: Iterator[bytes],
        keeping: Keeping,
        *,
        on_end: Callable[[bool], None],
        on_failure: Callable[[Exception], None],
        on_abort: Callable[[], None],
    ) -> None:
        self._first = first
        self._rest = rest
        self._keeping = keeping
        self._on_end = on_end
        self._on_failure = on_failure
        self._on_abort = on_abort
        self._is_over = False

    def __next__(self) -> bytes:
        if self._is_over:
            raise StopIteration
        try:
            chunk = self._take()
        except StopIteration:
            self._is_over = True
            self._on_end(self._keeping.commit())
            raise
        except Exception as error:
            self._is_over = True
            self._keeping.discard()
            self._on_failure(error)
            raise
        except BaseException:
            self.close()
            raise
        self._keeping.write(chunk)
        return chunk

    def close(self) -> None:
        """Stop the production. Does nothing after its end."""
        if self._is_over:
            return
        self._is_over = True
        try:
            close_chunks(self._rest)
        finally:
            self._keeping.discard()
            self._on_abort()

    def _take(self) -> bytes:
        first, self._first = self._first, None
        return next(self._rest) if first is None else first

    def __del__(self) -> None:
        # A response that was dropped before it began: nobody else would end the flight.
        self.close()


def close_chunks(chunks: Iterator[bytes]) -> None:
    """Close an iterator of chunks where it can be closed."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
