"""The corpus is what its recipes say, whichever program encodes it."""

from pathlib import Path

import numpy as np
import pytest
import pyvips

from benchmarks.commands import Missing, run
from benchmarks.encoders import Layout, _compress, _compress_in_process
from images.samples.writing import _glymur as bind_glymur

LAYOUTS = (
    Layout("RPCL", is_lossy=True, has_precincts=True, has_lengths=True),
    Layout("LRCP", is_lossy=True),
    Layout("RPCL", is_lossy=False, tile=256, has_lengths=True),
)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "picture.tif"
    pyvips.Image.gaussnoise(600, 500).bandjoin([pyvips.Image.gaussnoise(600, 500)] * 2).cast("uchar").copy(
        interpretation="srgb"
    ).tiffsave(str(path))
    return path


def cod(path: Path) -> bytes:
    """The marker segment COD (T.800 A.6.1): how the codestream is laid out."""
    data = path.read_bytes()
    place = data.index(b"\xff\x52\x00")
    return data[place : place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_both_encoders_lay_out_alike(layout: Layout, picture: Path, tmp_path: Path) -> None:
    # Without opj_compress, both are the same.
    one, other = tmp_path / "one.jp2", tmp_path / "other.jp2"
    _compress(picture, one, layout)
    _compress_in_process(picture, other, layout)
    assert cod(one) == cod(other)
    for path in (one, other):
        head, _, tile_part = path.read_bytes().partition(b"\xff\x90\x00\x0a")  # SOT, T.800 A.4.2
        assert head
        assert (b"\xff\x58" in tile_part.partition(b"\xff\x93")[0]) == layout.has_lengths  # PLT before SOD


def test_lossless_tiles_keep_the_pixels(picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiles.jp2"
    _compress_in_process(picture, path, LAYOUTS[2])
    pixels = pyvips.Image.new_from_file(str(picture)).numpy()
    assert np.array_equal(bind_glymur().Jp2k(str(path))[:], pixels)


def test_a_program_that_fails_is_a_reason() -> None:
    with pytest.raises(Missing, match="failed"):
        run(["false"])
    with pytest.raises(Missing, match="did not run"):
        run(["/nonexistent/program"])
