"""Files and codestreams built byte by byte, and what is said of them."""

import struct

import pytest

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.errors import DamagedError, NotSupportedError, TooLargeError
from images.indexes.jp2.description import describe
from images.indexes.limits import SourceLimits
from tests.images.indexes.jp2 import writer
from tests.images.indexes.jp2.writer import Codestream, block_style, cod, segment, tile_part, write_jp2
from tests.images.indexes.reading import Source, read_jp2


def test_codestream_alone() -> None:
    data = Codestream().write()
    found = read_jp2(data)
    assert (found.source_format, found.width, found.height) == (SourceFormat.JP2, 64, 48)
    assert found.levels == (Level(64, 48), Level(32, 24, reduction=1), Level(16, 12, reduction=2))
    assert (found.bands, found.bits_per_sample, found.colour) == (3, 8, "rgb")
    expected = {
        "container": "codestream",
        "codestream": {"offset": 0, "length": len(data)},
        "progression": "RPCL",
        "layers": 1,
        "code_block": [64, 64],
        "precincts": [],
        "transform": "5/3",
        "is_reversible": True,
        "is_htj2k": False,
        "resolution_levels": 2,
        "tile_parts": 1,
        "colour_method": None,
    }
    assert expected.items() <= found.detail.items()


def test_file() -> None:
    codestream = Codestream().write()
    data = write_jp2(codestream=codestream)
    found = read_jp2(data)
    assert found.detail["codestream"] == {"offset": len(data) - len(codestream), "length": len(codestream)}
    assert found.detail["container"] == "jp2"
    assert SourceDescription.from_json(found.to_json()) == found


def test_lengths_of_boxes() -> None:
    """XLBox, and a last box that reaches to the end of the file (T.800 I.4)."""
    codestream = Codestream().write()
    start = writer.SIGNATURE + writer.box(b"ftyp", b"jp2 \x00\x00\x00\x00jp2 ")
    header = writer.ihdr() + writer.enumerated(17)
    for boxes in (
        writer.long_box(b"jp2h", header) + writer.long_box(b"jp2c", codestream),
        writer.box(b"xml ", b"<a/>") + writer.box(b"jp2h", header) + writer.box(b"jp2c", codestream, length=0),
    ):
        found = read_jp2(start + boxes)
        assert found.colour == "gray"
        assert found.detail["codestream"]["length"] == len(codestream)


def test_canvas_and_tiles_that_begin_elsewhere() -> None:
    """Levels as T.800 B-15 rounds them: both edges up, so that 1001 - 101 pixels may halve to 450."""
    canvas = Codestream(right=1_001, bottom=701, left=101, top=51, tile=(256, 128), tile_origin=(7, 9))
    found = read_jp2(canvas.write())
    assert [(level.width, level.height) for level in found.levels] == [(900, 650), (450, 325), (225, 163)]
    assert [(level.tile_width, level.tile_height) for level in found.levels] == [(256, 128), (128, 64), (64, 32)]
    assert found.detail["tiles"] == {"left": 7, "top": 9, "width": 256, "height": 128, "across": 4, "down": 6}
    assert found.detail["image"] == {"left": 101, "top": 51, "right": 1_001, "bottom": 701}


def test_levels_end_where_nothing_gets_smaller() -> None:
    found = read_jp2(
        Codestream(right=3, bottom=2, cod=cod(block_style(levels=5)), qcd=segment(0xFF5C, b"\x40" * 17)).write()
    )
    assert [(level.width, level.height) for level in found.levels] == [(3, 2), (2, 1), (1, 1)]
    assert found.detail["resolution_levels"] == 5


@pytest.mark.parametrize(
    ("more", "parts", "levels"),
    [
        (b"", [tile_part(0)], 4),
        (writer.coc(1, block_style(levels=1)), [tile_part(0)], 1),
        (b"", [tile_part(0, cod(block_style(levels=3)))], 3),
        (writer.coc(1, block_style(levels=1)), [tile_part(0, cod(block_style(levels=3)))], 3),
        (b"", [tile_part(0, writer.coc(2, block_style(levels=0)))], 0),
        (b"", [tile_part(0), tile_part(0)], 4),
    ],
)
def test_fewest_levels_of_any_component_and_tile(more: bytes, parts: list[bytes], levels: int) -> None:
    """A tile's COC goes before its COD, before the main COC, before the main COD (T.800 A.6.1)."""
    found = read_jp2(Codestream(cod=cod(block_style(levels=4)), more=more, tile_parts=parts).write())
    assert found.detail["resolution_levels"] == levels
    assert len(found.levels) == levels + 1


