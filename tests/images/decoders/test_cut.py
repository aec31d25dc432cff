"""A tile at the image's end: the short way gives the very bytes that the ordinary decode of its piece gives."""

import io
from dataclasses import replace
from typing import Any

import pytest
import pyvips
from PIL import Image as PillowImage

from images.decoders import pass_through
from images.decoders.errors import DamagedSourceError
from images.decoders.jobs import perform
from images.decoders.pass_through import PassThrough, find_pass_through, plan_cut
from images.decoders.plan import plan
from images.decoders.records import cuts_job, read_tiles
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.indexes.errors import IndexingError
from images.indexes.tiff.splice import splice
from tests.images.decoders.test_pass_through import PICTURE, asked, grid
from tests.images.indexes.reading import index_tiff
from tests.images.indexes.tiff.jpeg import jpeg_tiff

Cut = tuple[PassThrough, RenderRequest, bytes]


def cuts(kind: str, options: dict[str, Any] | None = None) -> list[Cut]:
    """The tiles of a pyramid that cannot leave as they are, with their pieces as JPEG files."""
    data = jpeg_tiff(PICTURE, 256, kind, levels=3)
    description, index = index_tiff(data)
    found = []
    for one in grid(description, index):
        request = replace(one, options=asked((0, 0, 1, 1), (1, 1), options=options or {}).options)
        stored = find_pass_through(index, description, request)
        if stored is None:
            continue
        (place,) = stored.ranges
        piece = data[place.start : place.stop]
        try:
            splice(stored.jpeg_tables, piece, stored.frame)
        except IndexingError:
            whole = replace(stored.frame, shown=stored.frame.stored)
            found.append((stored, request, splice(stored.jpeg_tables, piece, whole)))
    return found


def done(job: dict[str, Any], piece: bytes) -> bytes:
    written: list[bytes] = []
    perform(job, SourceData(data=piece), written.append)
    return b"".join(written)


def decoded_by_libvips(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> bytes:
    stored, request, piece = cut
    with monkeypatch.context() as patched:
        patched.setattr(pass_through, "_MOST_PIXELS_AT_ONCE", 0)
        job = plan_cut(stored, request)
    assert job["kind"] == "render"
    return done(job, piece)


@pytest.mark.parametrize("kind", ["444", "422", "420", "rgb", "gray"])
@pytest.mark.parametrize("options", [{}, {"jpeg_quality": 95}, {"jpeg_quality": 40, "icc": "keep"}], ids=str)
def test_the_bytes_are_those_of_the_ordinary_decode(
    kind: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cuts(kind, options)
    assert len(found) >= 3
    for stored, request, piece in found:
        job = plan_cut(stored, request)
        assert job["kind"] == "cut"
        answer = done(job, piece)
        assert answer == decoded_by_libvips((stored, request, piece), monkeypatch)
        with PillowImage.open(io.BytesIO(answer)) as image:
            assert image.size == (stored.frame.shown.width, stored.frame.shown.height)


@pytest.mark.parametrize("kind", ["rgb", "gray"])
@pytest.mark.parametrize("quality", [75, 95])
def test_a_level_that_was_rounded_down_repeats_its_last_pixels(kind: str, quality: int) -> None:
    picture = pyvips.Image.new_from_array(PICTURE).copy(interpretation="srgb").crop(0, 0, 1149, 901)
    picture = picture.colourspace("b-w") if kind == "gray" else picture
    data = picture.tiffsave_buffer(
        compression="jpeg", Q=quality, tile=True, tile_width=128, tile_height=128, pyramid=True
    )
    description, index = index_tiff(data)
    ends = set()
    for request in grid(description, index):
        stored = find_pass_through(index, description, request)
        assert stored is not None, request
        if stored.answer == stored.frame.shown:
            continue
        (place,) = stored.ranges
        whole = replace(stored.frame, shown=stored.frame.stored)
        answer = done(plan_cut(stored, request), splice(stored.jpeg_tables, data[place.start : place.stop], whole))
        assert answer == done({"kind": "render", "plan": plan(description, request).to_json()}, data), request
        with PillowImage.open(io.BytesIO(answer)) as image:
            assert image.size == (request.size.width, request.size.height)
        longer = (request.size.width - stored.frame.shown.width, request.size.height - stored.frame.shown.height)
        ends.add(longer)
        progressive = replace(request, options=replace(request.options, jpeg_progressive=True))
        assert find_pass_through(index, description, progressive) is None
    assert ends == {(0, 1), (1, 0), (1, 1)}


def test_a_density_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = cuts("420", {"dots_per_inch": 300})[0]
    answer = done(plan_cut(cut[0], cut[1]), cut[2])
    assert answer == decoded_by_libvips(cut, monkeypatch)
    with PillowImage.open(io.BytesIO(answer)) as image:
        assert image.info["dpi"] == (300, 300)


def test_progressive_answers_are_made_by_libvips() -> None:
    stored, request, piece = cuts("420", {"jpeg_progressive": True})[0]
    job = plan_cut(stored, request)
    assert job["kind"] == "render"
    with PillowImage.open(io.BytesIO(done(job, piece))) as image:
        assert image.info["progressive"]


@pytest.mark.parametrize("change", ["cut off", "no head", "other size", "other colours", "huge"])
def test_a_damaged_piece_is_said_to_be_one(change: str) -> None:
    stored, request, piece = cuts("420")[0]
    job = plan_cut(stored, request)
    match change:
        case "cut off":
            piece = piece[: len(piece) // 2]
        case "no head":
            piece = b"\xff\xd8" + bytes(400)
        case "other size":
            job["stored"] = [512, 256, 3]
        case "other colours":
            job["stored"] = [256, 256, 1]
        case "huge":  # by its own head: height and width follow length and precision of SOF0 (T.81 B.2.2)
            at = piece.index(b"\xff\xc0") + 5
            piece = piece[:at] + b"\xff\xdc\xff\xdc" + piece[at + 4 :]
    with pytest.raises(DamagedSourceError):
        done(job, piece)


def several(found: list[Cut]) -> tuple[dict[str, Any], bytes]:
    """One job for all, and their pieces one after the other."""
    jobs, data = [], b""
    for stored, request, piece in found:
        jobs.append({**plan_cut(stored, request), "place": [len(data), len(piece)]})
        data += piece
    return cuts_job(jobs), data


@pytest.mark.parametrize("kind", ["420", "gray"])
def test_several_in_one_job_are_those_of_a_job_each(kind: str) -> None:
    found = cuts(kind)
    written: list[bytes] = []
    job, data = several(found)
    perform(job, SourceData(data=data), written.append)
    assert written.index(b"") == 2  # the first leaves when it is there
    expected = [done(plan_cut(stored, request), piece) for stored, request, piece in found]
    assert list(read_tiles(written)) == list(enumerate(expected))
    assert len(expected) > 2


def test_one_that_is_damaged_does_not_take_those_before_it_along() -> None:
    found = cuts("420")
    job, data = several(found)
    job["jobs"][1]["place"][1] //= 2
    written: list[bytes] = []
    with pytest.raises(DamagedSourceError):
        perform(job, SourceData(data=data), written.append)
    stored, request, piece = found[0]
    assert list(read_tiles(written)) == [(0, done(plan_cut(stored, request), piece))]
