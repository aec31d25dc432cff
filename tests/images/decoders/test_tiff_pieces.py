"""A region from its own tiles or strips holds, to the bit, what the whole file gives; nothing else is read for it."""

import io
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image as PillowImage
from PIL import ImageCms

from images.decoders import execute, pieces
from images.decoders.errors import DamagedSourceError, DecodeError
from images.decoders.options import EncodeOptions
from images.decoders.pieces_job import find_pieces_job, find_tile_job
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.decoders.tiff_pieces import StoredPieces, find_pieces, joined, plan_pieces, write_pieces
from images.iiif.geometry import Region, Size
from images.indexes.description import SourceDescription
from images.indexes.tiff.index import TiffIndex
from tests.images.decoders import scenes
from tests.images.indexes.reading import index_tiff
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.images.indexes.tiff.pixels import pixel_tiff
from tests.images.indexes.tiff.writer import LONG, SHORT, Tag

WIDTH, HEIGHT, TILE = 600, 453, 128
PICTURE = scenes.picture(WIDTH, HEIGHT).astype(np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MOST = 1 << 30

REGIONS = (
    ((128, 256, 128, 128), (128, 128)),  # a tile
    ((512, 384, 88, 69), (88, 69)),  # the last one
    ((200, 270, 30, 50), (30, 50)),  # a part of one
    ((256, 256, 256, 197), (128, 99)),  # of the second level, and the last one below
    ((100, 50, 201, 333), (201, 333)),  # parts of several
    ((0, 0, 512, 256), (256, 128)),  # of a stored level, or a reduction by it
    ((0, 128, 600, 325), (150, 82)),
    ((7, 9, 300, 300), (111, 111)),
    ((0, 0, WIDTH, HEIGHT), (WIDTH, HEIGHT)),
)


def asked(region: tuple[int, int, int, int], size: tuple[int, int], **other: Any) -> RenderRequest:
    options = EncodeOptions(**other.pop("options", {}))
    return RenderRequest(Region(*region), Size(*size), options=options, **other)


def requests(**other: Any) -> Iterator[RenderRequest]:
    for region, size in REGIONS:
        yield asked(region, size, **other)


def ordinary(data: bytes, planned: DecodePlan) -> bytes:
    written: list[bytes] = []
    execute.execute(planned, SourceData(data=data), written.append)
    return b"".join(written)


def read(data: bytes, found: StoredPieces) -> list[bytes]:
    return [data[one.start : one.stop] for one in found.ranges]


def long_way(data: bytes, found: StoredPieces, planned: DecodePlan) -> bytes:
    return ordinary(write_pieces(found, read(data, found)), plan_pieces(found, planned))


def short_way(data: bytes, found: StoredPieces, planned: DecodePlan) -> bytes | None:
    job = find_pieces_job(found, planned)
    if job is None:
        return None
    return done(job, joined(read(data, found)))


def compare(data: bytes, **other: Any) -> int:
    """Every region by every way; how many took the short one."""
    description, index = index_tiff(data)
    short = 0
    for request in requests(**other):
        planned = plan(description, request)
        found = find_pieces(index, planned, 0, MOST)
        assert found is not None
        expected = ordinary(data, planned)
        assert long_way(data, found, planned) == expected, request
        body = short_way(data, found, planned)
        assert body in {None, expected}, request
        short += body is not None
        on_file = find_pieces_job(found, planned, is_file=True)
        is_one_tile = found.level.is_tiled and len(found.file_places) == 1
        on_tile = find_tile_job(index, description, request)
        if on_tile is not None and on_tile["answer"] != on_tile["cut"][2:]:
            assert (on_file, is_one_tile) == (None, True)
            assert done(on_tile, data) == expected, request
            short += 1
            continue
        assert on_tile == (on_file if is_one_tile else None), request
    return short


def done(job: dict[str, Any], data: bytes) -> bytes:
    written: list[bytes] = []
    pieces.execute(job, SourceData(data=data), written.append)
    return b"".join(written)


def saved(image: pyvips.Image, **options: Any) -> bytes:
    tiled = {"tile": True, "tile_width": TILE, "tile_height": TILE, "pyramid": True} if options.pop("tiled", 1) else {}
    data: bytes = image.tiffsave_buffer(**tiled, **options)
    return data


def picture(**options: Any) -> pyvips.Image:
    image = pyvips.Image.new_from_array(PICTURE).copy(interpretation="srgb")
    match options.get("kind", "rgb"):
        case "gray":
            return image.colourspace("b-w")
        case "alpha":
            return image.bandjoin(image.extract_band(1))
        case "deep":
            return image.colourspace("rgb16")
        case "cmyk":
            image = image.colourspace("cmyk").copy()
            image.remove("icc-profile-data")
            return image
        case "profile":
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", SRGB)
            return image
    return image


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("predictor", ["none", "horizontal"])
@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "packbits"])
@pytest.mark.parametrize("kind", ["rgb", "gray"])
def test_plain_pixels(kind: str, compression: str, predictor: str, tiled: bool) -> None:
    data = saved(picture(kind=kind), compression=compression, predictor=predictor, tiled=tiled)
    short = compare(data)
    assert (short > 0) == (compression in {"none", "deflate"})


