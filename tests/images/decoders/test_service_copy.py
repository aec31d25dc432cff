"""Service copies as their decoder makes them: the plan, what it takes, and that a death in the middle is made good."""

import io
import os
import signal
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from images.decoders import jobs
from images.decoders.errors import DecodeLimitError, UnsupportedSourceError
from images.decoders.plan import plan as plan_render
from images.decoders.service_copy_plan import (
    MEASURED_FACTOR,
    ROUGH_FACTOR,
    CopyOptions,
    CopyPlan,
    measured_byte_size,
    measured_requests,
    pyramid_pixels,
    rough_byte_size,
    with_quality,
)
from images.decoders.source import SourceData
from images.iiif.geometry import Size
from images.iiif.tiles import reduced_size, scale_factors, tile_regions
from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.parsing import run as run_parser
from images.indexes.tiff.copy_index import (
    TAIL_AT,
    TAIL_BYTES,
    CopyIndex,
    describe_and_index_copy,
    find_place,
)
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import status

WIDTH, HEIGHT, TILE = 700, 530, 128


def description(width: int, height: int, kind: SourceFormat = SourceFormat.PNG, **facts: object) -> SourceDescription:
    tile = facts.pop("tile", None)
    level = Level(width, height, tile, tile)  # type: ignore[arg-type]
    return SourceDescription(kind, width, height, (level,), **facts)  # type: ignore[arg-type]


