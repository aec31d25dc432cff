"""Regions and reductions of JPEG 2000 against whole decodes, and boxes that say what components mean."""

import struct
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from images.decoders import cuts as cutting
from images.decoders import jp2, jp2_colour, jp2_header, jp2_library
from images.decoders.errors import DamagedSourceError, DecodeError, DecodeLimitError, UnsupportedSourceError
from images.decoders.jp2_header import Codestream, Colour, Component, Header, Mapping, Palette
from images.decoders.source import SourceData
from images.indexes.description import Level, SourceDescription, SourceFormat
from tests.images.decoders import scenes

WIDTH, HEIGHT = 203, 151
NOISE = scenes.noise(WIDTH, HEIGHT)


def codestream(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    return scenes.saved(PillowImage.fromarray(pixels), "JPEG2000", no_jp2=True, mct=0, **options)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def jp2_file(stream: bytes, *header: bytes, length: int | None = None) -> bytes:
    """`length`: of the codestream's box as it says it itself; 0 means up to the end of the file."""
    signature = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    boxed = box(b"jp2c", stream)
    if length is not None:
        boxed = struct.pack(">I", length) + boxed[4:]
    return signature + box(b"jp2h", b"".join(header)) + boxed


def colour(enumerated: int, parameters: bytes = b"") -> bytes:
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, enumerated) + parameters)


def palette(rows: npt.NDArray[np.uint8]) -> bytes:
    entries, columns = rows.shape
    return box(b"pclr", struct.pack(">HB", entries, columns) + b"\x07" * columns + rows.tobytes())


def definitions(*entries: tuple[int, int, int]) -> bytes:
    content = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHH", *entry) for entry in entries)
    return box(b"cdef", content)


STREAMS = {
    "plain": codestream(NOISE, num_resolutions=4),
    "tiled": codestream(NOISE, num_resolutions=4, tile_size=(64, 48)),
    "lossy": codestream(
        NOISE,
        num_resolutions=4,
        tile_size=(128, 128),
        irreversible=True,
        quality_mode="rates",
        quality_layers=[20, 5],
    ),
}


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, tuple[int, int, int, int]]:
    """A reduction, and a region of the level that it leaves."""
    reduction = draw(st.integers(0, 3))
    width, height = -(-WIDTH >> reduction), -(-HEIGHT >> reduction)
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return reduction, (x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))


@given(st.sampled_from(sorted(STREAMS)), cuts())
def test_any_region_at_any_reduction_is_cut_from_the_whole(
    kind: str, cut: tuple[int, tuple[int, int, int, int]]
) -> None:
    stream = STREAMS[kind]
    reduction, region = cut
    x, y = region[:2]
    width, height = -(-WIDTH >> reduction), -(-HEIGHT >> reduction)
    description = SourceDescription(SourceFormat.JP2, width, height, (Level(width, height, reduction=reduction),))
    whole = np.dstack(scenes.component_planes(stream, reduction))
    ours = scenes.rendered(stream, description, region, from_file=True)
    assert np.array_equal(ours, whole[y : y + region[3], x : x + region[2]])


@pytest.mark.parametrize("kind", STREAMS)
def test_strips_join_without_a_trace(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = STREAMS[kind]
    monkeypatch.setattr(cutting, "AT_ONCE_SAMPLES", 20_000)
    monkeypatch.setattr(cutting, "_LEAST_ROWS", 8)
    description = scenes.jp2_description(WIDTH, HEIGHT, 1)
    whole = scenes.pixels_of(stream)
    assert np.array_equal(scenes.rendered(stream, description), whole)
    assert np.array_equal(scenes.rendered(stream, description, (11, 13, 180, 131)), whole[13:144, 11:191])


@pytest.mark.parametrize("kind", STREAMS)
def test_the_binding_decodes_what_pillow_decodes(kind: str) -> None:
    assert np.array_equal(np.dstack(scenes.component_planes(STREAMS[kind])), scenes.pixels_of(STREAMS[kind]))


@pytest.mark.parametrize("length", [None, 0])
def test_the_codestream_is_found_in_its_box(length: int | None) -> None:
    data = jp2_file(codestream(NOISE), colour(16), length=length)
    assert np.array_equal(scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT)), NOISE)


def test_a_box_with_a_long_length() -> None:
    data = jp2_file(b"", colour(16))[:-8]
    stream = codestream(NOISE)
    data += struct.pack(">I4sQ", 1, b"jp2c", len(stream) + 16) + stream + box(b"xml ", b"<after/>")
    assert np.array_equal(scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT)), NOISE)


