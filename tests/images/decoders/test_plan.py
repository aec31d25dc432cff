"""Which level is opened, how much of it is read, and what that will cost."""

import json
import os
import tempfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from images.decoders import output_limits
from images.decoders.errors import DecodeLimitError, OutputLimitError
from images.decoders.execute import execute
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.iiif.geometry import Size
from images.indexes.description import Level, SourceDescription, SourceFormat
from tests.images.decoders import scenes

PYRAMID = SourceDescription(
    SourceFormat.TIFF,
    8001,
    6001,
    tuple(Level(8001 >> n, 6001 >> n, 256, 256, page=n) for n in range(5)),
)
JPEG = SourceDescription(SourceFormat.JPEG, 4001, 3001, (Level(4001, 3001),))
FULL = (0, 0, 8001, 6001)


@pytest.mark.parametrize(
    ("region", "size", "page"),
    [
        (FULL, (8001, 6001), 0),
        (FULL, (4001, 3001), 1),
        (FULL, (4000, 3000), 1),
        (FULL, (2001, 1501), 2),
        (FULL, (2002, 1501), 1),
        (FULL, (300, 225), 4),
        (FULL, (501, 376), 4),
        (FULL, (502, 376), 3),
        (FULL, (9000, 7000), 0),
        ((0, 0, 4096, 4096), (512, 512), 3),
        ((4096, 0, 3905, 4096), (489, 512), 3),
        ((1000, 1000, 1000, 1000), (400, 400), 1),
        ((1000, 1000, 1000, 1000), (400, 600), 0),
    ],
)
def test_the_smallest_level_that_suffices(region: tuple[int, int, int, int], size: tuple[int, int], page: int) -> None:
    assert plan(PYRAMID, scenes.request(region, size)).level.page == page


@pytest.mark.parametrize(
    ("size", "shrink", "level"),
    [
        ((4001, 3001), 1, (4001, 3001)),
        ((2001, 1501), 2, (2000, 1500)),
        ((500, 375), 8, (500, 375)),
        ((900, 700), 4, (1000, 750)),
    ],
)
def test_jpeg_shrinks_while_it_is_read(size: tuple[int, int], shrink: int, level: tuple[int, int]) -> None:
    planned = plan(JPEG, scenes.request((0, 0, 4001, 3001), size))
    assert (planned.shrink, planned.level.width, planned.level.height) == (shrink, *level)


def test_only_the_tiles_under_a_region_count() -> None:
    planned = plan(PYRAMID, scenes.request((512, 512, 512, 512), (512, 512)))
    assert planned.pixels == 512 * 512
    assert not planned.is_dear


def test_an_untiled_image_is_decoded_down_to_the_last_row() -> None:
    strips = replace(PYRAMID, levels=(Level(8001, 6001),))
    assert plan(strips, scenes.request((0, 0, 512, 512), (512, 512))).pixels == 8001 * 512
    assert plan(strips, scenes.request((0, 5489, 512, 512), (512, 512))).pixels == 8001 * 6001


def test_what_is_decoded_whole_counts_whole() -> None:
    levels = tuple(Level(8001 >> n, 6001 >> n, 1024 >> n, 1024 >> n, reduction=n) for n in range(3))
    regional = SourceDescription(SourceFormat.JP2, 8001, 6001, levels)
    tile = scenes.request((0, 0, 512, 512), (512, 512))
    assert plan(regional, tile).pixels == 1024 * 1024
    for reason in ("is_htj2k", "has_packed_headers"):
        whole = plan(replace(regional, detail={reason: True}), tile)
        assert whole.pixels == 8001 * 6001
        assert whole.memory_bytes > plan(regional, tile).memory_bytes + 8001 * 6001


def test_a_window_counts_instead_of_the_level() -> None:
    """High throughput code-blocks of an indexed source: 4096 pixels, or 8192 where the margin reaches over a seam."""
    levels = tuple(Level(40_001 >> n, 30_001 >> n, reduction=n) for n in range(3))
    detail = {
        "is_htj2k": True,
        "image": {"left": 0, "top": 0, "right": 40_001, "bottom": 30_001},
        "window": {"step": [4096, 4096], "origin": [0, 0], "margin": [512, 512]},
    }
    source = SourceDescription(SourceFormat.JP2, 40_001, 30_001, levels, detail=detail)
    inner = plan(source, scenes.request((1024, 1024, 512, 512), (512, 512)))
    assert inner.pixels == 4096 * 4096
    assert plan(source, scenes.request((8192, 5000, 512, 512), (512, 512))).pixels == 8192 * 4096
    assert plan(source, scenes.request((1024, 1024, 1024, 1024), (512, 512))).pixels == 2048 * 2048
    corner = plan(source, scenes.request((0, 0, 512, 512), (512, 512)))
    assert corner.pixels == 4096 * 4096
    last = plan(source, scenes.request((39_900, 29_900, 101, 101), (101, 101)))
    assert last.pixels == (40_001 - 9 * 4096) * (30_001 - 7 * 4096)
    assert plan(source, scenes.request((0, 0, 40_001, 30_001), (40_001, 30_001))).pixels == 40_001 * 30_001
    plain = replace(source, detail={"is_htj2k": True})
    assert plan(plain, scenes.request((1024, 1024, 512, 512), (512, 512))).pixels == 40_001 * 30_001


