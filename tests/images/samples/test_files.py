"""The files of the samples, as small as they can be made: their structure, and how they come to be."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import pyvips

from images.samples.agate import make_agate
from images.samples.catalogue import SAMPLES, Report, Sample, make_samples
from images.samples.guilloche import make_guilloche
from images.samples.writing import whole_file, write_jpeg, write_jpeg2000, write_tiff


@pytest.fixture(scope="module")
def jpeg2000(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("samples") / "agate.jp2"
    write_jpeg2000(make_agate(768, 512), path)
    return path.read_bytes()


def marker(codestream: bytes, code: int) -> bytes:
    """What a marker segment of the header holds after its length."""
    start = codestream.index(struct.pack(">H", code))
    (length,) = struct.unpack_from(">H", codestream, start + 2)
    return codestream[start + 4 : start + 2 + length]


def test_the_jpeg2000_has_one_tile_and_precincts_in_the_order_of_resolution(jpeg2000: bytes) -> None:
    size = marker(jpeg2000, 0xFF51)
    assert struct.unpack_from(">8I", size, 2) == (768, 512, 0, 0, 768, 512, 0, 0)
    style, progression, layers, transformed, levels, _, _, _, wavelet = struct.unpack_from(
        ">BBHBBBBBB", marker(jpeg2000, 0xFF52)
    )
    assert style & 1
    assert (progression, layers, transformed, wavelet) == (2, 5, 1, 0)
    assert set(marker(jpeg2000, 0xFF52)[10:]) == {0x88}
    assert len(marker(jpeg2000, 0xFF52)[10:]) == levels + 1


def test_the_jpeg2000_lists_the_lengths_of_its_packets(jpeg2000: bytes) -> None:
    tile = jpeg2000[jpeg2000.index(b"\xff\x90") :]
    assert tile[12:14] == b"\xff\x58"


def test_the_jpeg2000_looks_like_the_picture(jpeg2000: bytes, tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    (tmp_path / "agate.jp2").write_bytes(jpeg2000)
    with image_module.open(tmp_path / "agate.jp2") as image:
        decoded = np.asarray(image.convert("RGB"), dtype=np.float32)
    difference = decoded - make_agate(768, 512)
    assert float(np.abs(difference).mean()) < 12


def test_the_tiff_is_a_pyramid_of_jpeg_tiles(tmp_path: Path) -> None:
    path = tmp_path / "chart.tif"
    parts: list[float] = []
    write_tiff(make_guilloche(1536, 1088), path, parts.append)
    data = path.read_bytes()
    assert data[:4] == b"II*\0"
    image = pyvips.Image.new_from_file(str(path))
    pages = [pyvips.Image.new_from_file(str(path), page=page) for page in range(image.get("n-pages"))]
    assert [(page.width, page.height) for page in pages[:3]] == [(1536, 1088), (768, 544), (384, 272)]
    tags = first_directory(data)
    assert (tags[322], tags[323]) == (256, 256)
    assert tags[259] == 7  # JPEG
    assert tags[262] == 6  # YCbCr
    assert parts


def first_directory(data: bytes) -> dict[int, int]:
    """Tags of the first directory with their value, or the offset of it."""
    (offset,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, offset)
    entries = [struct.unpack_from("<HHI4s", data, offset + 2 + 12 * number) for number in range(count)]
    return {tag: int.from_bytes(value[: 2 if kind == 3 else 4], "little") for tag, kind, _, value in entries}


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "sample.jpg"

    def break_off() -> None:
        with whole_file(path) as draft:
            draft.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert list(tmp_path.iterdir()) == []
    write_jpeg(pyvips.Image.black(16, 16, bands=3), path)
    assert list(tmp_path.iterdir()) == [path]


def states(folder: Path) -> dict[str, tuple[str, int]]:
    rows = json.loads((folder / "progress.json").read_text())
    return {row["identifier"]: (row["state"], row["percent"]) for row in rows}


def test_samples_are_made_once_and_told_each_time(tmp_path: Path) -> None:
    seen: list[dict[str, tuple[str, int]]] = []

    def make(path: Path, report: Report) -> None:
        report(0.5)
        seen.append(states(tmp_path))
        path.write_bytes(b"picture")

    samples = (Sample("one", "One", "one.jpg", make), Sample("two", "Two", "two.jpg", make))
    ready: list[str] = []
    for _ in range(2):
        assert make_samples(tmp_path, lambda sample, _: ready.append(sample.identifier), samples) == []
    assert ready == ["one", "two"] * 2
    assert len(seen) == 2
    assert seen[0] == {"one": ("making", 0), "two": ("waiting", 0)}
    assert seen[1]["one"] == ("ready", 100)
    assert states(tmp_path) == {"one": ("ready", 100), "two": ("ready", 100)}


def test_a_sample_that_fails_leaves_the_others(tmp_path: Path) -> None:
    def fail(_path: Path, _report: Report) -> None:
        raise RuntimeError("no OpenJPEG")

    def make(path: Path, _report: Report) -> None:
        path.write_bytes(b"picture")

    (tmp_path / ".left-over-1.tif").touch()
    samples = (Sample("one", "One", "one.jp2", fail), Sample("two", "Two", "two.jpg", make))
    ready: list[str] = []
    assert make_samples(tmp_path, lambda sample, _: ready.append(sample.identifier), samples) == ["One: no OpenJPEG"]
    assert ready == ["two"]
    assert states(tmp_path) == {"one": ("failed", 100), "two": ("ready", 100)}
    assert not (tmp_path / ".left-over-1.tif").exists()


def test_the_launcher_announces_a_sample_that_there_is() -> None:
    launcher = (Path(__file__).resolve().parents[3] / "run").read_text()
    name = launcher.partition('SAMPLE_IDENTIFIER = "')[2].partition('"')[0]
    assert name in {sample.identifier for sample in SAMPLES}
