"""Files built byte by byte, and what is said of them."""

import pytest

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.errors import DamagedError, IndexingError, NotSupportedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.tiff.description import describe
from tests.images.indexes.reading import Source, read_tiff
from tests.images.indexes.tiff.writer import ASCII, BYTE, LONG, RATIONAL, SHORT, PageSpec, Tag, pyramid, write_tiff


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_both_byte_orders_and_sizes(order: str, big: bool) -> None:
    found = read_tiff(write_tiff(*pyramid(640, 480, 3), order=order, big=big))
    assert (found.source_format, found.width, found.height) == (SourceFormat.TIFF, 640, 480)
    assert found.levels == (
        Level(640, 480, 16, 16),
        Level(320, 240, 16, 16, page=1),
        Level(160, 120, 16, 16, page=2),
    )
    assert (found.bands, found.bits_per_sample, found.colour) == (3, 8, "rgb")
    assert found.detail["is_big_tiff"] is big
    assert found.detail["byte_order"] == {"<": "little", ">": "big"}[order]


def test_description_survives_json() -> None:
    found = read_tiff(write_tiff(*pyramid(640, 480, 2)))
    assert SourceDescription.from_json(found.to_json()) == found


def test_strips_have_no_tile_size() -> None:
    found = read_tiff(write_tiff(PageSpec(tile=None)))
    assert found.levels == (Level(64, 48),)
    assert found.detail["rows_per_strip"] == 16


@pytest.mark.parametrize(
    ("page", "colour", "bands", "bits"),
    [
        (PageSpec(photometric=0, samples=1), "gray", 1, 8),
        (PageSpec(photometric=1, samples=1, bits=16), "gray", 1, 16),
        (PageSpec(photometric=0, samples=1, bits=1), "bilevel", 1, 1),
        (PageSpec(photometric=2), "rgb", 3, 8),
        (PageSpec(photometric=3, samples=1), "palette", 3, 8),
        (PageSpec(photometric=3, samples=1, bits=4), "palette", 3, 8),
        (PageSpec(photometric=5, samples=4), "cmyk", 4, 8),
        (PageSpec(photometric=6), "ycbcr", 3, 8),
        (PageSpec(photometric=8), "lab", 3, 8),
        (PageSpec(photometric=32844, samples=1, bits=16), "other", 1, 16),
    ],
)
def test_colour(page: PageSpec, colour: str, bands: int, bits: int) -> None:
    found = read_tiff(write_tiff(page))
    assert (found.colour, found.bands, found.bits_per_sample) == (colour, bands, bits)


@pytest.mark.parametrize(("extra", "has_alpha"), [([0], False), ([1], True), ([2], True), (None, False)])
def test_alpha_is_an_extra_sample(extra: list[int] | None, has_alpha: bool) -> None:
    tags = {338: Tag(SHORT, extra)} if extra else {}
    assert read_tiff(write_tiff(PageSpec(samples=4, tags=tags))).has_alpha is has_alpha


@pytest.mark.parametrize(
    ("orientation", "size", "kept"),
    [(1, (64, 48), 1), (3, (64, 48), 3), (5, (48, 64), 5), (8, (48, 64), 8), (0, (64, 48), 1), (9, (64, 48), 1)],
)
def test_orientation_turns_the_image_but_not_its_levels(orientation: int, size: tuple[int, int], kept: int) -> None:
    found = read_tiff(write_tiff(PageSpec(tags={274: Tag(SHORT, [orientation])})))
    assert (found.width, found.height) == size
    assert found.orientation == kept
    assert (found.levels[0].width, found.levels[0].height) == (64, 48)


def test_what_a_curator_may_want_to_know() -> None:
    tags = {
        270: Tag(ASCII, b"A map\nof Thule\x00"),
        282: Tag(RATIONAL, [600, 2]),
        283: Tag(RATIONAL, [300, 0]),
        305: Tag(ASCII, b"Scanner 3\x00"),
        317: Tag(SHORT, [2]),
        339: Tag(SHORT, [3, 3, 3]),
        347: Tag(BYTE, b"\xff\xd8\xff\xd9" * 2),
        34675: Tag(BYTE, b"profile of colours"),
    }
    found = read_tiff(write_tiff(PageSpec(bits=32, compression=7, tags=tags)))
    assert found.has_icc_profile
    expected = {
        "compression": 7,
        "compression_name": "JPEG",
        "predictor": 2,
        "sample_format": "float",
        "has_jpeg_tables": True,
        "x_resolution": 300.0,
        "y_resolution": None,
        "resolution_unit": "inch",
        "software": "Scanner 3",
        "image_description": "A map of Thule",
        "pages": 1,
    }
    assert expected.items() <= found.detail.items()


@pytest.mark.parametrize("compression", [33003, 33005, 34712, 34661, 50002, 12345])
def test_unreadable_compression(compression: int) -> None:
    with pytest.raises(NotSupportedError, match=f"number {compression}"):
        read_tiff(write_tiff(PageSpec(compression=compression)))


def test_raw_camera_images_are_not_pixels_yet() -> None:
    with pytest.raises(NotSupportedError, match="raw camera image"):
        read_tiff(write_tiff(PageSpec(photometric=32803)))


