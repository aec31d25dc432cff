"""The check of an image, asked of what is no HTTP server."""

import socket
import threading
import urllib.request
import zlib
from contextlib import suppress
from typing import Any, cast

import pytest

from images.iiif.conformance import Check
from images.iiif.version import ApiVersion
from images.services.checking import _look, _size


def test_what_speaks_no_http_is_a_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"-ERR nope\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        check = cast("Check", type("C", (), {"path": "info.json", "accept": ""})())
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/iiif/3/a"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        result = _look(opener, cast("Any", None), uri, ApiVersion.V3, None, check)
        thread.join()
    assert (result.is_right, result.status) == (False, None)


def test_a_picture_that_claims_to_be_huge_has_no_size() -> None:
    chunk = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    data = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert _size(data + bytes(4) + b"IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")) is None


def test_an_answer_without_end_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.services.checking._LONGEST_ANSWER", 100_000)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    connection.sendall(b"x" * 65536)

        thread = threading.Thread(target=answer)
        thread.start()
        check = cast("Check", type("C", (), {"path": "info.json", "accept": ""})())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/iiif/3/a"
        result = _look(opener, cast("Any", None), uri, ApiVersion.V3, None, check)
        thread.join()
    assert "goes on after" in result.problem
