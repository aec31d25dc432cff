"""Keys, productions and caches for the tests of caching."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from caching.backends.disk import DiskBackend
from caching.backends.layout import Layout
from caching.derivatives import DerivativeCache, Production
from caching.keys import DerivativeKey


def image_name(number: int = 0) -> str:
    return f"{number:032x}"


def key_of(number: int, image: int = 0, version: int = 1) -> DerivativeKey:
    return DerivativeKey(image_name(image), version, f"{number},0,64,64/64,64/0/default.jpg", "jpeg-85")


def body_of(key: DerivativeKey, byte_size: int = 5000) -> bytes:
    """Bytes that no other key has."""
    seed = f"{key.image}/{key.version}/{key.parameters};".encode()
    return (seed * (byte_size // len(seed) + 1))[:byte_size]


def production_of(key: DerivativeKey, byte_size: int = 5000, chunk: int = 1000) -> Production:
    body = body_of(key, byte_size)
    return Production("image/jpeg", (body[at : at + chunk] for at in range(0, byte_size, chunk)))


def store(cache: DerivativeCache, key: DerivativeKey, byte_size: int = 5000) -> bytes:
    return b"".join(cache.get_or_create(key, lambda: production_of(key, byte_size)).chunks)


def bytes_below(folder: Path) -> int:
    """Sum of lengths; files that vanish meanwhile count nothing."""
    total = 0
    for path in files_below(folder):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "derivatives"


@pytest.fixture
def layout(root: Path) -> Layout:
    return Layout(root)


@pytest.fixture
def make_cache(root: Path) -> Iterator[Callable[..., DerivativeCache]]:
    """Caches on one folder, which is counted already; background sweeps end before the test does."""
    DiskBackend(root).sweep()
    made: list[DerivativeCache] = []

    def make(*, cache: dict[str, object] | None = None, **options: object) -> DerivativeCache:
        made.append(DerivativeCache(DiskBackend(root, **options), **(cache or {})))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for cache in made:
        cache.wait_for_sweep()


@pytest.fixture
def cache(make_cache: Callable[..., DerivativeCache]) -> DerivativeCache:
    return make_cache()
