"""Frames on the sockets between the server, the zygote and the decoder processes.

A frame is a header of eight bytes (magic, kind, length of the payload in bytes) and the payload: JSON or raw bytes.
Open files travel beside the first byte of a frame (SCM_RIGHTS). Whoever decodes strangers' images may have been broken
into, so nothing here is ever unpickled and no length is believed beyond the limit of its kind.
"""

import enum
import json
import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_HEADER = struct.Struct("!HBxI")
_MAGIC = 0x1F5A
_RECEIVE_BYTES = 65536
_FDS_PER_MESSAGE = 1


class Kind(enum.IntEnum):
    """What a frame holds."""

    CONTROL = 1  # JSON, between server and zygote
    JOB = 2  # JSON, to a decoder; an open file may come with it
    SOURCE = 3  # the bytes of a source, to a decoder
    DATA = 4  # a piece of the result
    END = 5  # JSON: the result is complete
    ERROR = 6  # JSON: there will be no (more) result
    NEXT = 7  # JSON, from a decoder: the number of the part that it needs now
    PART = 8  # JSON, to a decoder: the facts of a part; its bytes follow as a source
    ENOUGH = 9  # nothing, to a decoder: nobody wants what is still to come of its job


DATA_BYTES = 256 * 1024
"""The longest piece of a result in one frame: results up to here arrive whole or not at all."""

PAYLOAD_LIMITS = {
    Kind.CONTROL: 4096,
    Kind.JOB: 16 * 1024 * 1024,
    Kind.SOURCE: 512 * 1024 * 1024,
    Kind.DATA: DATA_BYTES,
    Kind.END: 4096,
    Kind.ERROR: 16384,
    Kind.NEXT: 64,
    Kind.PART: 4096,
    Kind.ENOUGH: 0,
}


class FrameError(Exception):
    """The other side sent what no frame can be."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message; `payload` is JSON or raw bytes, as `kind` says."""

    kind: Kind
    payload: bytes

    def json(self) -> dict[str, Any]:
        """The payload as a JSON object. Raises FrameError."""
        try:
            value = json.loads(self.payload)
        except (ValueError, RecursionError) as error:
            raise FrameError(f"A frame of kind {self.kind.name} holds no JSON.") from error
        if not isinstance(value, dict):
            raise FrameError(f"A frame of kind {self.kind.name} holds no JSON object.")
        return value


class FrameReader:
    """Reads frames from a socket and keeps what arrived ahead of its turn.

    Only with `takes_files` are open files accepted: nobody shall fill the server's table of files.
    """

    def __init__(self, channel: socket.socket, *, takes_files: bool = False) -> None:
        self._channel = channel
        self._takes_files = takes_files
        self._buffer = bytearray()
        self._fds: list[int] = []

    def read(self, *allowed: Kind, deadline: float | None = None) -> Frame:
        """The next frame, which must be of one of the kinds `allowed`.

        `deadline` is a reading of `time.monotonic`. Raises EOFError when the other side is gone, TimeoutError when the
        frame is not complete in time (reading again goes on where it stopped), FrameError on anything that is no frame.
        """
        self._fill(_HEADER.size, deadline)
        magic, number, length = _HEADER.unpack_from(self._buffer)
        kind = next((kind for kind in allowed if kind == number), None)
        if magic != _MAGIC or kind is None:
            raise FrameError(f"A frame begins with {bytes(self._buffer[:8]).hex()}.")
        if length > PAYLOAD_LIMITS[kind]:
            raise FrameError(f"A frame of kind {kind.name} claims {length} bytes.")
        end = _HEADER.size + length
        self._fill(end, deadline)
        with memoryview(self._buffer) as view:
            payload = bytes(view[_HEADER.size : end])
        del self._buffer[:end]
        return Frame(kind, payload)

    def read_if_there(self, kind: Kind) -> Frame | None:
        """The next frame, if it has begun to arrive. Raises what `read` does."""
        if not self._buffer and not select.select([self._channel], [], [], 0)[0]:
            return None
        return self.read(kind)

    @property
    def is_empty(self) -> bool:
        """Whether nothing arrived ahead of its turn."""
        return not self._buffer

    def take_fds(self) -> list[int]:
        """The open files that arrived since the last call; they belong to the caller now."""
        fds, self._fds = self._fds, []
        return fds

    def _fill(self, length: int, deadline: float | None) -> None:
        while (missing := length - len(self._buffer)) > 0:
            self._buffer += self._receive(max(missing, _RECEIVE_BYTES), deadline)

    def _receive(self, length: int, deadline: float | None) -> bytes:
        set_deadline(self._channel, deadline)
        length = min(length, DATA_BYTES)
        if self._takes_files:
            data, fds, _, _ = socket.recv_fds(self._channel, length, _FDS_PER_MESSAGE)
            for fd in fds:
                os.set_inheritable(fd, False)  # noqa: FBT003 - takes no keyword
            self._fds += fds
        else:
            data = self._channel.recv(length)
        if not data:
            raise EOFError("The other side closed the socket.")
        return data


def set_deadline(channel: socket.socket, deadline: float | None) -> None:
    """Let the next call on `channel` wait until `deadline`. Raises TimeoutError when that has passed."""
    if deadline is None:
        channel.settimeout(None)
        return
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("The deadline has passed.")
    channel.settimeout(remaining)


def encode_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def frame(kind: Kind, payload: bytes | memoryview) -> list[bytes | memoryview]:
    """The parts of one frame, to be sent in this order. Raises FrameError when the payload is too long for its kind."""
    if len(payload) > PAYLOAD_LIMITS[kind]:
        raise FrameError(f"{len(payload)} bytes are too many for a frame of kind {kind.name}.")
    return [_HEADER.pack(_MAGIC, kind, len(payload)), payload]


def send(
    channel: socket.socket,
    parts: Sequence[bytes | memoryview],
    *,
    fds: Sequence[int] = (),
    deadline: float | None = None,
) -> None:
    """Send all `parts`; `fds` go with the first byte. Raises OSError (TimeoutError among them)."""
    set_deadline(channel, deadline)
    sent = socket.send_fds(channel, parts, fds) if fds else channel.sendmsg(parts)
    for part in parts:
        if sent >= len(part):
            sent -= len(part)
            continue
        set_deadline(channel, deadline)
        channel.sendall(memoryview(part)[sent:])
        sent = 0


def close_fds(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
