import itertools
import os
import re
import threading
from pathlib import Path

import pytest

from images.sources import beneath
from images.sources.beneath import open_beneath
from images.sources.errors import (
    SourceChangedError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.filesystem import list_files, open_file
from images.sources.location import Location

CANARY = b"canary"

_STEPS_UP = [
    "..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "..%00", "..;", "..%c0%af", "%c0%ae%c0%ae", "%uff0e%uff0e",
    "．．", "‥", "…", "..\u200b", "....", ". .", ".. ", " ..", "..\x00", "..\t", "\x7f..", "..\\", "..\\..", "~", "*",
]  # fmt: skip
_SLASHES = ["/", "\\", "%2f", "%5c", "//", "／", "∕", "%c0%af"]
HOSTILE_KEYS = sorted(
    {f"{step}{slash}outside.tif" for step, slash in itertools.product(_STEPS_UP, _SLASHES)}
    | {
        "", "/", "//", ".", "..", "./", "../", "/..", "/../outside.tif", "./../outside.tif", "inner/../../outside.tif",
        "inner/../image.tif", "inner//image.tif", "./image.tif", "image.tif/", "image.tif/.", "image.tif/..", "inner/",
        "inner", "inner/.", "/etc/passwd", "//etc/passwd", "/proc/self/environ", "file:///etc/passwd", "C:\\boot.ini",
        "C:/boot.ini", "\\\\server\\share", "image.tif\x00", "image.tif\x00.jpg", "\x00", "image.tif\n",
        "image.tif\x85", "\r\nimage.tif", "\ud800", "image\udcff.tif", "image.tif[page=3]", "~root/.bashrc", "`id`",
        "|id", "link-out.tif", "link-folder-out/outside.tif", "link-absolute.tif", "link-proc/environ", "link-environ",
        "link-cwd/outside.tif", "link-loop", "link-magic/outside.tif", "link-fd", "fifo", "link-null", "link-zero",
        "link-folder-out/inner/../outside.tif", "x" * 256, "x/" * 2500 + "x", "image.tif/outside.tif", "socket",
    }
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside.tif").write_bytes(CANARY)
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "image.tif").write_bytes(b"image")
    (root / "inner" / "image.tif").write_bytes(b"inner image")
    (root / "link-out.tif").symlink_to("../outside.tif")
    (root / "link-folder-out").symlink_to("..")
    (root / "link-absolute.tif").symlink_to(tmp_path / "outside.tif")
    (root / "link-proc").symlink_to("/proc/self")
    (root / "link-environ").symlink_to("/proc/self/environ")
    (root / "link-cwd").symlink_to("/proc/self/cwd")
    (root / "link-loop").symlink_to("link-loop")
    (root / "link-magic").symlink_to(f"/proc/{os.getpid()}/root/{tmp_path}")
    (root / "link-fd").symlink_to("/dev/fd/0")
    (root / "link-null").symlink_to("/dev/null")
    (root / "link-zero").symlink_to("/dev/zero")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture(params=["openat2", "walk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways below the root: the system call where there is one, and the walk without it."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "_syscall", None)
    else:
        root_fd = os.open("/", os.O_RDONLY)
        try:
            fd = beneath._openat2(root_fd, "etc")
        finally:
            os.close(root_fd)
        if fd is None:
            pytest.skip("this kernel has no openat2")
        os.close(fd)
    return str(request.param)


def read(root: Path, key: str) -> bytes:
    with open_file(Location("filesystem", str(root), key)) as reader:
        return reader.read(0, reader.stat().byte_size)


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_there_are_enough_hostile_keys() -> None:
    assert len(HOSTILE_KEYS) >= 250


@pytest.mark.usefixtures("way")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
def test_a_hostile_key_opens_nothing(root: Path, key: str) -> None:
    descriptors = _open_descriptors()
    with pytest.raises((SourceNotAllowedError, SourceNotFoundError)) as caught:
        read(root, key)
    assert str(root) not in caught.value.detail
    assert caught.value.detail.endswith(".")
    assert _open_descriptors() == descriptors


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("key", ["image.tif", "inner/image.tif"])
def test_a_file_below_the_root(root: Path, key: str) -> None:
    assert read(root, key) == (root / key).read_bytes()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "name", ["ünïcode ‥ name.tif", "a b.tif", "..x.tif", "x..", "%2e%2e", "a;b,c:d.tif", ".hidden"]
)
def test_an_unusual_name_is_only_a_name(root: Path, name: str) -> None:
    (root / name).write_bytes(b"unusual")
    assert read(root, name) == b"unusual"


def test_a_link_inside_the_root(root: Path, way: str) -> None:
    (root / "inner" / "link.tif").symlink_to("../image.tif")
    (root / "link-inner").symlink_to("inner")
    for key in ("inner/link.tif", "link-inner/image.tif"):
        if way == "openat2":
            assert read(root, key).endswith(b"image")
        else:
            with pytest.raises(SourceNotAllowedError, match="symbolic link"):
                read(root, key)


@pytest.mark.usefixtures("way")
def test_the_root_may_be_reached_through_links(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link-root").symlink_to(root)
    assert read(tmp_path / "link-root", "image.tif") == b"image"


@pytest.mark.usefixtures("way")
def test_devices_and_process_files_are_no_sources() -> None:
    for key in ("null", "zero", "fd/0", "stdin"):
        with pytest.raises(SourceNotAllowedError):
            read(Path("/dev"), key)
    assert read(Path("/proc/self"), "status") == b""  # a regular file to the kernel, of no bytes
    with open_file(Location("filesystem", "/proc/self", "environ")) as reader, pytest.raises(SourceTruncatedError):
        reader.read(0, 1)


@pytest.mark.parametrize("place", ["missing", "image.tif", "relative", "nul"])
def test_a_root_that_is_none(root: Path, place: str) -> None:
    text = {"relative": "root", "nul": f"{root}\0"}.get(place, str(root / place))
    with pytest.raises((SourceUnreachableError, SourceNotAllowedError)) as caught:
        open_beneath(text, "image.tif")
    assert "folder of this store" in caught.value.detail
    assert str(root) not in caught.value.detail


@pytest.mark.usefixtures("way")
def test_no_permission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        monkeypatch.setattr(beneath, "_openat2", _refuse)
    (root / "image.tif").chmod(0)
    with pytest.raises(SourceForbiddenError) as caught:
        read(root, "image.tif")
    assert caught.value.detail == "The server is not permitted to read the source file."
    assert str(root) in caught.value.technical


def _refuse(_root_fd: int, _key: str) -> int:
    raise PermissionError(13, "Permission denied")


def test_the_etag_names_inode_size_and_times(root: Path) -> None:
    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        stat = reader.stat()
    assert re.fullmatch(r"[0-9a-f]+-5-[0-9a-f]+-[0-9a-f]+", stat.etag)
    assert stat.modified is not None
    assert stat.modified.timestamp() == pytest.approx((root / "image.tif").stat().st_mtime)


def test_a_write_that_puts_the_modification_time_back_has_another_etag(root: Path) -> None:
    path = root / "image.tif"
    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        before = reader.stat()
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"other")
    os.utime(path, ns=(stamp, stamp))
    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        assert reader.stat().etag != before.etag


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _overwrite_keeping_the_time(path: Path) -> None:
    times = path.stat()
    with path.open("r+b") as file:
        file.write(b"IMAGE")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", [_append, _overwrite_keeping_the_time, lambda path: os.truncate(path, 1)])
def test_a_file_that_is_overwritten_in_place_is_found_out(root: Path, change) -> None:  # type: ignore[no-untyped-def]
    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        reader.verify()
        change(root / "image.tif")
        with pytest.raises(SourceChangedError, match="changed while it was read"):
            reader.verify()


def test_a_file_that_shrinks_while_it_is_read(root: Path) -> None:
    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        os.truncate(root / "image.tif", 2)
        with pytest.raises(SourceChangedError):
            reader.read(0, 5)


def test_a_file_that_is_replaced_by_a_rename_keeps_its_bytes(root: Path) -> None:
    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        (root / "new").write_bytes(b"other")
        (root / "new").rename(root / "image.tif")
        assert reader.read(0, 5) == b"image"
        reader.verify()


def test_a_file_that_is_still_written_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("time.sleep", lambda _seconds: (root / "image.tif").write_bytes(b"image"))
        (root / "image.tif").write_bytes(b"image")
        with pytest.raises(SourceChangedError, match="being written"):
            read(root, "image.tif")
    assert read(root, "image.tif") == b"image"


def test_a_stamp_of_the_future_is_not_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 0)
    monkeypatch.setattr("time.sleep", lambda _seconds: pytest.fail("it waits"))
    assert read(root, "image.tif") == b"image"


