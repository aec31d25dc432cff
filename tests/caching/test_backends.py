"""The contract of every backend. A new one adds itself to `backend` and has to pass all of it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from caching.backends.disk import DiskBackend
from caching.backends.entry_file import SMALL_BODY_BYTES
from caching.backends.null import NullBackend
from caching.backends.objects import ObjectBackend, StorageBackend
from caching.backends.protocol import DerivativeBackend, Entry
from caching.backends.redis import RedisBackend
from caching.backends.registry import BACKENDS, backend_class, build_backend
from caching.eviction import NOTHING
from caching.keys import DerivativeKey
from tests.caching.buckets import bucket_options
from tests.caching.conftest import body_of, image_name, key_of
from tests.support.redis import Redis

LARGE = SMALL_BODY_BYTES + 300_000
OBJECTS = {"grace": 0.0, "sweep_seconds": 0.0}


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(params=["disk", "redis", "objects", "bucket", "storage"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> DerivativeBackend:
    folder = tmp_path / "derivatives"
    match request.param:
        case "disk":
            return build_backend({"BACKEND": "disk", "OPTIONS": {"root": folder, "grace": 0.0}})
        case "redis":
            options = {"url": request.getfixturevalue("redis").url, "namespace": secrets.token_hex(8)}
            return build_backend({"BACKEND": "redis", "OPTIONS": {**options, "entry_bytes": 10 * LARGE}})
        case "objects":
            return build_backend({"BACKEND": "objects", "OPTIONS": {"url": folder.as_uri(), **OBJECTS}})
        case "bucket":
            moto = request.getfixturevalue("moto")
            return build_backend({"BACKEND": "objects", "OPTIONS": {**bucket_options(moto), **OBJECTS}})
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder}}
    settings.STORAGES = {**settings.STORAGES, "tier": storage}
    return build_backend({"BACKEND": "storage", "OPTIONS": {"storage": "tier", **OBJECTS}})


def put(backend: DerivativeBackend, key: DerivativeKey, byte_size: int = 5000) -> bytes:
    body = body_of(key, byte_size)
    writer = backend.open_writer(key, "image/jpeg")
    assert writer is not None
    for at in range(0, byte_size, 100_000):
        writer.write(body[at : at + 100_000])
    writer.commit()
    return body


def read(entry: Entry | None) -> bytes:
    assert entry is not None
    body = b"".join(entry.chunks)
    assert len(body) == entry.length
    return body


def test_an_absent_key_is_not_found(backend: DerivativeBackend) -> None:
    assert backend.find(key_of(1)) is None


@pytest.mark.parametrize("byte_size", [1, 5000, SMALL_BODY_BYTES, SMALL_BODY_BYTES + 1, LARGE, 5 * LARGE])
def test_what_was_committed_is_found(backend: DerivativeBackend, byte_size: int) -> None:
    body = put(backend, key_of(1), byte_size)
    entry = backend.find(key_of(1))
    assert entry is not None
    assert entry.content_type == "image/jpeg"
    assert read(entry) == body


def test_keys_of_other_versions_and_parameters_are_others(backend: DerivativeBackend) -> None:
    put(backend, key_of(1, version=1))
    assert backend.find(key_of(1, version=2)) is None
    assert backend.find(key_of(2)) is None
    assert backend.find(key_of(1, image=2)) is None


def test_nothing_is_seen_before_the_commit_nor_after_a_discard(backend: DerivativeBackend) -> None:
    writer = backend.open_writer(key_of(1), "image/jpeg")
    assert writer is not None
    writer.write(b"half")
    assert backend.find(key_of(1)) is None
    writer.discard()
    assert backend.find(key_of(1)) is None
    assert backend.usage().held == NOTHING


def test_discard_after_commit_is_harmless(backend: DerivativeBackend) -> None:
    writer = backend.open_writer(key_of(1), "image/jpeg")
    assert writer is not None
    writer.write(b"all")
    writer.commit()
    writer.discard()
    assert read(backend.find(key_of(1))) == b"all"


def test_the_second_writer_of_a_key_replaces_the_first(backend: DerivativeBackend) -> None:
    put(backend, key_of(1))
    held = backend.usage().held
    put(backend, key_of(1))
    assert read(backend.find(key_of(1))) == body_of(key_of(1))
    assert backend.usage().held == held


def test_discarding_an_image_leaves_the_others(backend: DerivativeBackend) -> None:
    for number in range(3):
        put(backend, key_of(number, image=1))
        put(backend, key_of(number, image=2))
    assert backend.discard(image_name(1), dry_run=True).entries == 3
    assert backend.find(key_of(0, image=1)) is not None
    assert backend.discard(image_name(1)).entries >= 3
    assert [backend.find(key_of(number, image=1)) for number in range(3)] == [None] * 3
    assert [read(backend.find(key_of(number, image=2))) for number in range(3)]
    backend.discard()
    assert backend.find(key_of(0, image=2)) is None
    assert backend.usage().held == NOTHING


def test_discarding_older_versions_leaves_the_current(backend: DerivativeBackend) -> None:
    for version in (1, 2, 3):
        put(backend, key_of(1, version=version))
    backend.discard(image_name(0), before_version=3)
    assert backend.find(key_of(1, version=2)) is None
    assert read(backend.find(key_of(1, version=3))) == body_of(key_of(1, version=3))


def test_discarding_what_is_not_there_frees_nothing(backend: DerivativeBackend) -> None:
    assert backend.discard(image_name(9)) == NOTHING
    assert backend.discard() == NOTHING


def test_a_sweep_counts_what_is_held(backend: DerivativeBackend) -> None:
    for number in range(5):
        put(backend, key_of(number, image=number))
    booked = backend.usage().held
    report = backend.sweep()
    assert report.ran
    assert report.usage is not None
    assert report.usage.measured
    assert report.usage.held == booked == backend.usage().held


def test_an_open_body_outlives_its_entry(backend: DerivativeBackend) -> None:
    body = put(backend, key_of(1), LARGE)
    entry = backend.find(key_of(1))
    assert entry is not None
    first = next(entry.chunks)
    backend.discard()
    assert first + b"".join(entry.chunks) == body


def test_every_known_name_has_a_class() -> None:
    assert [backend_class(name) for name in BACKENDS] == [
        DiskBackend,
        RedisBackend,
        ObjectBackend,
        StorageBackend,
        NullBackend,
    ]


@pytest.mark.parametrize("name", ["nothing", "caching.backends.disk.Missing", "caching.nowhere.Backend"])
def test_an_unknown_name_is_an_import_error(name: str) -> None:
    with pytest.raises(ImportError):
        backend_class(name)