@pytest.mark.parametrize("kind", ["rgb", "gray"])
def test_a_level_that_was_rounded_down_repeats_its_last_pixels(kind: str) -> None:
    data = saved(picture(kind=kind).crop(0, 0, 599, HEIGHT), compression="deflate", predictor="horizontal")
    description, index = index_tiff(data)
    assert [(level.width, level.height) for level in index.levels[1:3]] == [(299, 226), (149, 113)]
    for region, answer, shown in (
        ((0, 256, 256, 197), (128, 99), [128, 98]),
        ((512, 0, 87, 256), (44, 128), [43, 128]),
        ((512, 256, 87, 197), (44, 99), [43, 98]),
        ((512, 0, 87, 453), (22, 114), [21, 113]),
    ):
        request = asked(region, answer)
        job = find_tile_job(index, description, request)
        assert job is not None
        assert (job["cut"][2:], job["answer"]) == (shown, list(answer))
        assert done(job, data) == ordinary(data, plan(description, request))
    assert find_tile_job(index, description, asked((0, 0, 512, 453), (128, 114))) is not None
    beyond = plan(description, asked((0, 0, 599, 453), (300, 227)))  # of several tiles
    assert find_tile_job(index, description, beyond.request) is None


@pytest.mark.parametrize("kind", ["alpha", "deep", "cmyk", "profile"])
@pytest.mark.parametrize("compression", ["deflate", "lzw"])
@pytest.mark.parametrize("output", ["jpg", "png"])
def test_what_needs_more_of_its_file(kind: str, compression: str, output: str) -> None:
    data = saved(picture(kind=kind), compression=compression, predictor="horizontal")
    short = compare(data, format=output)
    assert (short > 0) == (kind == "profile" and output == "jpg" and compression == "deflate")


def test_the_profile_goes_along_where_it_is_kept() -> None:
    data = saved(picture(kind="profile"), compression="deflate")
    assert compare(data, options={"icc": "keep"}) == 0


def test_a_long_profile_is_left_to_the_file() -> None:
    image = picture().copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", SRGB + bytes(70_000))
    description, index = index_tiff(saved(image, compression="deflate"))
    assert find_pieces(index, planned_for(description, (0, 0, 128, 128)), 0, MOST) is None


@pytest.mark.parametrize(
    "other",
    [{"degrees": "90"}, {"degrees": "12.5"}, {"mirrored": True}, {"quality": "gray"}, {"quality": "bitonal"}],
)
def test_what_is_done_to_pixels_afterwards(other: dict[str, Any]) -> None:
    assert compare(saved(picture(), compression="deflate"), **other) == 0


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation(orientation: int) -> None:
    image = picture().copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    data = saved(image, compression="deflate")
    description, index = index_tiff(data)
    assert description.orientation == orientation
    for region in ((128, 128, 128, 128), (0, 0, 200, 100)):
        planned = plan(description, asked(region, (region[2], region[3])))
        found = find_pieces(index, planned, 0, MOST)
        assert found is not None
        assert find_pieces_job(found, planned) is None
        assert long_way(data, found, planned) == ordinary(data, planned)


