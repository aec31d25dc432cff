"""Many tiles from one raster: each is byte for byte the tile that is made alone."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image as PillowImage

from images.decoders import jobs, jp2
from images.decoders.cuts import TileGrid, blocks_of, strips_of
from images.decoders.errors import DecoderDiedError
from images.decoders.execute import execute
from images.decoders.plan import plan
from images.decoders.pool import DecoderPool
from images.decoders.records import read_tiles, tiles_job
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.decoders.tiles import execute as execute_tiles
from images.iiif.geometry import Region, Size
from images.indexes.description import SourceDescription, SourceFormat
from tests.images.decoders import scenes

WIDTH, HEIGHT = 459, 331
TILE = 64


def source(kind: str, **facts: Any) -> tuple[bytes, SourceDescription]:
    pixels = scenes.noise(WIDTH, HEIGHT)
    if kind == "tiff":
        data: bytes = scenes.vips_image(pixels).tiffsave_buffer(tile=True, tile_width=64, tile_height=64)
        return data, scenes.tiff_description(data, pages=(0,), tile=64, **facts)
    if kind == "jpeg":
        data = scenes.saved(PillowImage.fromarray(pixels), "JPEG")
        return data, scenes.inspected(SourceFormat.JPEG, data)
    buffer = io.BytesIO()
    options: dict[str, Any] = {"num_resolutions": 4}
    if kind == "tiled jp2":
        options["tile_size"] = (200, 200)
    PillowImage.fromarray(pixels).save(buffer, "JPEG2000", **options)
    return buffer.getvalue(), scenes.jp2_description(WIDTH, HEIGHT, 3, **facts)


def cuts_of(width: int, height: int) -> Iterator[Region]:
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            yield Region(x, y, min(TILE, width - x), min(TILE, height - y))


def alone(data: bytes, description: SourceDescription, region: Region, size: Size) -> bytes:
    pieces: list[bytes] = []
    execute(plan(description, RenderRequest(region, size)), SourceData(data=data), pieces.append)
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 2, 4, 16])
@pytest.mark.parametrize("kind", ["jp2", "tiled jp2", "tiff", "jpeg"])
@pytest.mark.parametrize("first", [0, 3])
def test_tiles_are_those_made_alone(kind: str, step: int, first: int) -> None:
    data, description = source(kind)
    left, top = (64 * step, 64 * step) if 256 * step < WIDTH else (0, 0)
    region = Region(left, top, min(256 * step, WIDTH - left), min(256 * step, HEIGHT - top))
    size = Size(-(-region.width // step), -(-region.height // step))
    cuts = list(cuts_of(size.width, size.height))
    cuts.insert(0, cuts.pop(min(first, len(cuts) - 1)))
    pieces: list[bytes] = []
    job = tiles_job(plan(description, RenderRequest(region, size)), cuts)
    jobs.perform(job, SourceData(data=data), pieces.append)
    made = dict(read_tiles(pieces))
    assert sorted(made) == list(range(len(cuts)))
    for number, cut in enumerate(cuts):
        whole = Region(
            left + cut.x * step,
            top + cut.y * step,
            min(cut.width * step, WIDTH - left - cut.x * step),
            min(cut.height * step, HEIGHT - top - cut.y * step),
        )
        assert made[number] == alone(data, description, whole, Size(cut.width, cut.height)), (number, cut)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_cuts_are_of_the_picture_as_it_is_served(orientation: int) -> None:
    data, description = source("tiff", orientation=orientation)
    region = Region(0, 0, 256, 256)
    job = tiles_job(plan(description, RenderRequest(region, Size(256, 256))), [Region(64, 128, 64, 64)])
    pieces: list[bytes] = []
    jobs.perform(job, SourceData(data=data), pieces.append)
    assert dict(read_tiles(pieces))[0] == alone(data, description, Region(64, 128, 64, 64), Size(64, 64))


def test_the_first_tile_leaves_before_the_others_are_made() -> None:
    data, description = source("jp2")
    request = RenderRequest(Region(0, 0, 256, 256), Size(256, 256))
    pieces: list[bytes] = []
    jobs.perform(tiles_job(plan(description, request), list(cuts_of(256, 256))), SourceData(data=data), pieces.append)
    asked_to_leave = pieces.index(b"")
    assert [number for number, _ in read_tiles(pieces[:asked_to_leave])] == [0]


@pytest.mark.parametrize("kind", ["jp2", "tiled jp2"])
def test_areas_are_not_begun_once_nobody_wants_them(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.decoders.cuts._BLOCK_LENGTH", 200)  # two rows of tiles of the codestream
    data, description = source(kind)
    request = RenderRequest(Region(0, 0, WIDTH, HEIGHT), Size(WIDTH, HEIGHT))
    job = tiles_job(plan(description, request), list(cuts_of(WIDTH, HEIGHT)))

    def made(looks: int) -> dict[int, bytes]:
        """Until it was asked so often."""
        answers = iter([False] * (looks - 1))
        pieces: list[bytes] = []
        jobs.perform(job, SourceData(data=data), pieces.append, lambda: next(answers, True))
        return dict(read_tiles(pieces))

    everything = made(100)
    assert sorted(everything) == list(range(len(everything)))
    seen: dict[int, bytes] = {}
    for looks in range(1, 4):
        found = made(looks)
        assert 0 in found
        assert found.items() <= everything.items()
        assert set(seen) <= set(found)
        seen = found
    assert 0 < len(made(1)) < len(made(2)) <= len(everything)


def test_a_pool_answers_with_the_first_tile() -> None:
    data, description = source("jp2")
    request = RenderRequest(Region(0, 0, 256, 256), Size(256, 256))
    job = tiles_job(plan(description, request), list(cuts_of(256, 256)))
    pool = DecoderPool(1)
    try:
        with pool.run(job, SourceData(data=data), returns_early=True) as rendered:
            assert rendered.length is None
            tiles = dict(read_tiles(rendered.chunks))
    finally:
        pool.close()
    assert sorted(tiles) == list(range(16))


def test_a_tile_that_is_cut_off_is_no_tile() -> None:
    data, description = source("tiff")
    job = tiles_job(plan(description, RenderRequest(Region(0, 0, 64, 64), Size(64, 64))), [Region(0, 0, 64, 64)])
    pieces: list[bytes] = []
    jobs.perform(job, SourceData(data=data), pieces.append)
    answer = b"".join(pieces)
    for length in (5, 8, len(answer) - 1):
        with pytest.raises(DecoderDiedError):
            list(read_tiles([answer[:length]]))


@pytest.mark.parametrize(
    ("first", "rows"),
    [((0, 0), [0, 256, 512, 768]), ((512, 256), [0, 256, 512, 768]), ((256, 512), [768, 512, 256, 0])],
)
def test_strips_go_one_way_so_that_each_shares_its_border_with_the_one_before(
    first: tuple[int, int], rows: list[int]
) -> None:
    tiles = [Region(x, y, 256, 256) for y in range(0, 1024, 256) for x in range(0, 768, 256)]
    asked = Region(*first, 256, 256)
    areas = strips_of([asked, *(tile for tile in tiles if tile != asked)])
    assert areas[0] == asked
    assert [area.y for area in areas[1:]] == rows
    assert {(area.x, area.width, area.height) for area in areas[1:]} == {(0, 768, 256)}
    assert strips_of([asked]) == [asked]


def test_no_strip_is_decoded_again_for_the_first_tile_alone() -> None:
    asked = Region(0, 256, 256, 256)
    others = [Region(x, y, 256, 256) for y in (0, 512) for x in (0, 256)]
    assert strips_of([asked, *others]) == [asked, Region(0, 0, 512, 256), Region(0, 512, 512, 256)]


def test_of_a_codestream_in_tiles_each_is_decoded_once_that_with_the_first_answer_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray(scenes.noise(1024, 1100)).save(buffer, "JPEG2000", num_resolutions=3, tile_size=(512, 512))
    decoded: list[tuple[tuple[int, int], tuple[int, int]]] = []
    into = jp2.decode_into

    def counting(*arguments: Any) -> None:
        decoded.append(arguments[3:5])
        into(*arguments)

    monkeypatch.setattr(jp2, "decode_into", counting)
    planned = plan(scenes.jp2_description(1024, 1100, 3), RenderRequest(Region(0, 0, 1024, 1024), Size(1024, 1024)))
    tiles = [Region(x, y, 256, 256) for y in range(768, -1, -256) for x in range(768, -1, -256)]
    written: list[bytes] = []
    execute_tiles(planned, tiles, SourceData(data=buffer.getvalue()), written.append)
    upper, lower = (0, 512), (512, 1024)
    assert decoded[0] == (lower, lower)
    assert sorted(decoded) == [(upper, upper), (upper, lower), (lower, upper), (lower, lower)]
    assert next(number for number, _ in read_tiles(iter(written))) == 0


@pytest.mark.parametrize(
    ("tile", "left", "areas"),
    [
        (128, 0, [Region(0, 0, 512, 512), Region(512, 0, 512, 512)]),
        (512, 256, [Region(0, 0, 256, 512), Region(256, 0, 512, 512), Region(768, 0, 256, 512)]),
        (300, 0, [Region(0, 0, 1024, 512)]),  # decoded only once, though the first answer waits
        (512, 100, [Region(0, 0, 1024, 512)]),
        (4096, 0, [Region(0, 0, 1024, 512)]),
    ],
)
def test_what_tiles_of_the_codestream_have_is_decoded_once(tile: int, left: int, areas: list[Region]) -> None:
    cuts = [Region(x, y, 256, 256) for y in (0, 256) for x in range(0, 1024, 256)]
    found = blocks_of(cuts, TileGrid(0, 0, tile, 5000), left, 0)
    assert found == areas
