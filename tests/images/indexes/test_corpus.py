"""Real files: what is said of them must be what the decoders find."""

import ctypes.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import PIL
import pytest
import pyvips

from images.indexes import parsing
from images.indexes.description import SourceDescription
from images.indexes.jp2.description import describe as describe_jp2
from images.indexes.sniff import SNIFF_BYTES, sniff
from images.indexes.tiff.description import describe as describe_tiff
from tests.conftest import CORPUS

pytestmark = pytest.mark.corpus

_JP2 = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*.j[p2]*") if path.suffix != ".jpg")
_TIFF = sorted(str(path.relative_to(CORPUS)) for suffix in ("tif", "svs") for path in CORPUS.glob(f"*/*.{suffix}"))


@pytest.fixture(scope="module")
def glymur() -> Iterator[ModuleType]:
    """glymur over the libopenjp2 of Pillow's wheel, which it doesn't find by itself."""
    folders = (Path(PIL.__file__).parent.parent / "pillow.libs", Path(PIL.__file__).parent / ".dylibs")
    library = next((str(path) for folder in folders for path in folder.glob("libopenjp2*")), None)
    if library is None:
        pytest.skip("Pillow's wheel has no libopenjp2 here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctypes.util, "find_library", lambda name: library if name == "openjp2" else None)
        import glymur as module

        yield module


def _describe(path: Path) -> SourceDescription:
    data = path.read_bytes()
    describe = describe_tiff if sniff(data[:SNIFF_BYTES]) == "tiff" else describe_jp2
    return parsing.run(describe(len(data)), lambda start, length: data[start : start + length])


@pytest.mark.parametrize("name", _JP2)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_jpeg_2000_as_glymur_parses_it(glymur: ModuleType, corpus: Path, name: str) -> None:
    found = _describe(corpus / name)
    segments = {segment.marker_id: segment for segment in glymur.Jp2k(corpus / name).get_codestream().segment}
    size, style = segments["SIZ"], segments["COD"]
    assert (found.width, found.height) == (size.xsiz - size.xosiz, size.ysiz - size.yosiz)
    components = [(each["dx"], each["dy"], each["bits"], each["signed"]) for each in found.detail["components"]]
    assert components == list(zip(size.xrsiz, size.yrsiz, size.bitdepth, size.signed, strict=True))
    tiles = found.detail["tiles"]
    assert (tiles["width"], tiles["height"], tiles["left"], tiles["top"]) == (
        size.xtsiz,
        size.ytsiz,
        size.xtosiz,
        size.ytosiz,
    )
    assert found.detail["layers"] == style.layers
    assert found.detail["code_block"] == list(style.code_block_size)[::-1]
    assert found.detail["is_reversible"] == (style.xform == 1)
    assert found.detail["resolution_levels"] <= style.num_res


@pytest.mark.parametrize("name", _TIFF)
def test_tiff_as_libvips_opens_it(corpus: Path, name: str) -> None:
    """Every level: its size, and the page that it is said to be in."""
    found = _describe(corpus / name)
    for level in found.levels:
        options = {} if level.subifd is None else {"subifd": level.subifd}
        image = pyvips.Image.tiffload(str(corpus / name), page=level.page, **options)
        assert (image.width, image.height) == (level.width, level.height)
    image = pyvips.Image.tiffload(str(corpus / name))
    is_read_as_rgba = found.colour == "ycbcr" and found.detail["compression_name"] != "JPEG"
    assert found.bands == image.bands - is_read_as_rgba
    assert found.has_icc_profile == ("icc-profile-data" in image.get_fields())
    assert found.detail["pages"] == (image.get("n-pages") if "n-pages" in image.get_fields() else 1)


@pytest.mark.parametrize("subifd", [False, True])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("size", [(1_001, 777), (640, 4_099)])
def test_pyramids_that_libvips_writes(tmp_path: Path, size: tuple[int, int], bigtiff: bool, subifd: bool) -> None:
    path = tmp_path / "pyramid.tif"
    written = pyvips.Image.black(*size, bands=3).copy(interpretation="srgb")
    written.tiffsave(str(path), tile=True, pyramid=True, tile_width=128, tile_height=64, bigtiff=bigtiff, subifd=subifd)
    found = _describe(path)
    expected = [size]
    while expected[-1][0] > 128 or expected[-1][1] > 64:
        expected.append((expected[-1][0] // 2, expected[-1][1] // 2))
    assert [(level.width, level.height) for level in found.levels] == expected
    for level in found.levels:
        options = {} if level.subifd is None else {"subifd": level.subifd}
        image = pyvips.Image.tiffload(str(path), page=level.page, **options)
        assert (image.width, image.height) == (level.width, level.height)
        assert (level.tile_width, level.tile_height) == (128, 64)


def test_newspaper(corpus: Path) -> None:
    found = _describe(corpus / "real" / "newspaper-sn00063609.jp2")
    assert (found.width, found.height, found.colour) == (4_971, 7_320, "gray")
    assert found.detail["tile_parts"] == 40
    assert [level.tile_width for level in found.levels] == [1024, 512, 256, 128, 64, 32]


def test_slide(corpus: Path) -> None:
    """Its thumbnail, label and macro are no levels."""
    found = _describe(corpus / "formats" / "CMU-1-Small-Region.svs")
    assert found.detail["pages"] == 4
    assert [(level.width, level.tile_width) for level in found.levels] == [(2_220, 240)]
