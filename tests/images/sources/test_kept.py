"""Files that stay open: as pinned as if each request opened them, and closed in the end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.sources import kept
from images.sources.errors import SourceChangedError, SourceNotFoundError, SourceTruncatedError
from images.sources.filesystem import open_file
from images.sources.kept import close_kept_sources, keep_source
from images.sources.location import Location
from images.sources.registry import open_source

DATA = bytes(range(256)) * 8


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.tif").write_bytes(DATA)
    yield tmp_path / "store"
    close_kept_sources()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were opened, one by one."""
    names: list[str] = []

    def counted(location: Location, etag: str | None = None) -> object:
        names.append(location.key)
        return open_file(location, etag)

    monkeypatch.setattr(kept, "open_file", counted)
    return names


def place(folder: Path, key: str = "a.tif") -> Location:
    return Location("filesystem", str(folder), key)


def etag_of(folder: Path, key: str = "a.tif") -> str:
    with open_source(place(folder, key)) as reader:
        return reader.stat().etag


def read(folder: Path, etag: str, key: str = "a.tif") -> bytes:
    with keep_source(place(folder, key), etag) as reader:
        data = reader.read(16, 32)
        reader.verify()
    return data


def descriptors(folder: Path) -> int:
    links = [Path(entry.path) for entry in os.scandir("/proc/self/fd")]
    return sum(os.path.lexists(link) and str(link.readlink()).startswith(f"{folder}/") for link in links)


def test_a_file_is_opened_once(folder: Path, opened: list[str]) -> None:
    etag = etag_of(folder)
    assert [read(folder, etag) for _ in range(5)] == [DATA[16:48]] * 5
    assert opened == ["a.tif"]


def test_it_is_opened_anew_after_a_second(folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    etag = etag_of(folder)
    read(folder, etag)
    monkeypatch.setattr(kept, "AGE_SECONDS", -1.0)
    read(folder, etag)
    assert opened == ["a.tif"] * 2


def test_reading_beyond_the_end(folder: Path) -> None:
    with keep_source(place(folder), etag_of(folder)) as reader:
        assert reader.read(len(DATA), 0) == b""
        with pytest.raises(SourceTruncatedError):
            reader.read(len(DATA) - 1, 2)
        with pytest.raises(ValueError):
            reader.read(-1, 2)


def replaced(folder: Path) -> None:
    (folder / "new").write_bytes(DATA[::-1])
    (folder / "new").rename(folder / "a.tif")


def overwritten(folder: Path) -> None:
    stamps = (folder / "a.tif").stat()
    (folder / "a.tif").write_bytes(DATA[::-1])
    os.utime(folder / "a.tif", ns=(stamps.st_atime_ns, stamps.st_mtime_ns))


def moved_aside(folder: Path) -> None:
    """The file itself isn't touched: a folder above it is another one now."""
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    (folder / "a.tif").write_bytes(DATA[::-1])


def removed(folder: Path) -> None:
    (folder / "a.tif").unlink()


@pytest.mark.parametrize("change", [replaced, overwritten, moved_aside, removed])
def test_a_change_is_noticed_while_the_file_is_open(folder: Path, change: object) -> None:
    etag = etag_of(folder)
    reader = keep_source(place(folder), etag)
    change(folder)  # type: ignore[operator]
    with pytest.raises(SourceChangedError):
        reader.verify()
    with pytest.raises((SourceChangedError, SourceNotFoundError)):
        read(folder, etag)
    if change is not removed:
        assert read(folder, etag_of(folder)) == DATA[::-1][16:48]


def test_few_stay_open_and_none_is_closed_under_a_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_FILES", 2)
    for name in "bcde":
        (folder / f"{name}.tif").write_bytes(DATA)
    first = keep_source(place(folder), etag_of(folder))
    for name in "bcde":
        read(folder, etag_of(folder, f"{name}.tif"), f"{name}.tif")
    assert descriptors(folder) == 3
    assert first.read(0, 8) == DATA[:8]
    del first
    assert descriptors(folder) == 2
    close_kept_sources()
    assert descriptors(folder) == 0


def test_another_version_is_not_opened(folder: Path) -> None:
    with pytest.raises(SourceChangedError):
        keep_source(place(folder), "another")
    assert descriptors(folder) == 0
