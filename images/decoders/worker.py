"""A decoder process: one job after the other from a socket, until the socket closes."""

import contextlib
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from images.decoders.confinement import ProcessLimits, ResidentMemory, allow_cpu, confine, give_back
from images.decoders.errors import DecodeError
from images.decoders.failures import failure_to_json, translate
from images.decoders.parts import Part, Parts, cuts_from_json
from images.decoders.source import SourceData
from images.decoders.wire import (
    DATA_BYTES,
    FrameError,
    FrameReader,
    Kind,
    close_fds,
    encode_json,
    frame,
    send,
)

IDLE_SECONDS = 2.0
"""Without a job, after which a decoder gives back the memory that it keeps for the next one."""

Perform = Callable[[Mapping[str, Any], SourceData, Callable[[bytes], None], Callable[[], bool]], None]
"""The last one tells whether nobody wants what is still to come of the job."""

WALL_GRACE_SECONDS = 1.0
"""How much later than the server a decoder ends itself: the server's word is the clearer one."""


class Alarm:
    """Ends this process by SIGALRM when it computes for `wall_seconds` without sending anything.

    Nobody else would, once the server is gone. While a thread waits for the server, since a slow reader holds up the
    sending or a part of the source is on its way, only the end of `stream_seconds` does.
    """

    def __init__(self, wall_seconds: float, stream_seconds: float) -> None:
        self._wall_seconds = wall_seconds
        self._end = time.monotonic() + stream_seconds + WALL_GRACE_SECONDS
        self._lock = threading.Lock()
        self._waiting = 0

    def computing(self) -> None:
        self._set(self._wall_seconds + WALL_GRACE_SECONDS)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        with self._lock:
            self._waiting += 1
            self._set(self._end - time.monotonic())
        yield
        with self._lock:
            self._waiting -= 1
            if not self._waiting:
                self.computing()

    def off(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _set(self, seconds: float) -> None:
        remaining = self._end - time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(0.001, min(seconds, remaining)))


class Output:
    """Sends a result in frames. A result that fits into one frame leaves together with the frame that ends it."""

    def __init__(self, channel: socket.socket, alarm: Alarm) -> None:
        self._channel = channel
        self._alarm = alarm
        self._sending = threading.Lock()
        self._pieces: list[bytes] = []
        self._length = 0

    def ask(self, reader: FrameReader, number: int) -> Part:
        """The part of the source with this number, from a thread that may be another one than writes."""
        self._send(frame(Kind.NEXT, encode_json({"part": number})))
        with self._alarm.waiting():
            try:
                facts = reader.read(Kind.PART).json()
                return Part.from_facts(facts, reader.read(Kind.SOURCE).payload)
            except (OSError, EOFError):
                os._exit(0)

    def write(self, data: bytes) -> None:
        """An empty piece asks for what was written before it to leave now."""
        if not data:
            self._send_pieces()
            return
        self._pieces.append(data)
        self._length += len(data)
        if self._length > DATA_BYTES:
            self._send_full_frames()

    def _send_pieces(self) -> None:
        if self._length:
            self._send(frame(Kind.DATA, b"".join(self._pieces)))
            self._pieces, self._length = [], 0

    def end(self, summary: Mapping[str, Any]) -> None:
        parts = frame(Kind.DATA, b"".join(self._pieces)) if self._length else []
        self._send([*parts, *frame(Kind.END, encode_json(summary))])

    def fail(self, error: DecodeError) -> None:
        self._send(frame(Kind.ERROR, encode_json(failure_to_json(error))))

    def _send_full_frames(self) -> None:
        data = memoryview(b"".join(self._pieces))
        while len(data) > DATA_BYTES:
            self._send(frame(Kind.DATA, data[:DATA_BYTES]))
            data = data[DATA_BYTES:]
        self._pieces = [bytes(data)]
        self._length = len(data)

    def _send(self, parts: list[bytes | memoryview]) -> None:
        with self._alarm.waiting():
            try:
                with self._sending:
                    send(self._channel, parts)
            except OSError:
                # Nobody reads any more. An exception might be lost in a library's callback.
                os._exit(0)


class Enough:
    """Whether the server has said of this job that nobody wants the rest."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._is_said = False

    def __call__(self) -> bool:
        try:
            self._is_said = self._is_said or self._reader.read_if_there(Kind.ENOUGH) is not None
        except (OSError, EOFError):
            os._exit(0)
        return self._is_said


def serve(channel: socket.socket, limits: ProcessLimits, perform: Perform) -> None:
    """Answer jobs on `channel` until it closes. Raises FrameError when what arrives is no job."""
    memory = ResidentMemory()
    confine(limits)
    reader = FrameReader(channel, takes_files=True)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            _answer(channel, _next_job(reader), reader, perform, memory)


def _next_job(reader: FrameReader) -> dict[str, Any]:
    try:
        return _read_job(reader, time.monotonic() + IDLE_SECONDS)
    except TimeoutError:
        give_back()
        return _read_job(reader, None)


def _read_job(reader: FrameReader, deadline: float | None) -> dict[str, Any]:
    """What came too late for the job before is passed over."""
    while (read := reader.read(Kind.JOB, Kind.ENOUGH, deadline=deadline)).kind is Kind.ENOUGH:
        pass
    return read.json()


def _answer(
    channel: socket.socket, job: Mapping[str, Any], reader: FrameReader, perform: Perform, memory: ResidentMemory
) -> None:
    alarm = Alarm(job["wall_seconds"], job["stream_seconds"])
    alarm.computing()
    allow_cpu(job["cpu_seconds"])
    output = Output(channel, alarm)
    source, fds = _receive_source(job, reader, output)
    try:
        perform(job["job"], source, output.write, Enough(reader))
    except Exception as error:  # noqa: BLE001 - whatever a library raises costs this job, not the process
        if not isinstance(error, DecodeError | MemoryError):
            traceback.print_exc()
        output.fail(translate(error))
    else:
        output.end({"resident_bytes": memory.read()})
    finally:
        alarm.off()
        close_fds(fds)


def _receive_source(job: Mapping[str, Any], reader: FrameReader, output: Output) -> tuple[SourceData, list[int]]:
    """The source that belongs to `job`, and the open files to close after it."""
    if "parts" in job:
        return SourceData(parts=Parts(cuts_from_json(job["parts"]), partial(output.ask, reader))), []
    if not job["has_file"]:
        return SourceData(data=reader.read(Kind.SOURCE).payload), []
    fds = reader.take_fds()
    if not fds:
        raise FrameError("A job came without its file.")
    return SourceData(fd=fds[-1], length=job["source_length"]), fds
