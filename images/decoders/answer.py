"""The answer of a decoder process, relayed while it is still being made."""

import contextlib
import enum
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from images.decoders.decoder import Decoder, after, job_frames
from images.decoders.errors import DecodeError, DecodeLimitError, DecoderDiedError
from images.decoders.failures import failure_from_json, out_of_memory, out_of_time
from images.decoders.parts import Parts
from images.decoders.source import SourceData, handed_over
from images.decoders.wire import FrameError, Kind

_TIME_SIGNALS = frozenset({signal.SIGXCPU, signal.SIGALRM})
# GLib ends the process with SIGTRAP when it cannot allocate.
_MEMORY_SIGNALS = frozenset({signal.SIGTRAP, signal.SIGXFSZ})


class Outcome(enum.StrEnum):
    """How the work of a decoder on one job ended."""

    DONE = "done"
    FAILED = "failed"  # it said why, and may go on
    EXHAUSTED = "exhausted"  # it met its limit of memory or processor time
    STOPPED = "stopped"  # the server ended it: no answer in time
    CANCELLED = "cancelled"  # the server ended it: nobody wants the rest
    DIED = "died"  # it ended, or talked nonsense

    @property
    def leaves_decoder_usable(self) -> bool:
        return self in {Outcome.DONE, Outcome.FAILED}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """`wall_seconds`: the longest that a decoder may compute without sending anything, as seen by a server that waits.

    `stream_seconds`: the longest that one answer may occupy a decoder.
    """

    wall_seconds: float
    stream_seconds: float


class Answer(Iterator[bytes]):
    """The pieces of a result as they come from the decoder.

    `finish` is called once, as soon as the decoder is no longer needed; `ending_signal` tells which signal
    ended a decoder that is gone.
    """

    def __init__(
        self,
        decoder: Decoder,
        deadlines: Deadlines,
        ending_signal: Callable[[int], int | None],
        finish: Callable[[Decoder, Outcome], None],
    ) -> None:
        self._decoder = decoder
        self._wall_seconds = deadlines.wall_seconds
        self.last_moment = after(deadlines.stream_seconds)
        self._ending_signal = ending_signal
        self._finish = finish
        self._pieces: deque[bytes] = deque()
        self._parts: Parts | None = None
        self._next_part = 0
        self.part_failure: Exception | None = None
        self._state = threading.Lock()
        self._is_cancelled = False
        self._is_finished = False

    def begin(self, job: Mapping[str, Any], source: SourceData) -> None:
        """Hand `job` and its source to the decoder. Raises DecodeError."""
        try:
            parts = job_frames(job, source)
        except FrameError as error:
            self._end(Outcome.FAILED)
            raise DecodeLimitError("The image is too large to be handed to a decoder.") from error
        self._parts = source.parts
        with self._translating(), contextlib.ExitStack() as opened:
            # A decoder may open nothing itself, and shall not share a position with anyone.
            fds = opened.enter_context(handed_over(source))
            self._decoder.send(parts, fds, after(self._wall_seconds))

    def read_ahead(self, length: int) -> int | None:
        """Read on until more than `length` bytes are there; the length of the result if that was all of it.

        Raises DecodeError.
        """
        arrived = 0
        while (piece := self._read_piece()) is not None:
            self._pieces.append(piece)
            arrived += len(piece)
            if arrived > length:
                return None
        return arrived

    def __next__(self) -> bytes:
        if self._pieces:
            return self._pieces.popleft()
        piece = self._read_piece()
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Nobody wants the rest: a decoder that is still at work is ended."""
        self._pieces.clear()
        self._end(Outcome.CANCELLED)

    def enough(self) -> None:
        """From any thread: tell the decoder that nobody wants what it has not begun. It ends as if it were complete."""
        with self._state:
            if self._is_finished:
                return
            try:
                self._decoder.send_enough()
            except OSError:
                self._decoder.stop()  # half a message would be taken for the beginning of the next

    def cancel(self) -> None:
        """From any thread: end a decoder that is still at work; whoever waits for its answer gets DecoderDiedError."""
        with self._state:
            if not self._is_finished:
                self._is_cancelled = True
                self._decoder.stop()

    def __del__(self) -> None:
        # The collector may run while this very thread holds the locks that ending takes.
        if not self._is_finished and self._decoder.is_ours:
            threading.Thread(target=self._end, args=(Outcome.CANCELLED,), daemon=True).start()

    def _read_piece(self) -> bytes | None:
        """The next piece, or None at the end. Raises DecodeError, and what getting a part of the source raises."""
        if self._is_finished:
            return None
        with self._translating():
            while (answer := self._decoder.read(self._deadline())).kind is Kind.NEXT:
                self._send_part(answer.json().get("part"))
            failure = failure_from_json(answer.json()) if answer.kind is Kind.ERROR else None
        if failure is not None:
            exhausted = isinstance(failure, DecodeLimitError)
            self._end(Outcome.EXHAUSTED if exhausted else Outcome.FAILED)
            raise failure
        if answer.kind is Kind.DATA:
            return answer.payload
        self._end(Outcome.DONE)
        return None

    def _deadline(self) -> float:
        return min(after(self._wall_seconds), self.last_moment)

    def _send_part(self, number: object) -> None:
        """What the decoder asks for, which must be the next one: it waits, so there is nothing else to read."""
        if self._parts is None or number != self._next_part or self._next_part >= len(self._parts.cuts):
            raise FrameError("A decoder asks for a part that there is not.")
        try:
            part = self._parts.get(self._next_part)
        except Exception as error:
            self.part_failure = error
            raise
        self._next_part += 1
        try:
            self._decoder.send_part(part, self._deadline())
        except FrameError as error:
            raise DecodeLimitError("A part of the image is too large to be handed to a decoder.") from error

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        """Turns what goes wrong on the socket into a DecodeError, and is done with the decoder."""
        try:
            yield
        except Exception as error:
            failure = self._translated(error)
            if failure is error:
                raise
            raise failure from error
        except BaseException:
            self._end(Outcome.CANCELLED)
            raise

    def _translated(self, error: Exception) -> Exception:
        """What to raise instead, or as well."""
        if error is self.part_failure:
            self._end(Outcome.CANCELLED)
            return error
        if isinstance(error, TimeoutError):
            self._end(Outcome.STOPPED)
            return out_of_time()
        if isinstance(error, EOFError | OSError):
            return self._explained()
        if isinstance(error, FrameError):
            self._end(Outcome.DIED)
            return DecoderDiedError("The decoder gave an answer that is none.")
        self._end(Outcome.CANCELLED)
        return error

    def _explained(self) -> DecodeError:
        """Why there is no decoder any more."""
        if self._is_cancelled:
            self._end(Outcome.CANCELLED)
            return explain(None)
        self._decoder.stop()
        failure = explain(self._ending_signal(self._decoder.pid))
        died = isinstance(failure, DecoderDiedError)
        self._end(Outcome.DIED if died else Outcome.EXHAUSTED)
        return failure

    def _end(self, outcome: Outcome) -> None:
        if not self._decoder.is_ours:
            return
        with self._state:
            if self._is_finished:
                return
            self._is_finished = True
            if self._is_cancelled:
                outcome = Outcome.CANCELLED
        self._finish(self._decoder, outcome)


def explain(ending_signal: int | None) -> DecoderDiedError | DecodeLimitError:
    """What the end of a decoder in mid-job means. A limit would be met again by a second attempt."""
    if ending_signal in _TIME_SIGNALS:
        return out_of_time()
    if ending_signal in _MEMORY_SIGNALS:
        return out_of_memory()
    return DecoderDiedError("The decoder ended in the middle of its work.")