def test_palette() -> None:
    rows = scenes.noise(3, 16, 1)[:, :, 0].reshape(16, 3)
    indexes = scenes.noise(WIDTH, HEIGHT, 1)[:, :, 0] % 16
    mapping = box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3)))
    data = jp2_file(codestream(indexes), colour(16), palette(rows), mapping)
    assert np.array_equal(scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT)), rows[indexes])


def test_an_index_beyond_the_palette_is_its_last_colour() -> None:
    rows = scenes.noise(3, 4, 1)[:, :, 0].reshape(4, 3)
    indexes = np.full((8, 8), 200, np.uint8)
    data = jp2_file(codestream(indexes), colour(16), palette(rows))
    assert np.array_equal(scenes.rendered(data, scenes.jp2_description(8, 8)), rows[np.full((8, 8), 3)])


def test_channels_in_another_order() -> None:
    data = jp2_file(codestream(NOISE), colour(16), definitions((0, 0, 3), (1, 0, 2), (2, 0, 1)))
    assert np.array_equal(scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT)), NOISE[:, :, ::-1])


def test_opacity() -> None:
    pixels = scenes.noise(WIDTH, HEIGHT, 4)
    order = definitions((0, 1, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3))
    data = jp2_file(codestream(pixels), colour(16), order)
    ours = scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT))
    assert np.array_equal(ours, pixels[:, :, [1, 2, 3, 0]])


def test_gray_with_opacity() -> None:
    pixels = scenes.noise(WIDTH, HEIGHT, 2)
    stream = scenes.saved(PillowImage.fromarray(pixels, "LA"), "JPEG2000", no_jp2=True)
    data = jp2_file(stream, colour(17), definitions((0, 0, 1), (1, 1, 0)))
    assert np.array_equal(scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT)), pixels)


def test_components_that_nobody_explains_are_left_out() -> None:
    data = jp2_file(codestream(scenes.noise(WIDTH, HEIGHT, 4)), colour(16))
    assert scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT)).shape == (HEIGHT, WIDTH, 3)


def test_sycc() -> None:
    picture = scenes.picture(WIDTH, HEIGHT)
    luma = np.asarray(PillowImage.fromarray(picture).convert("YCbCr"))
    data = jp2_file(codestream(luma), colour(18))
    ours = scenes.rendered(data, scenes.jp2_description(WIDTH, HEIGHT))
    assert np.abs(ours.astype(int) - picture).max() <= 3


def test_cmyk() -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, 4:, 3] = 255
    ours = scenes.rendered(jp2_file(codestream(inks), colour(12)), scenes.jp2_description(8, 8))
    assert ours.shape == (8, 8, 3)
    assert ours[:, :4].min() >= 250
    assert ours[:, 4:].max() <= 60


def test_cielab() -> None:
    grays = np.zeros((8, 8, 3), np.uint8)
    grays[:, :, 0] = np.arange(8) * 36
    grays[:, :, 1:] = (128, 96)
    ours = scenes.rendered(jp2_file(codestream(grays), colour(14)), scenes.jp2_description(8, 8)).astype(int)
    assert ours[0, 0].max() <= 2
    assert ours[0, 7].min() >= 250
    assert np.abs(ours - ours.mean(axis=2, keepdims=True)).max() <= 3


def test_sixteen_bits() -> None:
    wide = scenes.noise(WIDTH, HEIGHT, 1)[:, :, 0].astype(np.uint16) * 251
    ours = scenes.rendered(codestream(wide), scenes.jp2_description(WIDTH, HEIGHT, bands=1))
    assert np.array_equal(ours, wide >> 8)


@pytest.mark.parametrize(
    ("precision", "is_signed", "samples", "expected"),
    [
        (1, False, [0, 1], [0, 255]),
        (2, False, [0, 1, 2, 3], [0, 85, 170, 255]),
        (4, True, [-8, -1, 0, 7], [0, 119, 136, 255]),
        (8, False, [0, 17, 255], [0, 17, 255]),
        (8, True, [-128, 0, 127], [0, 128, 255]),
        (12, False, [0, 15, 16, 4095], [0, 0, 1, 255]),
        (12, True, [-2048, 0, 2047, 5000], [0, 128, 255, 255]),
        (16, False, [0, 256, 65535], [0, 1, 255]),
    ],
)
def test_samples_of_any_depth_become_bytes(
    precision: int, is_signed: bool, samples: list[int], expected: list[int]
) -> None:
    header = Header(_canvas(Component(precision, is_signed, 1, 1)))
    target = np.zeros((1, len(samples), 1), np.uint8)
    planes = {0: np.array([samples], np.int32)}
    jp2_colour.fill(target, planes, jp2_colour.channels(header))
    assert target[0, :, 0].tolist() == expected