@pytest.mark.parametrize("kind", ["444", "422", "420", "rgb", "gray"])
@pytest.mark.parametrize("big", [False, True])
def test_jpeg_tiles(kind: str, big: bool) -> None:
    assert compare(jpeg_tiff(PICTURE, TILE, kind, levels=3, big=big), format="png") == 0


def test_single_bits() -> None:
    bits = (pyvips.Image.new_from_array(PICTURE).copy(interpretation="srgb").colourspace("b-w") > 100).copy()
    for compression in ("ccittfax4", "deflate", "none"):
        data = bits.tiffsave_buffer(bitdepth=1, compression=compression, predictor="none")
        assert compare(data, format="png") == 0


def test_palettes() -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray(PICTURE).quantize(50).save(buffer, "TIFF", compression="tiff_lzw")
    assert compare(buffer.getvalue()) == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [1, 8, 32946])
def test_byte_orders(order: str, big: bool, compression: int) -> None:
    assert compare(pixel_tiff(PICTURE, TILE, compression, order=order, big=big)) > 0


@pytest.mark.parametrize(
    "tags",
    [
        {317: Tag(LONG, [2])},  # a number written in another type
        {339: Tag(SHORT, [2, 2, 2])},  # signed
        {262: Tag(SHORT, [6]), 530: Tag(SHORT, [1, 1])},  # YCbCr without JPEG
    ],
)
def test_what_other_tags_say_counts(tags: dict[int, Tag | None]) -> None:
    data = pixel_tiff(PICTURE, TILE, 8, tags=tags)
    description, index = index_tiff(data)
    for request in requests(format="jpg"):
        planned = plan(description, request)
        found = find_pieces(index, planned, 0, MOST)
        assert found is not None
        assert find_pieces_job(found, planned) is None
        assert outcome(lambda: long_way(data, found, planned)) == outcome(lambda: ordinary(data, planned))  # noqa: B023


def test_bits_in_the_other_order() -> None:
    data = bytearray(pixel_tiff(PICTURE, TILE, 8, tags={266: Tag(SHORT, [2])}))
    description, index = index_tiff(bytes(data))
    for offset, count in zip(index.levels[0].offsets, index.levels[0].byte_counts, strict=True):
        piece = np.frombuffer(data, np.uint8, count, offset)
        data[offset : offset + count] = np.packbits(np.unpackbits(piece), bitorder="little").tobytes()
    planned = planned_for(description, (100, 100, 200, 200))
    found = found_for(description, index, (100, 100, 200, 200))
    assert find_pieces_job(found, planned) is None
    assert long_way(bytes(data), found, planned) == ordinary(bytes(data), planned)


def outcome(work: Any) -> bytes | str:
    try:
        return bytes(work())
    except DecodeError as error:
        return error.code


def test_only_the_pieces_that_are_touched_are_read() -> None:
    data = pixel_tiff(PICTURE, TILE, 8)
    description, index = index_tiff(data)
    level = index.levels[0]
    one = found_for(description, index, (128, 128, 128, 128))
    assert one.ranges == (level.piece_range(1, 1),)
    four = found_for(description, index, (255, 255, 2, 2))
    assert (four.column, four.row, four.columns, four.rows) == (1, 1, 2, 2)
    assert four.read_bytes == sum(level.byte_counts[n] for n in (6, 7, 11, 12))
    assert len(four.ranges) == 2, "neighbours of a row take one read"
    near = found_for(description, index, (255, 255, 2, 2), gap_bytes=1 << 20)
    assert len(near.ranges) == 1
    assert short_way(data, near, planned_for(description, (255, 255, 2, 2))) == ordinary(
        data, planned_for(description, (255, 255, 2, 2))
    )


def planned_for(description: SourceDescription, region: tuple[int, int, int, int]) -> DecodePlan:
    return plan(description, asked(region, (region[2], region[3])))


def found_for(
    description: SourceDescription, index: TiffIndex, region: tuple[int, int, int, int], gap_bytes: int = 0
) -> StoredPieces:
    found = find_pieces(index, planned_for(description, region), gap_bytes, MOST)
    assert found is not None
    return found


