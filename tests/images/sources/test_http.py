import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from images.sources.connection import resolve_host
from images.sources.deadline import Deadline, turn
from images.sources.errors import (
    SourceAnswerError,
    SourceChangedError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceTooLargeError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.http import HttpOptions, open_url
from images.sources.location import Location
from images.sources.reader import ByteReader
from tests.images.sources.conftest import Fetch
from tests.images.sources.origin import Handler, Origin

BODY = bytes(range(256)) * 4096


def content(reader: ByteReader) -> bytes:
    with reader:
        return reader.read(0, reader.stat().byte_size)


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Path]:
    """The folder of copies; no test may leave an unfinished one in it."""
    folder = tmp_path / "copies"
    yield folder
    assert list(folder.rglob("*.partial")) == []


def bodies(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.source"))


# --- Plain fetches --------------------------------------------------------------------------------------------------


def test_it_is_fetched_once(fetch: Fetch, origin: Origin, copies: Path) -> None:
    url = origin.serve("/image.tif", BODY, Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT")
    with fetch(url) as reader:
        stat = reader.stat()
        assert stat.byte_size == len(BODY)
        assert stat.modified == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
        reader.verify()
    for _ in range(5):
        with fetch(url, stat.etag) as again:
            assert again.stat() == stat
            assert again.read(5, 5) == BODY[5:10]
    assert len(origin.requests["/image.tif"]) == 1
    assert len(bodies(copies)) == 1


def test_what_is_asked(fetch: Fetch, origin: Origin) -> None:
    fetch(origin.serve("/image.tif?size=1&a=%2F", b"image")).close()
    headers = origin.requests["/image.tif?size=1&a=%2F"][0]
    assert headers == {
        "Host": f"127.0.0.1:{origin.port}",
        "Accept": "image/*, */*;q=0.5",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "iiifserver",
    }


def test_a_key_below_a_base_url(origin: Origin, tmp_path: Path) -> None:
    origin.serve("/base/a%20b/%C3%BC%3Fx%23y%252F.tif", b"image")
    options = {"cache_dir": str(tmp_path), "ports": (origin.port,), "allowed_networks": ("127.0.0.1/32",)}
    assert content(open_url(Location("http", origin.url("/base/"), "a b/ü?x#y%2F.tif", options))) == b"image"
    for key in ("../secret.tif", "a/../../secret.tif", "/secret.tif", "//evil.example/x", "a\\b", "@evil.example/.."):
        with pytest.raises(SourceNotAllowedError):
            open_url(Location("http", origin.url("/base"), key, options))
    with pytest.raises(SourceNotAllowedError, match="no query"):
        open_url(Location("http", origin.url("/base?x="), "key", options))


def test_a_path_outside_ascii(fetch: Fetch, origin: Origin) -> None:
    origin.serve("/%C3%BC%7Cx", b"image")
    assert content(fetch(origin.url("/ü|x#fragment"))) == b"image"


def test_no_length(fetch: Fetch, origin: Origin) -> None:
    assert content(fetch(origin.serve("/image.tif", BODY, Content_Length=""))) == BODY


@pytest.mark.parametrize("connection", ["", "keep-alive", "Close"])
def test_whatever_the_server_means_to_do_with_the_connection(fetch: Fetch, origin: Origin, connection: str) -> None:
    assert content(fetch(origin.serve("/image.tif", BODY, Connection=connection))) == BODY


def test_chunks(fetch: Fetch, origin: Origin) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    url = origin.raw("/image.tif", head + b"5\r\nimage\r\n2;x=y\r\n!!\r\n0\r\nTrailer: x\r\n\r\n")
    assert content(fetch(url)) == b"image!!"


def test_html_is_delivered_as_it_is_and_replaced_by_the_right_file(fetch: Fetch, origin: Origin) -> None:
    url = origin.serve("/image.tif", b"<html>Please log in</html>", Content_Type="text/html")
    assert content(fetch(url)).startswith(b"<html>")  # what it is, is found out when it is ingested
    origin.serve("/image.tif", b"II*\0")
    assert content(fetch(url)) == b"II*\0"


def test_up_to_three_redirects(fetch: Fetch, origin: Origin) -> None:
    origin.serve("/image.tif", b"image")
    for number, location in enumerate(["/image.tif", "1", "//127.0.0.1:{port}/a/2", "http://127.0.0.1:{port}/3"], 1):
        path = {2: "/a/2", 1: "/a/1"}.get(number, f"/{number}")
        origin.serve(path, b"", 302, Location=location.format(port=origin.port))
    assert content(fetch(origin.url("/3"))) == b"image"
    with pytest.raises(SourceAnswerError, match="more than 3 times"):
        fetch(origin.url("/4"))
    assert len(origin.requests["/image.tif"]) == 1


def test_a_redirect_outside_ascii(fetch: Fetch, origin: Origin) -> None:
    origin.serve("/%C3%BC", b"image")
    url = origin.raw("/start", "HTTP/1.1 302 Found\r\nLocation: /ü\r\nContent-Length: 0\r\n\r\n".encode())
    assert content(fetch(url)) == b"image"


def test_a_redirect_to_itself(fetch: Fetch, origin: Origin) -> None:
    with pytest.raises(SourceAnswerError, match="redirects more"):
        fetch(origin.serve("/loop", b"", 307, Location="/loop"))
    assert len(origin.requests["/loop"]) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SourceForbiddenError),
        (403, SourceForbiddenError),
        (404, SourceNotFoundError),
        (410, SourceNotFoundError),
        (408, SourceUnreachableError),
        (429, SourceUnreachableError),
        (500, SourceUnreachableError),
        (503, SourceUnreachableError),
        (201, SourceAnswerError),
        (206, SourceAnswerError),
        (300, SourceAnswerError),
        (304, SourceAnswerError),
        (400, SourceAnswerError),
        (418, SourceAnswerError),
    ],
)
def test_other_answers(fetch: Fetch, origin: Origin, copies: Path, status: int, kind: type[SourceError]) -> None:
    with pytest.raises(kind) as caught:
        fetch(origin.serve("/secret-path", b"no", status))
    assert str(status) in caught.value.detail
    assert "secret-path" not in caught.value.detail + caught.value.technical
    assert bodies(copies) == []