def test_coding_style() -> None:
    style = cod(block_style(1, (3, 4), 0x05, 0), progression=0, layers=7, flags=6, precincts=b"\x77\x88")
    detail = read_jp2(Codestream(cod=style).write()).detail
    expected = {
        "progression": "LRCP",
        "layers": 7,
        "code_block": [32, 64],
        "code_block_flags": 5,
        "precincts": [[128, 128], [256, 256]],
        "transform": "9/7",
        "is_reversible": False,
        "has_component_transform": True,
        "has_sop": True,
        "has_eph": True,
    }
    assert expected.items() <= detail.items()


@pytest.mark.parametrize(
    ("markers", "key"),
    [
        (segment(0xFF55, b"\x00\x50" + b"\x00" * 6), "has_tile_part_lengths"),
        (segment(0xFF5F, b"\x00" * 7), "has_progression_changes"),
        (segment(0xFF60, b"\x00" * 5), "has_packed_headers"),
        (segment(0xFF5E, b"\x00\x00\x01"), "has_region_of_interest"),
        (segment(0xFF50, b"\x00\x02\x00\x00\x00\x00"), "is_htj2k"),
    ],
)
def test_markers_of_the_main_header(markers: bytes, key: str) -> None:
    assert read_jp2(Codestream().write()).detail[key] is False
    assert read_jp2(Codestream(more=markers + segment(0xFF64, b"\x00\x01by hand")).write()).detail[key] is True


def test_high_throughput_code_blocks() -> None:
    assert read_jp2(Codestream(cod=cod(block_style(flags=0x40))).write()).detail["is_htj2k"] is True


def test_packet_lengths_of_the_first_tile() -> None:
    assert read_jp2(Codestream(tile_parts=[tile_part(0, segment(0xFF58, b"\x00\x40"))]).write()).detail[
        "has_packet_lengths"
    ]


def test_markers_without_length() -> None:
    """T.800 A.1.3: FF30 to FF3F."""
    assert read_jp2(Codestream(more=b"\xff\x30\xff\x3f").write()).width == 64


def test_components() -> None:
    found = read_jp2(Codestream(components=[(11, 1, 1), (128 + 7, 2, 2), (7, 2, 1)]).write())
    assert found.bits_per_sample == 12
    assert found.colour == "ycbcr"
    assert found.detail["components"] == [
        {"dx": 1, "dy": 1, "bits": 12, "signed": False},
        {"dx": 2, "dy": 2, "bits": 8, "signed": True},
        {"dx": 2, "dy": 1, "bits": 8, "signed": False},
    ]


@pytest.mark.parametrize(
    ("number", "colour"),
    [(0, "bilevel"), (12, "cmyk"), (14, "lab"), (16, "rgb"), (17, "gray"), (18, "ycbcr"), (20, "rgb"), (99, "rgb")],
)
def test_enumerated_colour(number: int, colour: str) -> None:
    """One that isn't known counts as none."""
    codestream = Codestream(components=[(7, 1, 1)] * 4).write()
    found = read_jp2(write_jp2(writer.ihdr(components=4) + writer.enumerated(number), codestream))
    assert (found.colour, found.has_icc_profile) == ("other" if number == 99 else colour, False)
    assert found.detail["colour_space"] == number


@pytest.mark.parametrize(
    ("space", "colour"), [(b"RGB ", "rgb"), (b"GRAY", "gray"), (b"CMYK", "gray"), (b"Lab ", "lab")]
)
def test_icc_profile(space: bytes, colour: str) -> None:
    """A CMYK profile can't be that of three components."""
    data = write_jp2(writer.ihdr() + writer.icc(space))
    found = read_jp2(data)
    assert (found.colour, found.has_icc_profile, found.detail["colour_method"]) == (colour, True, 2)
    place = found.detail["icc"]
    assert data[place["offset"] + 16 :][:4] == space
    assert place["length"] == 128


def test_first_colour_that_is_understood() -> None:
    found = read_jp2(write_jp2(writer.ihdr() + writer.enumerated(99) + writer.enumerated(17) + writer.icc()))
    assert (found.colour, found.detail["colour_space"]) == ("gray", 17)


@pytest.mark.parametrize(
    ("count", "bits", "colour"), [(1, 8, "gray"), (1, 1, "bilevel"), (2, 8, "gray"), (3, 8, "rgb"), (4, 8, "rgb")]
)
def test_colour_of_a_codestream_without_a_file(count: int, bits: int, colour: str) -> None:
    assert read_jp2(Codestream(components=[(bits - 1, 1, 1)] * count).write()).colour == colour