def test_too_much_is_left_to_the_file() -> None:
    description, index = index_tiff(pixel_tiff(PICTURE, TILE, 8))
    whole = planned_for(description, (0, 0, WIDTH, HEIGHT))
    total = sum(index.levels[0].byte_counts)
    assert find_pieces(index, whole, 0, total - 1) is None
    assert find_pieces(index, whole, 1 << 20, total) is not None, "gaps are left out before the limit is met"


def test_an_older_index_does_not_say_enough() -> None:
    description, index = index_tiff(pixel_tiff(PICTURE, TILE, 8))
    old = TiffIndex(tuple(replace(level, coding=None) for level in index.levels))
    assert find_pieces(old, planned_for(description, (0, 0, 128, 128)), 0, MOST) is None


def changed(data: bytes, found: StoredPieces, piece: bytes) -> bytes:
    """The file with other bytes in the place of the only piece that is read."""
    (place,) = found.ranges
    assert len(piece) <= place.length
    return data[: place.start] + piece + data[place.start + len(piece) :]


@pytest.mark.parametrize("compression", ["deflate", "lzw", "packbits"])
def test_damage_is_an_error_and_no_black_tile(compression: str) -> None:
    data = saved(picture(), compression=compression, predictor="none")
    description, index = index_tiff(data)
    request = asked((128, 128, 128, 128), (128, 128))
    planned = plan(description, request)
    found = find_pieces(index, planned, 0, MOST)
    assert found is not None
    damaged = changed(data, found, b"\xff\x00" + bytes(found.read_bytes // 2) + b"\xff\xff\xff")
    with pytest.raises(DamagedSourceError):
        long_way(damaged, found, planned)
    if compression == "deflate":
        with pytest.raises(DamagedSourceError):
            short_way(damaged, found, planned)


def test_what_libtiff_lets_pass() -> None:
    data = pixel_tiff(PICTURE, TILE, 8, level=1)
    description, index = index_tiff(data)
    found = found_for(description, index, (128, 128, 128, 128))
    planned = planned_for(description, (128, 128, 128, 128))
    odd = changed(data, found, zlib.compress(zlib.decompress(read(data, found)[0]) + b"\x00" * 50, 9))
    assert short_way(odd, found, planned) == long_way(odd, found, planned) == ordinary(odd, planned)
    assert ordinary(odd, planned) == ordinary(data, planned)


@pytest.mark.parametrize(
    "change",
    [
        lambda piece: piece[:-30],
        lambda piece: piece[:-1] + bytes([piece[-1] ^ 1]),
        lambda piece: b"\x00" * len(piece),
        lambda piece: zlib.compress(zlib.decompress(piece)[:-1]),
    ],
)
def test_a_piece_that_is_not_whole(change: Any) -> None:
    data = pixel_tiff(PICTURE, TILE, 8)
    description, index = index_tiff(data)
    found = found_for(description, index, (128, 128, 128, 128))
    job = find_pieces_job(found, planned_for(description, (128, 128, 128, 128)))
    assert job is not None
    piece = change(read(data, found)[0])
    with pytest.raises(DamagedSourceError):
        pieces.execute({**job, "places": [[0, len(piece)]]}, SourceData(data=piece), lambda _: None)


def test_a_piece_is_not_unpacked_beyond_its_size() -> None:
    description, index = index_tiff(pixel_tiff(PICTURE, TILE, 8))
    found = found_for(description, index, (0, 0, 128, 128))
    job = find_pieces_job(found, planned_for(description, (0, 0, 128, 128)))
    bomb = zlib.compress(b"\x00" * 200_000_000)
    assert job is not None
    tracemalloc.start()
    pieces.execute({**job, "places": [[0, len(bomb)]]}, SourceData(data=bomb), lambda _: None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("width", [1, 2, 3, 100, 255, 256, 257])
@pytest.mark.parametrize("samples", [1, 3])
def test_differences_are_added_up_as_one_after_the_other(width: int, samples: int) -> None:
    differences = np.random.default_rng(width).integers(0, 256, (5, width, samples), np.uint8)
    given = differences.copy()
    one_by_one = np.add.accumulate(differences, axis=1, dtype=np.uint8)
    assert np.array_equal(pieces._added_up(differences), one_by_one)
    assert np.array_equal(differences, given)