@pytest.mark.parametrize(
    ("tile", "limits", "words"),
    [
        (None, SourceLimits(max_pixels_untiled=3_071), r"3,072 pixels and is stored in strips.* at most 3,071"),
        ((16, 16), SourceLimits(max_pixels_tiled=3_071), r"3,072 pixels; at most 3,071 are allowed\."),
        ((16, 16), SourceLimits(max_tile_pixels=255), r"16 × 16 pixels; a tile may have 255"),
        ((16, 16), SourceLimits(max_tiff_tiles=11), "12 pieces; 11 are allowed"),
        ((16, 16), SourceLimits(max_components=2), "3 samples; 2 may be"),
    ],
)
def test_limits_are_named(tile: tuple[int, int] | None, limits: SourceLimits, words: str) -> None:
    with pytest.raises(TooLargeError, match=words) as caught:
        read_tiff(write_tiff(PageSpec(tile=tile)), limits)
    assert caught.value.code == "too_large"


def test_limits_allow_what_they_name() -> None:
    limits = SourceLimits(
        max_pixels_untiled=3_072, max_pixels_tiled=3_072, max_tile_pixels=256, max_tiff_tiles=12, max_components=3
    )
    assert read_tiff(write_tiff(PageSpec()), limits).width == 64
    assert read_tiff(write_tiff(PageSpec(tile=None)), limits).width == 64


def test_tile_beyond_the_end_is_named() -> None:
    page = PageSpec(tags={325: Tag(LONG, [4] * 11 + [10_000])})
    with pytest.raises(DamagedError) as caught:
        read_tiff(write_tiff(page))
    assert caught.value.detail == (
        "Tile 12 of page 1 lies beyond the end of the file: it was probably cut off during copying."
    )


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (PageSpec(tile=None, tags={273: Tag(LONG, [8, 8, 1 << 31])}), "Strip 3 of page 1 lies beyond the end"),
        (PageSpec(tags={324: Tag(LONG, [8] * 11)}), "Of the 12 tiles of page 1, only 11 are in its list"),
        (PageSpec(tags={325: None}), "only 0 are in its list"),
        (PageSpec(tags={324: Tag(LONG, [8] * 11 + [0])}), "Tile 12 of page 1 was never written"),
        (PageSpec(tags={325: Tag(LONG, [0] + [4] * 11)}), "Tile 1 of page 1 was never written"),
        (PageSpec(tags={256: None}), "width or height of page 1 is missing"),
        (PageSpec(tags={257: Tag(LONG, [0])}), "width or height of page 1 is missing"),
        (PageSpec(tags={322: Tag(SHORT, [0])}), "tile size of page 1"),
        (PageSpec(tags={323: None}), "tile size of page 1"),
        (PageSpec(tags={256: Tag(RATIONAL, [64, 1])}), "Tag 256 of page 1 is written in type 5"),
        (PageSpec(tags={324: Tag(LONG, [8] * 12, count=1 << 31)}), "values of tag 324 of page 1 lie beyond"),
        (PageSpec(tags={258: Tag(SHORT, [8] * 3, count=1 << 30)}), "values of tag 258 of page 1 lie beyond"),
    ],
)
def test_damage_is_said_in_words(page: PageSpec, words: str) -> None:
    with pytest.raises(DamagedError, match=words):
        read_tiff(write_tiff(page))


def test_strips_without_byte_counts() -> None:
    assert read_tiff(write_tiff(PageSpec(tile=None, tags={279: None}))).width == 64


def test_planes_have_their_own_tiles() -> None:
    planes = {284: Tag(SHORT, [2])}
    with pytest.raises(DamagedError, match="Of the 36 tiles of page 1, only 12"):
        read_tiff(write_tiff(PageSpec(tags=planes)))
    own = {**planes, 324: Tag(LONG, [8] * 36), 325: Tag(LONG, [4] * 36)}
    assert read_tiff(write_tiff(PageSpec(tags=own))).detail["planar_configuration"] == "separate"


def test_pages_in_a_circle() -> None:
    first = int.from_bytes(write_tiff(PageSpec())[4:8], "little")
    with pytest.raises(DamagedError, match="runs in a circle after page 1"):
        read_tiff(write_tiff(PageSpec(next_offset=first)))


def test_too_many_pages() -> None:
    pages = [PageSpec(tile=None)] * 4
    assert read_tiff(write_tiff(*pages), SourceLimits(max_ifds=4)).detail["pages"] == 4
    with pytest.raises(TooLargeError, match="more than 3 pages"):
        read_tiff(write_tiff(*pages), SourceLimits(max_ifds=3))


def test_too_many_subifds() -> None:
    page = PageSpec(subifds=[PageSpec(32, 24)] * 3)
    assert len(read_tiff(write_tiff(page), SourceLimits(max_ifds=4)).levels) == 2
    with pytest.raises(TooLargeError, match="more than 3"):
        read_tiff(write_tiff(page), SourceLimits(max_ifds=3))


def test_subifd_that_is_its_own_page() -> None:
    data = write_tiff(PageSpec())
    first = int.from_bytes(data[4:8], "little")
    assert read_tiff(write_tiff(PageSpec(tags={330: Tag(LONG, [first])}))).levels == (Level(64, 48, 16, 16),)


@pytest.mark.parametrize(
    "head", [b"II*\x00", b"II*\x00\x00\x00\x00\x00", b"II+\x00\x04\x00\x00\x00" + b"\x00" * 8, b"PK"]
)
def test_headers_that_lead_nowhere(head: bytes) -> None:
    with pytest.raises(IndexingError):
        read_tiff(head)


def test_long_lists_take_one_read_each() -> None:
    """40,000 tiles: 320 KB of offsets and counts, which are not in the pages that are kept."""
    data = write_tiff(PageSpec(3_200, 3_200))
    source = Source(data)
    source.run(describe)
    assert len(source.reads) <= 6
    assert source.bytes_read < 450_000
