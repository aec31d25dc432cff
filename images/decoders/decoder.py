"""The server's handle of one decoder process."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from images.decoders.parts import Part
from images.decoders.source import SourceData
from images.decoders.wire import Frame, FrameError, FrameReader, Kind, encode_json, frame, send


class Decoder:
    """One process, doing one job at a time. Used by one thread at a time, but for `stop` and `send_enough`."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.jobs = 0
        self.resident_bytes = 0
        self._channel = channel
        self._reader = FrameReader(channel)
        self._owner = os.getpid()
        self._is_gone = False
        # A number may be given to another process; a handle never means another one.
        self._handle: int | None = None
        with contextlib.suppress(OSError, AttributeError):
            self._handle = os.pidfd_open(pid)

    def is_ready(self) -> bool:
        """Whether the process waits for a job: it lives and has nothing to say."""
        if not self._reader.is_empty:
            return False
        try:
            self._channel.settimeout(0)
            self._channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def is_ours(self) -> bool:
        """False in a process that was forked from the one that started this decoder."""
        return os.getpid() == self._owner

    def send(self, parts: Sequence[bytes | memoryview], fds: Sequence[int], deadline: float) -> None:
        """Send a job. Raises OSError (TimeoutError among them)."""
        self.jobs += 1
        send(self._channel, parts, fds=fds, deadline=deadline)

    def send_part(self, part: Part, deadline: float) -> None:
        """Send what the decoder asked for. Raises OSError (TimeoutError among them), FrameError if it is too long."""
        frames = [*frame(Kind.PART, encode_json(part.facts())), *frame(Kind.SOURCE, part.data)]
        send(self._channel, frames, deadline=deadline)

    def send_enough(self) -> None:
        """Tell that nobody wants the rest of the job. Raises OSError. From any thread, while the job is under way."""
        data = b"".join(frame(Kind.ENOUGH, b""))
        # Not by the socket object: its timeout is that of the thread that reads the answer.
        if os.write(self._channel.fileno(), data) < len(data):
            raise BlockingIOError("A decoder reads nothing.")

    def read(self, deadline: float) -> Frame:
        """The next frame of the answer. Raises what FrameReader.read does."""
        answer = self._reader.read(Kind.DATA, Kind.END, Kind.ERROR, Kind.NEXT, deadline=deadline)
        if answer.kind is Kind.END:
            resident = answer.json().get("resident_bytes")
            if not isinstance(resident, int):
                raise FrameError("A decoder does not say how much memory it holds.")
            self.resident_bytes = resident
        return answer

    def stop(self) -> None:
        """End the process; whoever waits for its answer learns it from the socket. From any thread."""
        if self._is_gone or not self.is_ours:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._handle is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def kill(self) -> None:
        """End the process and forget it. Does nothing the second time, nor in a process forked from the owner."""
        if self.is_ours and not self._is_gone:
            self.stop()
            self.forget()

    def forget(self) -> None:
        """Close what this process holds of the decoder."""
        self._is_gone = True
        self._channel.close()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def job_frames(job: Mapping[str, Any], source: SourceData) -> list[bytes | memoryview]:
    """`job` and its source as a decoder reads them. Raises FrameError when one of them is too long."""
    envelope = {**job, "has_file": source.fd is not None, "source_length": source.length}
    if source.parts is not None:
        return frame(Kind.JOB, encode_json({**envelope, "parts": source.parts.to_json()}))
    parts = frame(Kind.JOB, encode_json(envelope))
    if source.data is not None:
        parts += frame(Kind.SOURCE, source.data)
    return parts


def after(seconds: float) -> float:
    """The deadline in `seconds` from now."""
    return time.monotonic() + seconds
