"""Long results: taken from the decoder as fast as it makes them, and handed on as fast as they are read.

So a slow reader holds no decoder; and the death of a decoder in the middle is made good by another one, which makes the
same bytes again.
"""

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator

from images.decoders.answer import Answer
from images.decoders.errors import DecodeError, DecoderDiedError
from images.decoders.failures import out_of_time, translate
from images.decoders.source import SourceData
from images.decoders.spool import Spool

logger = logging.getLogger(__name__)

_END_SECONDS = 5.0

PULSE_SECONDS = 0.25
"""After which an empty piece is handed on where there is no other: a server notices only when it has something to send
that its client is gone."""


class Drain:
    """Moves an answer into a spool, in a thread of its own.

    `again` asks another decoder for the same answer, or is None when that was done before. `leave` is called once, when
    no decoder is needed any more and before the reader learns that this was the end.
    """

    def __init__(
        self, answer: Answer, again: Callable[[], Answer] | None, leave: Callable[[], None], spool: Spool
    ) -> None:
        self._answer = answer
        self._again = again
        self._leave = leave
        self._spool = spool
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._is_enough = False
        self._failure: Exception | None = DecodeError("The image could not be decoded.")
        self._length = 0
        self._digest = hashlib.sha256()
        self._thread = threading.Thread(target=self._run, name="drain-decoder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def enough(self) -> None:
        """Nobody wants what the decoder has not begun."""
        with self._lock:
            self._is_enough = True
            self._answer.enough()

    def cancel(self) -> None:
        """End the decoder, if it is still at work, and wait until its place is free."""
        with self._lock:
            self._is_cancelled = True
            self._answer.cancel()
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        with contextlib.ExitStack() as ending:
            ending.callback(lambda: self._spool.finish(self._failure))
            ending.callback(self._leave)
            ending.callback(self._close_answer)
            self._failure = self._drained()

    def _close_answer(self) -> None:
        self._answer.close()  # which may be another one than at the beginning

    def _drained(self) -> Exception | None:
        """Drain the answer; what went wrong, for the reader."""
        try:
            self._drain()
        except TimeoutError:
            return out_of_time()
        except DecodeError as error:
            return error
        except Exception as error:
            if error is self._answer.part_failure:
                return error
            logger.exception("A result could not be relayed.")
            return translate(error)
        return None

    def _drain(self) -> None:
        try:
            self._pass_on()
        except DecoderDiedError as error:
            if self._is_enough:
                return
            if self._is_cancelled or self._again is None:
                raise
            logger.warning("After %d bytes: %s Trying once more.", self._length, error.detail)
            self._replace(self._again())
            self._skip()
            self._pass_on()

    def _pass_on(self) -> None:
        for piece in self._answer:
            self._put(piece)

    def _put(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._length += len(piece)
        self._spool.put(piece, self._answer.last_moment)

    def _replace(self, answer: Answer) -> None:
        with self._lock:
            self._answer = answer
            if self._is_cancelled:
                answer.cancel()

    def _skip(self) -> None:
        """Drop what the reader got already, provided that it is the same. Raises DecoderDiedError where it is not."""
        digest = hashlib.sha256()
        missing = self._length
        rest = b""
        while missing > 0:
            piece = next(self._answer, b"")
            if not piece:
                raise _other_bytes()
            digest.update(piece[:missing])
            rest = piece[missing:]
            missing -= len(piece)
        if digest.digest() != self._digest.digest():
            raise _other_bytes()
        if rest:
            self._put(rest)


class Relay(Iterator[bytes]):
    """What the reader has of a long result; now and then an empty piece."""

    def __init__(self, drain: Drain, spool: Spool) -> None:
        self._drain = drain
        self._spool = spool
        self._owner = os.getpid()
        self._is_over = False
        self._patience_seconds: float | None = None  # an answer begins with bytes

    def __next__(self) -> bytes:
        if self._is_over:
            raise StopIteration
        if os.getpid() != self._owner:
            raise DecoderDiedError("This process was forked from the one whose decoder answers.")
        try:
            piece = self._spool.get(self._patience_seconds)
        except BaseException:
            self.close()
            raise
        if piece is None:
            self.close()
            raise StopIteration
        self._patience_seconds = PULSE_SECONDS
        return piece

    def enough(self) -> None:
        """Nobody wants what the decoder has not begun; what it has begun still comes."""
        if not self._is_over and os.getpid() == self._owner:
            self._drain.enough()

    def close(self) -> None:
        """Nobody wants the rest: a decoder that is still at work is ended."""
        if self._is_over or os.getpid() != self._owner:
            return
        self._is_over = True
        self._spool.close()
        self._drain.cancel()

    def __del__(self) -> None:
        # The collector may run while this very thread holds the locks that closing takes.
        if not self._is_over and os.getpid() == self._owner:
            threading.Thread(target=_abandon, args=(self._drain, self._spool), daemon=True).start()


def relay(
    answer: Answer,
    again: Callable[[SourceData], Answer] | None,
    source: SourceData,
    leave: Callable[[], None],
    spool: Spool,
) -> Relay:
    """Let a thread drain `answer`. It keeps `source`, which its owner may close any time, for asking `again`."""
    kept = source.kept()

    def end() -> None:
        kept.close()
        leave()

    drain = Drain(answer, None if again is None else lambda: again(kept), end, spool)
    try:
        drain.start()
    except BaseException:
        kept.close()
        raise
    return Relay(drain, spool)


def _abandon(drain: Drain, spool: Spool) -> None:
    spool.close()
    drain.cancel()


def _other_bytes() -> DecoderDiedError:
    return DecoderDiedError("The decoder ended in the middle of its work, and the second one gave other bytes.")