@pytest.mark.parametrize(
    ("output", "size", "is_dear", "streams"),
    [
        ("jpg", (512, 512), False, False),
        ("jpg", (4001, 3001), True, True),
        ("png", (4001, 3001), True, True),
        ("webp", (4001, 3001), True, False),
        ("avif", (1200, 900), True, False),
        ("gif", (1200, 900), True, False),
        ("jp2", (1200, 900), True, False),
        ("avif", (512, 384), False, False),
    ],
)
def test_lanes(output: str, size: tuple[int, int], is_dear: bool, streams: bool) -> None:
    planned = plan(PYRAMID, scenes.request(FULL, size, output))
    assert (planned.is_dear, planned.streams) == (is_dear, streams)


HELD = {"tiff_streamed_area": 1_000_000_000}


@pytest.mark.parametrize("output", ["gif", "jp2", "webp", "avif", "tif", "pdf"])
def test_no_output_is_larger_than_its_format_is_made(output: str) -> None:
    millions = output_limits.LARGEST_AREA[output] // 1_000_000
    plan(PYRAMID, scenes.request(FULL, (5000, millions * 200), output, options=HELD))
    with pytest.raises(OutputLimitError, match=f"{millions} million") as caught:
        plan(PYRAMID, scenes.request(FULL, (5001, millions * 200), output, options=HELD))
    assert caught.value.code == "limit_exceeded"


def test_a_large_tiff_streams_and_has_no_limit() -> None:
    assert not plan(PYRAMID, scenes.request(FULL, (4999, 5000), "tif")).streams
    assert plan(PYRAMID, scenes.request(FULL, (30_000, 30_000), "tif")).streams


def test_turning_a_gigapixel_is_refused_and_showing_it_is_not() -> None:
    """A rotation needs all pixels at once."""
    huge = SourceDescription(SourceFormat.JP2, 30_000, 30_000, (Level(30_000, 30_000, 1024, 1024),))
    whole, limit = (0, 0, 30_000, 30_000), 512 * 2**20
    for output in ("jpg", "png", "tif"):
        assert plan(huge, scenes.request(whole, (30_000, 30_000), output), memory_limit=limit).streams
    for other in ({"degrees": "90"}, {"degrees": "22.5"}):
        with pytest.raises(DecodeLimitError):
            plan(huge, scenes.request(whole, (30_000, 30_000), "jpg", **other), memory_limit=1_400_000_000)


@pytest.mark.parametrize(("output", "longest"), output_limits.LONGEST_SIDE.items())
def test_no_side_is_longer_than_its_format_allows(output: str, longest: int) -> None:
    plan(PYRAMID, scenes.request(FULL, (longest, 1), output))
    with pytest.raises(OutputLimitError, match=str(longest)):
        plan(PYRAMID, scenes.request(FULL, (1, longest + 1), output))


def test_limits_are_of_the_turned_picture() -> None:
    assert output_limits.canvas(scenes.request(FULL, (300, 100), degrees="90")) == Size(100, 300)
    assert output_limits.canvas(scenes.request(FULL, (300, 100), degrees="180")) == Size(300, 100)
    assert output_limits.canvas(scenes.request(FULL, (300, 100), degrees="45")) == Size(283, 283)
    plan(PYRAMID, scenes.request(FULL, (3000, 3000), "gif"))
    with pytest.raises(OutputLimitError):
        plan(PYRAMID, scenes.request(FULL, (3000, 3000), "gif", degrees="45"))


def test_what_needs_too_much_memory_is_refused_at_once() -> None:
    request = scenes.request(FULL, (4000, 3000), "jp2")
    needed = plan(PYRAMID, request).memory_bytes
    assert plan(PYRAMID, request, memory_limit=needed).memory_bytes == needed
    with pytest.raises(DecodeLimitError, match="memory") as caught:
        plan(PYRAMID, request, memory_limit=needed - 1)
    assert caught.value.code == "out_of_memory"


TIFF_50 = SourceDescription(SourceFormat.TIFF, 8164, 6124, (Level(8164, 6124, 256, 256),))
TILED_JP2_50 = SourceDescription(SourceFormat.JP2, 8164, 6124, (Level(8164, 6124, 1024, 1024),))
UNTILED_JP2_50 = SourceDescription(SourceFormat.JP2, 8164, 6124, (Level(8164, 6124),))
HTJ2K_108 = SourceDescription(
    SourceFormat.JP2,
    12000,
    9000,
    (Level(12000, 9000),),
    detail={
        "is_htj2k": True,
        "image": {"left": 0, "top": 0, "right": 12000, "bottom": 9000},
        "window": {"step": [8192, 8192], "origin": [0, 0], "margin": [512, 512]},
    },
)
WEBP_12, GIF_12, AVIF_12 = (
    SourceDescription(name, 4000, 3000, (Level(4000, 3000),))
    for name in (SourceFormat.WEBP, SourceFormat.GIF, SourceFormat.AVIF)
)
ALPHA_12 = SourceDescription(SourceFormat.PNG, 4000, 3000, (Level(4000, 3000),), bands=4, has_alpha=True)
PROGRESSIVE_50 = SourceDescription(SourceFormat.JPEG, 8164, 6124, (Level(8164, 6124),), detail={"is_interlaced": True})