def test_palette() -> None:
    header = writer.ihdr(components=1) + writer.enumerated(16)
    mapping = writer.cmap((0, 1, 0), (0, 1, 1), (0, 1, 2))
    codestream = Codestream(components=[(3, 1, 1)]).write()
    found = read_jp2(write_jp2(header + writer.pclr() + mapping, codestream))
    assert (found.colour, found.bands, found.bits_per_sample) == ("palette", 3, 8)
    palette = found.detail["palette"]
    assert (palette["entries"], palette["column_bits"]) == (4, [8, 8, 8])
    assert palette["mapping"] == [[0, 0], [0, 1], [0, 2]]


@pytest.mark.parametrize("mapping", [b"", writer.cmap((1, 1, 0)), writer.cmap((0, 1, 3)), writer.cmap((5, 0, 0))])
def test_palettes_that_fit_nothing(mapping: bytes) -> None:
    codestream = Codestream(components=[(3, 1, 1)]).write()
    with pytest.raises(DamagedError, match="palette"):
        read_jp2(write_jp2(writer.ihdr() + writer.enumerated(16) + writer.pclr() + mapping, codestream))


@pytest.mark.parametrize(("type_", "has_alpha"), [(0, False), (1, True), (2, True), (65_535, False)])
def test_alpha_by_channel_definition(type_: int, has_alpha: bool) -> None:
    codestream = Codestream(components=[(7, 1, 1)] * 4).write()
    channels = writer.cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, type_, 0))
    found = read_jp2(write_jp2(writer.ihdr(components=4) + writer.enumerated(16) + channels, codestream))
    assert found.has_alpha is has_alpha
    assert found.detail["channels"][3] == [3, type_, 0]


def test_resolution() -> None:
    """300 dpi: 11811 a metre, across and down; a captured one goes before one for display."""
    captured = writer.box(b"resc", struct.pack(">4H2b", 11_811, 1, 5_906, 1, 0, 0))
    display = writer.box(b"resd", struct.pack(">4H2b", 1, 1, 1, 1, 2, 2))
    found = read_jp2(write_jp2(writer.ihdr() + writer.enumerated(17) + writer.box(b"res ", display + captured)))
    assert found.detail["resolution_per_metre"] == [5_906.0, 11_811.0]


def test_tiles_without_samples_may_be_left_out() -> None:
    """T.800 B-12: with samples at every fifth column, the tile of the last three columns has none."""
    canvas = Codestream(right=33, bottom=16, tile=(31, 16), components=[(7, 5, 1)], tile_parts=[tile_part(0)])
    assert read_jp2(canvas.write()).width == 33
    with pytest.raises(DamagedError, match="Tile 2 of 2 is not in the image data"):
        read_jp2(Codestream(right=33, bottom=16, tile=(30, 16), tile_parts=[tile_part(0)]).write())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Codestream(right=0, tile=(1, 48), tile_parts=[]).write(), "without any pixel"),
        (Codestream(left=64, tile=(64, 48), tile_parts=[]).write(), "without any pixel"),
        (Codestream(tile=(0, 48), tile_parts=[]).write(), "tiles that do not cover"),
        (Codestream(left=40, tile=(32, 48), tile_parts=[]).write(), "tiles that do not cover"),
        (Codestream(count=0).write(), "claims 0 components"),
        (Codestream(count=16_385).write(), "claims 16,385 components"),
        (Codestream(count=400).write(), "claims 400 components"),
        (Codestream(components=[(7, 0, 1)]).write(), "a component that can't be"),
        (Codestream(components=[(38, 1, 1)]).write(), "a component that can't be"),
        (Codestream(cod=b"").write(), "lacks its size, coding style"),
        (Codestream(qcd=b"").write(), "lacks its size, coding style"),
        (Codestream(siz_first=cod()).write(), "does not begin with the size"),
        (Codestream(cod=cod(block_style(levels=33))).write(), "number of levels or a code-block size"),
        (Codestream(cod=cod(block_style(block=(8, 8)))).write(), "number of levels or a code-block size"),
        (Codestream(cod=cod(layers=0)).write(), "number of layers"),
        (Codestream(cod=cod(progression=5)).write(), "progression order"),
        (Codestream(cod=cod(precincts=b"\x00\x70\x77")).write(), "precinct size that can't be"),
        (Codestream(cod=cod(precincts=b"\x77")).write(), "precinct sizes .* not all there"),
        (Codestream(more=writer.coc(3)).write(), "component 4 of 3"),
        (Codestream(more=b"\xff\x64\x00\x01").write(), "segment FF64 has a wrong length"),
        (Codestream(more=b"\x00\x00").write(), "0000 is not a marker"),
        (Codestream(more=b"\xff\x30" * 10_001).write(), "more segments than any image needs"),
        (Codestream(cod=cod(layers=65_535)).write(), "claims 589,815 packets"),
        (Codestream(tile_parts=[tile_part(0, length=10_000)]).write(), "Tile 1 lies beyond the end"),
        (Codestream(tile_parts=[tile_part(0, length=13)]).write(), "length of tile 1"),
        (Codestream(tile_parts=[tile_part(1)]).write(), "hold tile 2, but the image has 1"),
        (Codestream(tile_parts=[], end=b"").write(), "cut off"),
        (writer.SIGNATURE + writer.box(b"jp2h", writer.ihdr()), "has no image data"),
        (writer.SIGNATURE + writer.box(b"jp2c", b"abc"), "start marker"),
        (writer.SIGNATURE + writer.box(b"jp2c", b"abc", length=500), "image data should reach to byte 512"),
        (writer.SIGNATURE + writer.box(b"jp2h", length=7), "a length that can't be"),
        (write_jp2(writer.box(b"ihdr", length=99)), "box “ihdr” should reach"),
        (write_jp2(writer.box(b"colr", b"\x01\x00")), "shorter than what it must hold"),
    ],
)
def test_damage_is_said_in_words(data: bytes, words: str) -> None:
    with pytest.raises(DamagedError, match=words):
        read_jp2(data)


