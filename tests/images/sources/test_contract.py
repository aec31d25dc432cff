"""What every implementation of ByteReader must do; each stands here with a way to put and remove an object."""

import json
import os
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from images.indexes.ranges import ByteRange
from images.sources import registry
from images.sources.credentials import Credentials
from images.sources.errors import SourceChangedError, SourceNotAllowedError, SourceNotFoundError, SourceTruncatedError
from images.sources.location import Location
from images.sources.memory import MemorySource
from images.sources.reader import ByteReader
from images.sources.registry import open_source
from tests.images.sources.origin import Origin
from tests.support.moto import Moto as MotoServer
from tests.support.origin import Origin as ObjectServer

DATA = bytes(range(256)) * 1024


class Storage(ABC):
    """One implementation under test."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def remove(self, key: str) -> None: ...

    @abstractmethod
    def location(self, key: str) -> Location: ...

    def open(self, key: str = "image.tif", etag: str | None = None) -> ByteReader:
        return open_source(self.location(key), etag)


class Folder(Storage):
    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        partial = self.root / "partial"
        partial.write_bytes(data)
        partial.rename(self.root / key)

    def remove(self, key: str) -> None:
        (self.root / key).unlink()

    def location(self, key: str) -> Location:
        return Location("filesystem", str(self.root), key)


class Web(Storage):
    def __init__(self, origin: Origin, cache_dir: Path) -> None:
        self.origin = origin
        self.options = {
            "cache_dir": str(cache_dir),
            "ports": (origin.port,),
            "allowed_networks": ("127.0.0.0/8",),
        }

    def put(self, key: str, data: bytes) -> None:
        self.origin.serve(f"/{key}", data)

    def remove(self, key: str) -> None:
        del self.origin.routes[f"/{key}"]

    def location(self, key: str) -> Location:
        return Location("http", self.origin.url("/"), key, self.options)


class Memory(Storage):
    def __init__(self) -> None:
        self.source = MemorySource()

    def put(self, key: str, data: bytes) -> None:
        self.source.objects[key] = data

    def remove(self, key: str) -> None:
        del self.source.objects[key]

    def location(self, key: str) -> Location:
        return Location("memory", "", key)


class Stored(Storage):
    """One of Django's storages that is no folder."""

    def put(self, key: str, data: bytes) -> None:
        if storages["elsewhere"].exists(key):
            self.remove(key)
        storages["elsewhere"].save(key, ContentFile(data))

    def remove(self, key: str) -> None:
        storages["elsewhere"].delete(key)

    def location(self, key: str) -> Location:
        return Location("storage", "elsewhere", key)