def picture(kind: str, width: int = WIDTH, height: int = HEIGHT) -> Pillow.Image:
    y, x = np.mgrid[0:height, 0:width]
    match kind:
        case "smooth":
            pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256 // 2], axis=2)
        case "detailed":
            waves = 127 + 60 * np.sin(x / 5) * np.cos(y / 7)
            noise = np.random.default_rng(7).normal(0, 12, (height, width, 3))
            pixels = waves[:, :, None] + noise
        case _:
            lines = (y // 6 % 3 == 0) & ((x * 7 + y * 3) % 11 < 6)
            pixels = np.where(lines, 30, 235)[:, :, None].repeat(3, axis=2)
    return Pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def png(image: Pillow.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def completed(made: bytes) -> bytes:
    """As whoever keeps it does."""
    file, tail = bytearray(made[:-TAIL_BYTES]), made[-TAIL_BYTES:]
    file[TAIL_AT : TAIL_AT + TAIL_BYTES] = tail
    return bytes(file)


def parsed(data: bytes) -> tuple[SourceDescription, CopyIndex]:
    return run_parser(describe_and_index_copy(len(data)), lambda start, length: data[start : start + length])


def job(plan: CopyPlan) -> dict[str, Any]:
    return {"kind": "service_copy", "copy": plan.to_json(), "plan": plan.planned.to_json()}


def copied(plan: CopyPlan, source: bytes) -> bytes:
    pieces: list[bytes] = []
    jobs.perform(
        job(plan),
        SourceData(data=source),
        pieces.append,
    )
    return completed(b"".join(pieces))


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([128, 256, 512]))
def test_every_advertised_tile_has_its_place(width: int, height: int, tile: int) -> None:
    full = Size(width, height)
    factors = scale_factors(full, Size(tile, tile))
    for number, factor in enumerate(factors):
        for region, size in tile_regions(full, Size(tile, tile), factor):
            place = find_place(full, tile, len(factors), region, size)
            assert place is not None
            step = tile << place.level
            assert (region.x, region.y) == (place.column * step, place.row * step)
            assert place.level <= number  # at the image's ends a smaller scale factor may ask for the same
            assert place.shown == size


def test_the_index_is_what_the_file_says() -> None:
    data = copied(CopyPlan(description(WIDTH, HEIGHT), TILE, CopyOptions()), png(picture("detailed")))
    found, index = parsed(data)
    full = Size(WIDTH, HEIGHT)
    assert [(level.width, level.height) for level in found.levels] == [(700, 530), (350, 265), (175, 133), (88, 67)]
    assert CopyIndex.from_bytes(index.to_bytes()) == index
    ranges = []
    for factor in scale_factors(full, Size(TILE, TILE)):
        for region, size in tile_regions(full, Size(TILE, TILE), factor):
            place = find_place(full, TILE, len(found.levels), region, size)
            assert place is not None
            wanted = index.piece_range(place)
            assert wanted is not None
            ranges.append((wanted.start, wanted.stop))
            jpeg = data[wanted.start : wanted.stop]
            at = jpeg.index(b"\xff\xc0") + 5
            assert struct.unpack(">HH", jpeg[at : at + 4]) == (size.height, size.width)
    assert len(set(ranges)) == len(ranges)


@pytest.mark.parametrize("harm", [lambda d: d[:-40], lambda d: d[: len(d) // 2], lambda d: d[:16] + d[24:32] + d[24:]])
def test_what_is_no_whole_copy_is_refused(harm: object) -> None:
    data = copied(CopyPlan(description(WIDTH, HEIGHT), TILE, CopyOptions()), png(picture("smooth")))
    with pytest.raises(IndexingError):
        parsed(harm(data))  # type: ignore[operator]


def test_levels_are_means_of_four() -> None:
    """Each level of the one above, so no row of tiles is ever waited for twice; ends repeat themselves."""
    source = picture("smooth")
    data = copied(CopyPlan(description(WIDTH, HEIGHT), TILE, CopyOptions(quality=100)), png(source))
    level = pyvips.Image.new_from_array(np.asarray(source))
    for number in range(4):
        stored = pyvips.Image.tiffload_buffer(data, page=number).numpy().astype(int)
        assert np.abs(stored - level.numpy()).max() <= 6
        level = level.shrink(2, 2, ceil=True)


def test_a_copy_is_deterministic() -> None:
    plan = CopyPlan(description(WIDTH, HEIGHT), TILE, CopyOptions())
    assert CopyPlan.from_json(plan.to_json()) == plan
    assert copied(plan, png(picture("detailed"))) == copied(plan, png(picture("detailed")))


@pytest.mark.parametrize("side", [20_000, 80_000])
def test_memory_grows_with_the_width_only(side: int) -> None:
    tiled = CopyPlan(description(side, 20_000, SourceFormat.TIFF, tile=256), 256, CopyOptions())
    taller = CopyPlan(description(side, 100_000, SourceFormat.TIFF, tile=256), 256, CopyOptions())
    assert tiled.memory_bytes == taller.memory_bytes < 56_000_000 + side * 256 * 3 * 10


def test_what_cannot_be_made_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UnsupportedSourceError, match="multiples of 16"):
        CopyPlan(description(WIDTH, HEIGHT), 200, CopyOptions()).check(10**9)
    turned = description(30_000, 30_000, SourceFormat.TIFF, tile=256, orientation=6)
    with pytest.raises(DecodeLimitError, match="service copy"):
        CopyPlan(turned, 256, CopyOptions()).check(10**9)


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("kind", ["detailed", "writing"])
def test_estimates_hold(kind: str, quality: int) -> None:
    """What the docs promise: rough within a factor of 4, measured within 2."""
    options = CopyOptions(quality=quality)
    plan = CopyPlan(description(1500, 1100), TILE, options)
    source = png(picture(kind, 1500, 1100))
    true = len(copied(plan, source))
    rough = rough_byte_size(plan.full, TILE, quality)
    assert true / ROUGH_FACTOR < rough < true * ROUGH_FACTOR
    byte_size = pixels = 0
    for sample in measured_requests(plan):
        pieces: list[bytes] = []
        planned = plan_render(plan.description, with_quality(sample, options))
        jobs.perform({"kind": "render", "plan": planned.to_json()}, SourceData(data=source), pieces.append)
        byte_size += sum(map(len, pieces))
        pixels += sample.size.area
    measured = measured_byte_size(plan.full, TILE, byte_size * 8 / pixels)
    assert true / MEASURED_FACTOR < measured < true * MEASURED_FACTOR


def test_pixels_of_a_pyramid_are_those_that_are_stored() -> None:
    full = Size(1000, 600)
    levels = [reduced_size(full, factor) for factor in scale_factors(full, Size(256, 256))]
    assert [(level.width, level.height) for level in levels] == [(1000, 600), (500, 300), (250, 150)]
    whole = 768 * 512 + 256 * 256
    assert pyramid_pixels(full, 256) == 2 * sum(level.area for level in levels) - whole


def test_a_tall_image_passes_through_a_decoder_in_little_memory(new_pool: PoolMaker, tmp_path: Path) -> None:
    """288 MB of pixels; the rows that are held, the library and the process itself take less than half of it."""
    width, height = 4_000, 24_000
    path = tmp_path / "tall.tif"
    ramp = pyvips.Image.xyz(width, height)[1].cast("uchar")
    ramp.bandjoin([ramp, ramp]).copy(interpretation="srgb").tiffsave(
        str(path), compression="lzw", tile=True, tile_width=256, tile_height=256
    )
    plan = CopyPlan(description(width, height, SourceFormat.TIFF, tile=256), 256, CopyOptions())
    pool = new_pool(1, wall_seconds=100, cpu_seconds=100, job_module="images.decoders.jobs", spool_bytes=2**20)
    pool.start()
    (pid,) = pool.pids()
    with path.open("rb") as file:
        data = SourceData(fd=file.fileno(), length=path.stat().st_size)
        with pool.run(job(plan), data) as made:
            made_bytes = b"".join(made.chunks)
    peak = int(status(pid)["VmHWM"].split()[0]) * 1024
    assert pool.stats()["jobs"] == 1
    assert peak < width * height * 3 // 2
    assert peak < plan.memory_bytes * 1.5
    assert len(parsed(completed(made_bytes))[0].levels) == 8


def test_the_death_of_a_decoder_is_made_good(new_pool: PoolMaker) -> None:
    """Another one makes the same bytes; of what the first made, nothing is sent twice."""
    plan = CopyPlan(description(2400, 2400), TILE, CopyOptions())
    source = png(picture("detailed", 2400, 2400))
    pool = new_pool(1, wall_seconds=60, cpu_seconds=60, job_module="images.decoders.jobs", read_ahead_bytes=1000)
    pool.start()
    (pid,) = pool.pids()
    with pool.run(job(plan), SourceData(data=source)) as made:
        first = next(made.chunks)
        os.kill(pid, signal.SIGKILL)
        data = first + b"".join(made.chunks)
    assert completed(data) == copied(plan, source)