@pytest.mark.parametrize(
    ("description", "output", "size", "degrees", "resident"),
    [
        (TIFF_50, "jpg", (8164, 6124), "0", 59),
        (TIFF_50, "jpg", (8164, 6124), "90", 201),
        (TIFF_50, "png", (5164, 3874), "30", 137),
        (TIFF_50, "webp", (5773, 4330), "0", 227),
        (TIFF_50, "webp", (4000, 3000), "30", 770),
        (TIFF_50, "tif", (4900, 3675), "0", 103),
        (TIFF_50, "tif", (8164, 6124), "0", 51),
        (TIFF_50, "gif", (4000, 3000), "0", 219),
        (TIFF_50, "avif", (5773, 4330), "0", 542),
        (TIFF_50, "jp2", (4618, 3464), "0", 710),
        (TIFF_50, "jp2", (3266, 2450), "30", 661),
        (TIFF_50, "pdf", (8164, 6124), "0", 100),
        (TILED_JP2_50, "jpg", (8164, 6124), "0", 140),
        (TILED_JP2_50, "tif", (4900, 3675), "0", 180),
        (UNTILED_JP2_50, "jpg", (8164, 6124), "0", 300),
        (TILED_JP2_50, "avif", (4619, 3464), "0", 446),
        (HTJ2K_108, "jpg", (12000, 9000), "0", 1662),
        (PROGRESSIVE_50, "jpg", (8164, 6124), "0", 223),
        (PROGRESSIVE_50, "webp", (5773, 4330), "0", 391),
        (PROGRESSIVE_50, "avif", (4619, 3464), "0", 538),
        (WEBP_12, "jpg", (4000, 3000), "0", 143),
        (GIF_12, "jpg", (4000, 3000), "0", 109),
        (AVIF_12, "jpg", (4000, 3000), "0", 232),
        (ALPHA_12, "png", (4000, 3000), "0", 63),
        (ALPHA_12, "png", (2000, 1500), "0", 111),
        (ALPHA_12, "webp", (3266, 2449), "0", 350),
    ],
)
def test_estimates_are_near_what_was_measured(
    description: SourceDescription, output: str, size: tuple[int, int], degrees: str, resident: int
) -> None:
    """`resident`: the peak of a decoder process, in MiB."""
    planned = plan(
        description, scenes.request((0, 0, description.width, description.height), size, output, degrees=degrees)
    )
    assert 1 / 1.5 < planned.memory_bytes / 2**20 / resident < 1.5


@pytest.mark.parametrize(("region", "resident"), [((8192, 1024, 256, 256), 1315), ((2048, 2048, 256, 256), 829)])
def test_windows_of_high_throughput_tiles_are_near_what_was_measured(
    region: tuple[int, int, int, int], resident: int
) -> None:
    planned = plan(HTJ2K_108, scenes.request(region, (256, 256)), memory_limit=int(2.5 * 2**30 * 0.7))
    assert 1 / 1.2 < planned.memory_bytes / 2**20 / resident < 1.2


def test_a_progressive_jpeg_does_not_stream() -> None:
    planned = plan(PYRAMID, scenes.request(FULL, (8001, 6001), "jpg", options={"jpeg_progressive": True}))
    assert not planned.streams


@given(
    st.integers(1, 8),
    st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 3000)),
    st.tuples(st.integers(1, 2000), st.integers(1, 2000)),
)
def test_plans_survive_json(orientation: int, region: tuple[int, int, int, int], size: tuple[int, int]) -> None:
    width, height = (6001, 8001) if orientation >= 5 else (8001, 6001)
    description = replace(PYRAMID, width=width, height=height, orientation=orientation)
    planned = plan(description, scenes.request(region, size))
    assert DecodePlan.from_json(json.loads(json.dumps(planned.to_json()))) == planned
    assert planned.horizontal.start >= 0
    assert planned.horizontal.start + planned.horizontal.length <= planned.level.width
    assert planned.vertical.start >= 0
    assert planned.vertical.start + planned.vertical.length <= planned.level.height


def test_requests_survive_json() -> None:
    request = scenes.request(FULL, (100, 75), "webp", mirrored=True, degrees="22.5", quality="gray")
    assert RenderRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_the_file_stays_open_and_can_be_used_again() -> None:
    data = scenes.saved(PillowImage.fromarray(scenes.picture(64, 64)), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    planned = plan(description, scenes.request((0, 0, 64, 64), (64, 64)))
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        source = SourceData(fd=file.fileno(), length=len(data))
        results: list[bytes] = []
        for _ in range(3):
            os.lseek(file.fileno(), 17, os.SEEK_SET)
            execute(planned, source, results.append)
    assert len(set(results)) == 1
    assert len(results) == 3