# --- Answers that lie or never end ----------------------------------------------------------------------------------

_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
_BROKEN = {
    "shorter than announced": (_HEAD + b"Content-Length: 100\r\n\r\nimage", SourceTruncatedError),
    "chunks that stop": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n", SourceTruncatedError),
    "a chunk cut short": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nimage", SourceTruncatedError),
    "a chunk of no size": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nimage", SourceTruncatedError),
    "gzip": (_HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", SourceAnswerError),
    "gzip in transfer": (_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", SourceAnswerError),
    "a length that is no number": (_HEAD + b"Content-Length: five\r\n\r\nimage", SourceAnswerError),
    "a negative length": (_HEAD + b"Content-Length: -5\r\n\r\nimage", SourceAnswerError),
    "a length beyond all limits": (_HEAD + b"Content-Length: 99999999999999\r\n\r\nimage", SourceTooLargeError),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", SourceAnswerError),
    "HTTP/0.9": (b"<html>hello</html>", SourceAnswerError),
    "nothing": (b"", SourceUnreachableError),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", SourceTruncatedError),
    "an endless line": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", SourceAnswerError),
    "a thousand headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", SourceAnswerError),
    "a status that is none": (b"HTTP/1.1 2000 OK\r\n\r\n", SourceAnswerError),
}


@pytest.mark.parametrize("case", _BROKEN)
def test_a_broken_answer(fetch: Fetch, origin: Origin, copies: Path, case: str) -> None:
    answer, kind = _BROKEN[case]
    with pytest.raises(SourceError) as caught:
        fetch(origin.raw("/image.tif", answer))
    assert isinstance(caught.value, kind), repr(caught.value)
    assert bodies(copies) == []


def test_longer_than_announced(fetch: Fetch, origin: Origin) -> None:
    url = origin.raw("/image.tif", _HEAD + b"Content-Length: 5\r\n\r\nimage and more")
    assert content(fetch(url)) == b"image"


@pytest.mark.parametrize(
    "head",
    [_HEAD + b"Content-Length: 1000000\r\n\r\n", _HEAD + b"\r\n", b"HTTP/1.1 200 OK\r\nX-Endless: "],
    ids=["body", "no length", "head"],
)
def test_one_byte_at_a_time(fetch: Fetch, origin: Origin, copies: Path, head: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(SourceUnreachableError, match=r"within 0\.4 seconds|in time"):
        fetch(origin.drip("/slow", head, b"x", 0.02), total_seconds=0.4)
    assert 0.3 < time.monotonic() - started < 2
    assert bodies(copies) == []


def test_no_answer_at_all(fetch: Fetch, origin: Origin) -> None:
    started = time.monotonic()
    with pytest.raises(SourceUnreachableError):
        fetch(origin.drip("/mute", b"", b"", 0.02), total_seconds=0.3)
    assert time.monotonic() - started < 2


def test_redirects_share_one_deadline(fetch: Fetch, origin: Origin) -> None:
    def route(handler: Handler) -> None:
        time.sleep(0.2)
        handler.answer(302, Location="/loop")

    origin.routes["/loop"] = route
    with pytest.raises(SourceUnreachableError):
        fetch(origin.url("/loop"), total_seconds=0.5, max_redirects=50)
    assert len(origin.requests["/loop"]) <= 3


def test_an_endless_body(fetch: Fetch, origin: Origin, copies: Path) -> None:
    url = origin.drip("/endless", _HEAD + b"\r\n", b"x" * 65536, 0)
    with pytest.raises(SourceTooLargeError, match="1,000,000 bytes"):
        fetch(url, max_bytes=1_000_000)
    assert bodies(copies) == []


def test_exactly_the_limit(fetch: Fetch, origin: Origin) -> None:
    url = origin.serve("/image.tif", b"x" * 1000, Content_Length="")
    assert len(content(fetch(url, max_bytes=1000))) == 1000
    url = origin.serve("/larger.tif", b"x" * 1001, Content_Length="")
    with pytest.raises(SourceTooLargeError):
        fetch(url, max_bytes=1000)


def test_nobody_listens(fetch: Fetch) -> None:
    with pytest.raises(SourceUnreachableError, match="cannot be reached") as caught:
        fetch("http://127.0.0.1:9/image.tif", ports=(9,))
    assert caught.value.is_transient


def test_a_second_address_is_tried(fetch: Fetch, origin: Origin) -> None:
    origin.serve("/image.tif", b"image")
    reader = fetch(
        origin.url("/image.tif", "two.example"),
        resolve=lambda _host, _port: ["127.0.0.3", "127.0.0.1"],
        allowed_networks=("127.0.0.0/8",),
    )
    assert content(reader) == b"image"


def test_names_that_lead_nowhere(fetch: Fetch, origin: Origin) -> None:
    def fail(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(SourceUnreachableError, match="looked up"):
        fetch(origin.url("/", "missing.example"), resolve=fail)
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        fetch(origin.url("/", "missing.example"), resolve=lambda _host, _port: [])
    stalled = threading.Event()
    with pytest.raises(SourceUnreachableError):
        fetch(origin.url("/", "slow.example"), resolve=lambda _host, _port: [str(stalled.wait(5))], total_seconds=0.2)
    stalled.set()


# --- Versions -------------------------------------------------------------------------------------------------------


def _versioned(origin: Origin, path: str, validator: str, body: bytes, last_modified: str = "") -> str:
    """Answers 304 to whom has this version already."""

    def route(handler: Handler) -> None:
        asked = handler.headers.get("If-None-Match") or handler.headers.get("If-Modified-Since")
        if asked and asked in {validator, last_modified}:
            handler.answer(304, Content_Length="")
        else:
            handler.answer(200, body, ETag=validator, Last_Modified=last_modified)

    origin.routes[path] = route
    return origin.url(path)


@pytest.mark.parametrize(
    ("validator", "time"), [('"one"', ""), ('W/"one"', ""), ("", "Wed, 21 Oct 2015 07:28:00 GMT"), ('"one"', "x")]
)
def test_an_unchanged_source_is_not_fetched_again(
    fetch: Fetch, origin: Origin, copies: Path, validator: str, time: str
) -> None:
    url = _versioned(origin, "/image.tif", validator, BODY, time)
    with fetch(url) as first, fetch(url) as second:
        assert first.stat() == second.stat()
        assert second.read(0, 9) == BODY[:9]
    asked = origin.requests["/image.tif"][1]
    assert asked.get("If-None-Match", "") == validator
    assert asked.get("If-Modified-Since", "") == ("" if validator else time)
    assert len(bodies(copies)) == 1


def test_a_changed_source_is_found_when_it_is_opened_anew(fetch: Fetch, origin: Origin, copies: Path) -> None:
    versions = []
    for number in (b"1", b"2", b"3"):
        url = _versioned(origin, "/image.tif", f'"{number.decode()}"', number * 10)
        with fetch(url) as reader:
            versions.append(reader.stat().etag)
            assert reader.read(0, 10) == number * 10
    assert len(set(versions)) == 3
    assert len(bodies(copies)) == 2  # the current one, and the one that is served until ingest is done
    assert content(fetch(url, versions[1])) == b"2" * 10
    assert content(fetch(url, versions[2])) == b"3" * 10
    with pytest.raises(SourceChangedError, match="delivers another file"):
        fetch(url, versions[0])


def test_the_same_bytes_are_the_same_version_whatever_the_server_says(fetch: Fetch, origin: Origin) -> None:
    etags = set()
    for number in range(3):
        with fetch(_versioned(origin, "/image.tif", f'"{number}"', BODY)) as reader:
            etags.add(reader.stat().etag)
    assert len(etags) == 1


def test_a_copy_that_is_gone_is_fetched_again(fetch: Fetch, origin: Origin, copies: Path) -> None:
    url = _versioned(origin, "/image.tif", '"one"', BODY)
    with fetch(url) as reader:
        etag = reader.stat().etag
    for harm in (lambda path: path.unlink(), lambda path: os.truncate(path, 10), lambda path: path.write_bytes(b"")):
        harm(bodies(copies)[0])
        assert content(fetch(url, etag)) == BODY
    assert len(origin.requests["/image.tif"]) == 4


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b"null", b'{"other": 1}', b"\xff", b'{"etag": 1, "checked": "x"}']
)
def test_a_record_that_cannot_be_read(fetch: Fetch, origin: Origin, copies: Path, record: bytes) -> None:
    url = _versioned(origin, "/image.tif", '"one"', BODY)
    fetch(url).close()
    [path] = copies.rglob("*.json")
    path.write_bytes(record)
    assert content(fetch(url)) == BODY


def test_the_server_is_away_but_the_copy_is_here(fetch: Fetch, origin: Origin) -> None:
    url = origin.serve("/image.tif", BODY)
    with fetch(url) as reader:
        etag = reader.stat().etag
    origin.serve("/image.tif", b"", 503)
    assert content(fetch(url, etag)) == BODY
    with pytest.raises(SourceUnreachableError):
        fetch(url)


def test_the_record_holds_no_url(fetch: Fetch, origin: Origin, copies: Path) -> None:
    fetch(origin.serve("/image.tif?signature=secret", b"image")).close()
    [record] = copies.rglob("*.json")
    assert set(json.loads(record.read_bytes())) == {"etag", "checked", "validator", "last_modified", "previous"}
    assert b"secret" not in record.read_bytes()


@pytest.mark.parametrize(
    "text", ["", "x", "yesterday", "Fri, 31 Dec 9999 23:59:59 -0100", "Wed, 99 Oct 2015 07:28:00 GMT"]
)
def test_a_time_that_is_none(fetch: Fetch, origin: Origin, text: str) -> None:
    with fetch(origin.serve("/image.tif", b"image", Last_Modified=text)) as reader:
        modified = reader.stat().modified
    assert modified is not None
    assert modified.timestamp() == pytest.approx(time.time(), abs=60)  # when it came


def test_a_turn_is_given_back_although_a_child_has_the_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("os.close", kept.append)  # a forked child's copy keeps the file description open just so
        with turn([tmp_path / "lock"], Deadline(1)):
            pass
    with turn([tmp_path / "lock"], Deadline(0.1)):
        pass
    for descriptor in kept:
        os.close(descriptor)


def test_a_disk_that_is_full(fetch: Fetch, origin: Origin, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    url = origin.serve("/image.tif", b"image")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(SourceUnreachableError, match="could not keep") as caught:
            fetch(url)
    assert "No space" in caught.value.technical
    assert bodies(copies) == []
    assert content(fetch(url)) == b"image"


def test_what_a_dead_process_left_is_cleared_away(fetch: Fetch, origin: Origin, copies: Path) -> None:
    url = origin.serve("/image.tif", b"image")
    fetch(url).close()
    [record] = copies.rglob("*.json")
    (record.parent / f"{record.stem}-dead.partial").write_bytes(b"half")
    fetch(url).close()
    assert list(copies.rglob("*.partial")) == []


# --- Many at once ---------------------------------------------------------------------------------------------------


def _parallel(count: int, work) -> list[BaseException]:  # type: ignore[no-untyped-def]
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def _slow_route(origin: Origin, path: str, body: bytes, seconds: float, running: list[int]) -> str:
    lock = threading.Lock()
    now = [0]

    def route(handler: Handler) -> None:
        with lock:
            now[0] += 1
            running.append(now[0])
        time.sleep(seconds)
        with lock:
            now[0] -= 1
        handler.answer(200, body)

    origin.routes[path] = route
    return origin.url(path)


def test_many_threads_fetch_once(fetch: Fetch, origin: Origin) -> None:
    url = _slow_route(origin, "/image.tif", BODY, 0.2, [])

    def work(_number: int) -> None:
        assert content(fetch(url)) == BODY

    assert _parallel(16, work) == []
    assert len(origin.requests["/image.tif"]) == 1


def test_many_processes_fetch_once(origin: Origin, tmp_path: Path) -> None:
    url = _slow_route(origin, "/image.tif", BODY, 1.5, [])
    script = (
        "import sys; from images.sources.http import open_url; from images.sources.location import Location;"
        "options = {'cache_dir': sys.argv[1], 'ports': (int(sys.argv[2]),), 'allowed_networks': ('127.0.0.1/32',)};"
        "print(open_url(Location('http', '', sys.argv[3], options)).stat().etag)"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(origin.port), url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=30)[0] for process in processes}
    assert len(answers) == 1
    assert "" not in answers
    assert len(origin.requests["/image.tif"]) == 1


def test_who_waits_has_a_deadline_too(fetch: Fetch, origin: Origin) -> None:
    url = _slow_route(origin, "/image.tif", BODY, 1, [])
    started = time.monotonic()
    errors = _parallel(6, lambda _number: fetch(url, total_seconds=0.3).close())
    assert len(errors) == 6
    assert all(isinstance(error, SourceUnreachableError) for error in errors)
    assert time.monotonic() - started < 1.5


def test_a_host_is_asked_by_few_at_a_time(fetch: Fetch, origin: Origin) -> None:
    running: list[int] = []
    route = _slow_route(origin, "/0", b"image", 0.1, running)
    for number in range(1, 10):
        origin.routes[f"/{number}"] = origin.routes["/0"]
    assert route.endswith("/0")
    errors = _parallel(10, lambda number: fetch(origin.url(f"/{number}"), per_host=2).close())
    assert errors == []
    assert max(running) == 2


def test_a_turn_is_given_back(tmp_path: Path) -> None:
    locks = [tmp_path / "a", tmp_path / "b"]
    with (
        turn(locks, Deadline(1)),
        turn(locks, Deadline(1)),
        pytest.raises(SourceUnreachableError, match="within"),
        turn(locks, Deadline(0.05)),
    ):
        pass
    with turn(locks[:1], Deadline(0.05)), turn(locks[1:], Deadline(0.05)):
        pass


# --- Options and TLS ------------------------------------------------------------------------------------------------


def test_options_are_named_and_complete() -> None:
    with pytest.raises(ValueError, match="surprise"):
        HttpOptions.from_mapping({"cache_dir": "/x", "surprise": 1})
    with pytest.raises(ValueError, match="no cache_dir"):
        HttpOptions.from_mapping({})
    with pytest.raises(ValueError, match="host bits"):
        HttpOptions(cache_dir="/x", allowed_networks=("10.0.0.1/8",)).route(resolve_host)
    defaults = HttpOptions.from_mapping({"cache_dir": "/x"})
    assert (defaults.connect_seconds, defaults.total_seconds, defaults.max_bytes) == (3, 20, 2 * 2**30)
    assert (defaults.max_redirects, defaults.per_host, defaults.ports) == (3, 4, (80, 443))
    assert defaults.allowed_networks == ()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of images.example that nobody signed, with its key."""
    path = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=images.example"]
    command += ["-addext", "subjectAltName=DNS:images.example", "-keyout", str(path), "-out", str(tmp_path / "public")]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("openssl cannot make a certificate here")
    with path.open("ab") as file:
        file.write((tmp_path / "public").read_bytes())
    return path


def test_certificates_are_verified(fetch: Fetch, origin: Origin, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    origin.socket = context.wrap_socket(origin.socket, server_side=True)
    origin.serve("/image.tif", b"image")
    url = f"https://images.example:{origin.port}/image.tif"

    def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    assert content(fetch(url, ca_file=str(certificate), resolve=resolve)) == b"image"
    assert names == ["images.example"]
    assert origin.requests["/image.tif"][0]["Host"] == f"images.example:{origin.port}"
    with pytest.raises(SourceNotAllowedError, match="certificate"):
        fetch(url.replace("image.tif", "other.tif"), resolve=resolve)
    with pytest.raises(SourceNotAllowedError, match="certificate"):
        fetch(url.replace("images.example", "other.example"), ca_file=str(certificate), resolve=resolve)