class Moto(Storage):
    """A bucket of its own in S3."""

    def __init__(self, server: MotoServer) -> None:
        self.server = server
        self.bucket = f"bucket-{uuid.uuid4().hex}"
        server.make_bucket(self.bucket)

    def put(self, key: str, data: bytes) -> None:
        self.server.put(self.bucket, f"scans/{key}", data)

    def remove(self, key: str) -> None:
        obstore.delete(self.server.store(self.bucket), f"scans/{key}")

    def location(self, key: str) -> Location:
        credentials = Credentials("env:X", lambda _prefix: {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"})
        options = {"endpoint_url": self.server.endpoint, "credentials": credentials}
        return Location("s3", f"{self.bucket}/scans", key, options)


class Objects(Storage):
    """Google's or Azure's way of asking, of a small server that knows both."""

    def __init__(self, kind: str, server: ObjectServer) -> None:
        self.kind = kind
        self.server = server
        self.options: dict[str, Any] = {"endpoint_url": server.endpoint, "anonymous": True}
        if kind == "azure":
            self.options["account_name"] = "account"

    def put(self, key: str, data: bytes) -> None:
        self.server.put(f"bucket/{key}", data)

    def remove(self, key: str) -> None:
        self.server.remove(f"bucket/{key}")

    def location(self, key: str) -> Location:
        return Location(self.kind, "bucket", key, self.options)


class Flickr(Storage):
    """Photos have numbers; the answer to getSizes and the photo itself come from the same server."""

    def __init__(self, origin: Origin, cache_dir: Path) -> None:
        self.origin = origin
        self.options = {
            "cache_dir": str(cache_dir),
            "ports": (origin.port,),
            "allowed_networks": ("127.0.0.0/8",),
            "api_url": origin.url("/rest"),
        }

    def _photo(self, key: str) -> str:
        return str(sum(key.encode()))

    def _sizes(self, key: str) -> str:
        photo = self._photo(key)
        return f"/rest?method=flickr.photos.getSizes&photo_id={photo}&api_key=&format=json&nojsoncallback=1"

    def put(self, key: str, data: bytes) -> None:
        url = self.origin.serve(f"/{key}", data)
        answer = {"stat": "ok", "sizes": {"size": [{"label": "Original", "source": url}]}}
        self.origin.serve(self._sizes(key), json.dumps(answer).encode())

    def remove(self, key: str) -> None:
        self.origin.serve(self._sizes(key), b'{"stat": "fail", "code": 1}')

    def location(self, key: str) -> Location:
        if self._sizes(key) not in self.origin.routes:
            self.remove(key)
        return Location("flickr", "", self._photo(key), self.options)


@pytest.fixture(params=["filesystem", "http", "memory", "storage", "s3", "gcs", "azure", "flickr"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[Storage]:
    match request.param:
        case "filesystem":
            yield Folder(tmp_path)
        case "http":
            yield Web(request.getfixturevalue("origin"), tmp_path)
        case "s3":
            yield Moto(request.getfixturevalue("moto"))
        case "flickr":
            yield Flickr(request.getfixturevalue("origin"), tmp_path)
        case "gcs" | "azure":
            yield Objects(request.param, request.getfixturevalue("objects"))
        case "storage":
            elsewhere = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
            settings.STORAGES = {**settings.STORAGES, "elsewhere": elsewhere}
            yield Stored()
        case _:
            memory = Memory()
            monkeypatch.setitem(registry.SOURCE_KINDS, "memory", memory.source.open)
            yield memory


def test_every_kind_is_under_test() -> None:
    assert set(registry.SOURCE_KINDS) == {"filesystem", "http", "storage", "s3", "gcs", "azure", "flickr"}


def test_stat_and_read(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader:
        assert reader.stat().byte_size == len(DATA)
        assert reader.read(0, len(DATA)) == DATA
        assert reader.read(300, 7) == DATA[300:307]
        assert reader.read(len(DATA), 0) == b""
        reader.verify()


def test_read_many_keeps_the_order_asked_for(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    ranges = [ByteRange(1000, 1010), ByteRange(0, 4), ByteRange(1005, 1020), ByteRange(7, 7)]
    with storage.open() as reader:
        assert reader.read_many(ranges) == [DATA[one.start : one.stop] for one in ranges]
        assert reader.read_many([]) == []


@pytest.mark.parametrize(("start", "length"), [(len(DATA), 1), (len(DATA) - 1, 2), (10**12, 4), (0, len(DATA) + 1)])
def test_a_range_past_the_end(storage: Storage, start: int, length: int) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader:
        with pytest.raises(SourceTruncatedError):
            reader.read(start, length)
        with pytest.raises(SourceTruncatedError):
            reader.read_many([ByteRange(0, 4), ByteRange(start, start + length)])


@pytest.mark.parametrize(("start", "length"), [(-1, 4), (0, -1)])
def test_a_range_that_is_none(storage: Storage, start: int, length: int) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader, pytest.raises(ValueError, match="cannot read"):
        reader.read(start, length)


def test_an_empty_source(storage: Storage) -> None:
    storage.put("image.tif", b"")
    with storage.open() as reader:
        assert reader.stat().byte_size == 0
        assert reader.read(0, 0) == b""
        with pytest.raises(SourceTruncatedError):
            reader.read(0, 1)


def test_a_missing_object(storage: Storage) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        storage.open("missing.tif")
    assert caught.value.detail.endswith(".")


def test_an_object_that_was_removed(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    storage.open().close()
    storage.remove("image.tif")
    with pytest.raises(SourceNotFoundError):
        storage.open()


def test_the_etag_stays_while_the_bytes_do(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader:
        etag = reader.stat().etag
    with storage.open(etag=etag) as pinned:
        assert pinned.stat().etag == etag
        assert pinned.read(0, len(DATA)) == DATA
    assert 0 < len(etag) <= 200


def test_another_version_has_another_etag_and_never_answers_for_the_old_one(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader:
        old = reader.stat().etag
    storage.put("image.tif", DATA[::-1])
    with storage.open() as reader:
        assert reader.stat().etag != old
        assert reader.read(0, 4) == DATA[::-1][:4]
    try:
        with storage.open(etag=old) as pinned:  # a storage may keep old versions
            found = pinned.read(0, len(DATA))
    except SourceChangedError:
        return
    assert found == DATA


def test_an_etag_that_never_was(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    with pytest.raises(SourceChangedError):
        storage.open(etag="0-0-0-0")


def test_a_reader_shows_one_version_only(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader:
        first = reader.read(0, 1000)
        storage.put("image.tif", DATA[::-1])
        try:
            rest = reader.read(1000, len(DATA) - 1000)
        except SourceChangedError:
            return
        assert first + rest == DATA


def test_closing_twice(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    reader = storage.open()
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(0, 1)


def test_the_descriptor_reads_the_same_bytes(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    with storage.open() as reader:
        descriptor = reader.fileno()
        if descriptor is not None:
            with open(descriptor, "rb", closefd=False) as file:
                assert file.read() == DATA
        assert reader.read(0, 10) == DATA[:10]


def test_concurrent_reads(storage: Storage) -> None:
    storage.put("image.tif", DATA)
    wrong: list[int] = []
    with storage.open() as reader:
        reads = 200 if reader.fileno() is not None else 20  # each asks a server

    def work(seed: int) -> None:
        for step in range(reads):
            start = (seed * 7919 + step * 104729) % (len(DATA) - 600)
            if reader.read(start, 513) != DATA[start : start + 513]:
                wrong.append(start)

    with storage.open() as reader:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize("kind", ["http", "filesystem"])
def test_short_reads_are_read_on(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    storage = Folder(tmp_path) if kind == "filesystem" else Web(request.getfixturevalue("origin"), tmp_path)
    storage.put("image.tif", DATA[:1000])
    with storage.open() as reader:
        pread = os.pread
        monkeypatch.setattr("os.pread", lambda fd, length, offset: pread(fd, min(length, 3), offset))
        assert reader.read(1, 998) == DATA[1:999]
        assert reader.read_many([ByteRange(0, 10), ByteRange(990, 1000)]) == [DATA[:10], DATA[990:1000]]


def test_an_unknown_kind() -> None:
    with pytest.raises(SourceNotAllowedError, match="does not know"):
        open_source(Location("tape", "", "image.tif"))


def test_the_fake_counts_calls() -> None:
    source = MemorySource()
    source.objects["a"] = b"abc"
    with source.open(Location("memory", "", "a")) as reader:
        reader.read_many([ByteRange(0, 1), ByteRange(1, 3)])
        source.objects["a"] = b"xyz"
        with pytest.raises(SourceChangedError):
            reader.verify()
    assert source.calls == {"open": 1, "read_many": 1, "verify": 1}
