"""Frames on a socket."""

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.decoders.wire import (
    DATA_BYTES,
    PAYLOAD_LIMITS,
    FrameError,
    FrameReader,
    Kind,
    close_fds,
    encode_json,
    frame,
    send,
)
from tests.images.decoders.processes import open_files

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_frames_arrive_as_they_were_sent(ends: Ends) -> None:
    near, far = ends
    send(near, [*frame(Kind.DATA, b"abc"), *frame(Kind.END, encode_json({"a": 1}))])
    reader = FrameReader(far)
    assert reader.read(Kind.DATA, Kind.END).payload == b"abc"
    assert reader.read(Kind.DATA, Kind.END).json() == {"a": 1}


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8), st.integers(1, 50))
def test_frames_survive_any_cutting(payloads: list[bytes], step: int) -> None:
    near, far = socket.socketpair()
    data = b"".join(b"".join(map(bytes, frame(Kind.DATA, payload))) for payload in payloads)

    def drip() -> None:
        for start in range(0, len(data), step):
            near.sendall(data[start : start + step])

    with near, far:
        thread = threading.Thread(target=drip)
        thread.start()
        reader = FrameReader(far)
        assert [reader.read(Kind.DATA).payload for _ in payloads] == payloads
        thread.join()


def test_a_long_payload_goes_through_a_short_buffer(ends: Ends) -> None:
    near, far = ends
    payload = os.urandom(3_000_000)
    thread = threading.Thread(target=send, args=(near, frame(Kind.SOURCE, payload)))
    thread.start()
    assert FrameReader(far).read(Kind.SOURCE).payload == payload
    thread.join()


def test_open_files_come_along_where_they_are_taken(ends: Ends) -> None:
    near, far = ends
    reader = FrameReader(far, takes_files=True)
    send(near, frame(Kind.JOB, b"{}"), fds=(near.fileno(),))
    reader.read(Kind.JOB)
    fds = reader.take_fds()
    assert len(fds) == 1
    assert not os.get_inheritable(fds[0])
    assert reader.take_fds() == []
    close_fds(fds)


def test_open_files_are_dropped_elsewhere(ends: Ends) -> None:
    near, far = ends
    before = open_files()
    send(near, frame(Kind.DATA, b"a"), fds=(near.fileno(), near.fileno()))
    reader = FrameReader(far)
    reader.read(Kind.DATA)
    assert reader.take_fds() == []
    assert open_files() == before


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("!HBxI", 0x1F5A, Kind.DATA, DATA_BYTES + 1),
        struct.pack("!HBxI", 0x1F5A, Kind.END, 2**32 - 1),
        struct.pack("!HBxI", 0x1F5A, Kind.JOB, 1),
        struct.pack("!HBxI", 0x1F5A, 99, 1),
        struct.pack("!HBxI", 0x1F5B, Kind.DATA, 1),
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_is_no_frame_is_refused_by_its_header(ends: Ends, header: bytes) -> None:
    near, far = ends
    near.sendall(header)
    with pytest.raises(FrameError):
        FrameReader(far).read(Kind.DATA, Kind.END, deadline=time.monotonic() + 5)


def test_the_end_of_the_other_side_is_told_apart_from_slowness(ends: Ends) -> None:
    near, far = ends
    reader = FrameReader(far)
    near.sendall(b"\x1f")
    with pytest.raises(TimeoutError):
        reader.read(Kind.DATA, deadline=time.monotonic() + 0.02)
    near.close()
    with pytest.raises(EOFError):
        reader.read(Kind.DATA, deadline=time.monotonic() + 5)


def test_reading_goes_on_after_a_deadline(ends: Ends) -> None:
    near, far = ends
    reader = FrameReader(far)
    data = b"".join(map(bytes, frame(Kind.DATA, b"abcdef")))
    near.sendall(data[:11])
    with pytest.raises(TimeoutError):
        reader.read(Kind.DATA, deadline=time.monotonic() + 0.02)
    near.sendall(data[11:])
    assert reader.read(Kind.DATA).payload == b"abcdef"


def test_sending_gives_up_at_the_deadline(ends: Ends) -> None:
    near, _ = ends
    with pytest.raises(TimeoutError):
        send(near, frame(Kind.SOURCE, bytes(10_000_000)), deadline=time.monotonic() + 0.05)


@pytest.mark.parametrize("kind", [Kind.CONTROL, Kind.DATA, Kind.END, Kind.ERROR])
def test_no_frame_is_made_that_would_be_refused(kind: Kind) -> None:
    frame(kind, bytes(PAYLOAD_LIMITS[kind]))
    with pytest.raises(FrameError):
        frame(kind, bytes(PAYLOAD_LIMITS[kind] + 1))


@pytest.mark.parametrize("payload", [b"", b"[]", b"1", b"\xff", b"[" * 4000, b"{" * 9])
def test_json_must_be_an_object(ends: Ends, payload: bytes) -> None:
    near, far = ends
    send(near, frame(Kind.END, payload))
    with pytest.raises(FrameError):
        FrameReader(far).read(Kind.END).json()