def test_readers_under_a_writer_never_see_two_versions(root: Path) -> None:
    stop, outcomes = threading.Event(), []

    def write() -> None:
        for number in itertools.cycle(range(2)):
            with (root / "image.tif").open("r+b") as file:
                for _ in range(4):
                    file.write(b"AB"[number : number + 1] * 50_000)
            if stop.wait(0.06):
                return

    (root / "image.tif").write_bytes(b"A" * 200_000)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(60):
            try:
                with open_file(Location("filesystem", str(root), "image.tif")) as reader:
                    pieces = [reader.read(start, 1000) for start in range(0, 200_000, 1000)]
                    reader.verify()
                outcomes.append(set(b"".join(pieces)))
            except SourceChangedError:
                continue
    finally:
        stop.set()
        thread.join()
    assert [outcome for outcome in outcomes if len(outcome) != 1] == []


def test_a_storage_that_fails_while_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: int) -> bytes:
        raise OSError(5, "Input/output error")

    with open_file(Location("filesystem", str(root), "image.tif")) as reader:
        monkeypatch.setattr("os.pread", fail)
        with pytest.raises(SourceUnreachableError, match="could not be read"):
            reader.read(0, 5)


def test_files_are_listed_in_order(root: Path) -> None:
    for key in ("inner/B.TIF", "inner/a.jpg", "inner.tif", "inner-2/x.tiff", "z.txt", ".hidden.tif", ".git/a.tif"):
        (root / key).parent.mkdir(exist_ok=True)
        (root / key).write_bytes(b"")
    (root / "inner" / "link-inside.tif").symlink_to("../image.tif")
    (root / "link-inner").symlink_to("inner")
    (root / "fifo.tif").symlink_to("fifo")
    os.mkfifo(root / "pipe.tif")
    (root / "back\\slash.tif").write_bytes(b"")
    expected = ["image.tif", "inner-2/x.tiff", "inner.tif", "inner/B.TIF", "inner/a.jpg", "inner/image.tif"]
    if beneath._openat2(fd := os.open("/", os.O_RDONLY), "etc") is not None:
        expected.append("inner/link-inside.tif")
    os.close(fd)
    assert list(list_files(root, [".tif", ".TIFF", ".jpg"])) == expected
    assert expected == sorted(expected)
    for key in expected:
        read(root, key)


def test_listing_a_folder_that_is_none(root: Path) -> None:
    with pytest.raises(SourceUnreachableError, match="cannot be listed"):
        list(list_files(root / "missing", [".tif"]))


def test_a_deep_tree_is_listed(root: Path) -> None:
    folder = root
    for _ in range(600):
        folder = folder / "d"
        folder.mkdir()
    (folder / "deep.tif").write_bytes(b"deep")
    keys = [key for key in list_files(root, [".tif"]) if key.endswith("deep.tif")]
    assert keys == ["d/" * 600 + "deep.tif"]
    assert read(root, keys[0]) == b"deep"


def test_every_error_has_a_code_of_its_own() -> None:
    kinds: list[type[SourceError]] = [SourceError, *SourceError.__subclasses__()]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