def _canvas(*components: Component) -> Codestream:
    return Codestream(0, 100, 0, 0, 8, 8, 8, 8, 0, 0, components, is_high_throughput=False, has_packed_headers=False)


def test_a_palette_of_other_depths() -> None:
    header = Header(
        _canvas(Component(8, False, 1, 1)),
        Colour(16),
        Palette(((0, 0, 0), (4095, 1, 65535)), (12, 1, 16)),
        (Mapping(0, 0), Mapping(0, 1), Mapping(0, 2)),
    )
    target = np.zeros((1, 2, 3), np.uint8)
    jp2_colour.fill(target, {0: np.array([[0, 1]], np.int32)}, jp2_colour.channels(header))
    assert target[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def marked_high_throughput(stream: bytes) -> bytes:
    """Claims capabilities of Part 15 (Rsiz, T.814 A.2); the code-blocks stay what they are."""
    return stream[:6] + struct.pack(">H", 0x4000) + stream[8:]


def test_high_throughput_files_are_decoded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = marked_high_throughput(codestream(NOISE))
    assert not jp2_header.read_header(SourceData(data=data)).codestream.has_regions
    description = scenes.jp2_description(WIDTH, HEIGHT, detail={"is_htj2k": True})
    ours = scenes.rendered(data, description, (50, 40, 100, 90))
    assert np.array_equal(ours, NOISE[40:130, 50:150])
    monkeypatch.setattr(jp2, "MAX_WHOLE_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(DecodeLimitError):
        scenes.rendered(data, description, (50, 40, 100, 90))


@pytest.mark.parametrize("kept", [0, 3, 40, 100, 200, 20_000, 80_000])
def test_what_was_cut_off_is_damaged(kept: int) -> None:
    with pytest.raises(DecodeError) as caught:
        scenes.rendered(codestream(NOISE)[:kept], scenes.jp2_description(WIDTH, HEIGHT))
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize("seed", range(30))
def test_damage_anywhere_is_an_error_or_a_picture(seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(jp2_file(codestream(NOISE[:60, :80]), colour(16)))
    for position in random.integers(0, len(data), 6):
        data[position] = int(random.integers(0, 256))
    ours: npt.NDArray[Any] | None
    told = ""
    try:
        ours = scenes.rendered(bytes(data), scenes.jp2_description(80, 60))
    except DecodeError as error:
        ours = None
        told = error.detail
    assert told.endswith(".") if ours is None else ours.shape[:2] == (60, 80)


def test_a_read_that_fails_is_told_and_not_taken_for_the_end() -> None:
    stream = codestream(NOISE)

    class Failing(SourceData):
        def read_at(self, offset: int, length: int) -> bytes:
            if offset + length > 70_000:
                raise DamagedSourceError("The disk is on fire.", "unreadable")
            return super().read_at(offset, length)

    with (
        pytest.raises(DecodeError, match="on fire"),
        jp2_library.decoded(Failing(data=stream), 0, len(stream), 0, None),
    ):
        pass


def test_decodes_run_side_by_side() -> None:
    stream = codestream(NOISE, tile_size=(64, 64))
    description = scenes.jp2_description(WIDTH, HEIGHT)
    failures: list[int] = []

    def work(x: int) -> None:
        for _ in range(5):
            ours = scenes.rendered(stream, description, (x, 10, 100, 100))
            if not np.array_equal(ours, NOISE[10:110, x : x + 100]):
                failures.append(x)

    threads = [threading.Thread(target=work, args=(x,)) for x in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_old_library_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    jp2_library.library.cache_clear()
    monkeypatch.setattr(jp2_library, "LEAST_VERSION", (99, 0, 0))
    try:
        assert not jp2_library.is_available()
        with pytest.raises(UnsupportedSourceError, match=r"99\.0\.0"):
            jp2_library.library()
    finally:
        jp2_library.library.cache_clear()


def test_the_bundled_library_is_found() -> None:
    assert jp2_library.is_available()