def test_cut_off_copy() -> None:
    with pytest.raises(DamagedError, match=r"its image data should reach .* cut off during copying\."):
        read_jp2(write_jp2()[:-20])


@pytest.mark.parametrize(
    "data",
    [
        Codestream(cod=cod(block_style(transform=2))).write(),
        writer.SIGNATURE + writer.box(b"ftbl", b"\x00" * 20),
    ],
)
def test_not_supported(data: bytes) -> None:
    with pytest.raises(NotSupportedError):
        read_jp2(data)


@pytest.mark.parametrize(
    ("codestream", "limits", "words"),
    [
        (Codestream(), SourceLimits(max_pixels_tiled=3_071), "3,072 pixels; at most 3,071 are allowed"),
        (Codestream(right=1 << 31, bottom=1 << 31), SourceLimits(), "at most 10,000,000,000 are allowed"),
        (Codestream(right=203, bottom=20_973_040), SourceLimits(), "a tile may have 2,000,000,000"),
        (
            Codestream(right=512, bottom=512, tile=(1, 1), tile_parts=[tile_part(0)]),
            SourceLimits(),
            "262,144 tiles; 65,535 are",
        ),
        (Codestream(), SourceLimits(max_components=2), "3 components; at most 2 are allowed"),
        (Codestream(right=40_000, bottom=40_000, cod=cod(block_style(block=(0, 0)))), SourceLimits(), "code-blocks"),
        (Codestream(cod=cod(layers=8)), SourceLimits(max_jp2_packets=71), "72 packets of data; 71 are allowed"),
    ],
)
def test_limits_are_named(codestream: Codestream, limits: SourceLimits, words: str) -> None:
    with pytest.raises(TooLargeError, match=words):
        read_jp2(codestream.write(), limits)


def test_too_many_boxes() -> None:
    data = write_jp2(before=writer.box(b"free") * 100)
    assert read_jp2(data).width == 64
    with pytest.raises(TooLargeError, match="more than 50 boxes"):
        read_jp2(data, SourceLimits(max_boxes=50))


def test_boxes_nested_without_end() -> None:
    nested = b""
    for _ in range(2_000):
        nested = writer.box(b"jp2h", nested)
    with pytest.raises(DamagedError, match="nested deeper"):
        read_jp2(writer.SIGNATURE + nested)


def test_reads_of_tile_parts_are_capped() -> None:
    parts = [tile_part(number, data=b"\x00" * 600) for number in range(64)]
    data = Codestream(right=64, bottom=64, tile=(8, 8), tile_parts=parts).write()
    source = Source(data)
    assert source.run(describe, SourceLimits(max_tile_parts_read=10)).detail["tile_parts"] is None
    assert len(source.reads) <= 12
    assert Source(data).run(describe).detail["tile_parts"] == 64
