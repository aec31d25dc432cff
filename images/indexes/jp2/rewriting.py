"""Headers of a codestream that holds less than the one it was made of: fewer resolutions, tiles and layers."""

import struct
from dataclasses import dataclass, replace

from images.indexes.jp2 import markers
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.markers import BlockStyle, CodingStyle, ImageSize
from images.indexes.jp2.packet_headers import EPH
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.precincts import Span
from images.indexes.jp2.progression import RLCP
from images.indexes.jp2.segments import QCC, Segment

_HAS_PRECINCTS, _HAS_SOP = 0x01, 0x02
_LARGEST_PRECINCT = 15
_STEP_BYTES = {0: 1, 2: 2}
"""Of each band, by quantization style: none and expounded; derived has one step for all (T.800 table A.28)."""


@dataclass(frozen=True, slots=True)
class CroppedSize:
    """SIZ of the new codestream. `is_reduced`: the resolutions asked for are left out of it already."""

    size: ImageSize
    is_reduced: bool


def crop_size(size: ImageSize, columns: Span, rows: Span, reduction: int) -> CroppedSize:
    """The canvas of these columns and rows of tiles, with coordinates halved `reduction` times where tiles allow it."""
    left = max(size.left, size.tile_left + columns[0] * size.tile_width)
    top = max(size.top, size.tile_top + rows[0] * size.tile_height)
    tiles = replace(
        size,
        left=left,
        top=top,
        right=min(size.right, size.tile_left + columns[1] * size.tile_width),
        bottom=min(size.bottom, size.tile_top + rows[1] * size.tile_height),
        tile_left=size.tile_left + columns[0] * size.tile_width,
        tile_top=size.tile_top + rows[0] * size.tile_height,
    )
    reduced = _reduced(tiles, reduction)
    return CroppedSize(tiles, is_reduced=False) if reduced is None else CroppedSize(reduced, is_reduced=True)


def _reduced(size: ImageSize, reduction: int) -> ImageSize | None:
    """None where tiles of the reduced image would not begin at whole pixels, or hold none."""
    left, top = ceil_shift(size.left, reduction), ceil_shift(size.top, reduction)
    right, bottom = ceil_shift(size.right, reduction), ceil_shift(size.bottom, reduction)
    if left >= right or top >= bottom:
        return None
    canvas = replace(size, left=left, top=top, right=right, bottom=bottom)
    if size.tile_count == 1:
        return replace(canvas, tile_left=0, tile_top=0, tile_width=right, tile_height=bottom)
    tiles = (size.tile_width, size.tile_height, size.tile_left, size.tile_top)
    if any(each & ((1 << reduction) - 1) for each in tiles):
        return None
    width, height, tile_left, tile_top = (each >> reduction for each in tiles)
    if tile_left + width <= left or tile_top + height <= top:
        return None
    return replace(canvas, tile_left=tile_left, tile_top=tile_top, tile_width=width, tile_height=height)


def main_header(index: PacketIndex, size: ImageSize, crop: int, layers: int | None) -> bytes:
    """SOC and all segments, with `crop` resolutions and all but `layers` layers left out."""
    rewritten = (
        Segment(markers.SIZ, _size_data(segment.data, size))
        if segment.marker == markers.SIZ
        else _rewritten(segment, len(size.components), index.most_levels, crop, layers)
        for segment in index.segments
    )
    return b"\xff\x4f" + b"".join(map(_to_bytes, rewritten))


def tile_segments(index: PacketIndex, number: int, crop: int, layers: int | None) -> bytes:
    packets = index.tiles.get(number)
    if packets is None:
        return b""
    components = len(index.size.components)
    return b"".join(
        _to_bytes(_rewritten(segment, components, index.most_levels, crop, layers)) for segment in packets.segments
    )


def empty_packet(style: CodingStyle) -> bytes:
    """A packet without any code-block (T.800 B.9)."""
    return b"\x00" + (EPH if style.has_eph else b"")


def window_block_style(style: BlockStyle, reduction: int) -> BlockStyle:
    """Fewer resolutions, and precincts only where they make code-blocks smaller (T.800 B-17, B-18)."""
    levels = max(0, style.levels - reduction)
    precincts = tuple(
        (
            across if across - half < style.block_width_exponent else _LARGEST_PRECINCT,
            down if down - half < style.block_height_exponent else _LARGEST_PRECINCT,
        )
        for half, (across, down) in (
            (min(number, 1), style.precinct(number) if number <= style.levels else (_LARGEST_PRECINCT,) * 2)
            for number in range(levels + 1)
        )
    )
    is_largest = all(each == (_LARGEST_PRECINCT, _LARGEST_PRECINCT) for each in precincts)
    return replace(style, levels=levels, precincts=() if is_largest else precincts)


def window_header(index: PacketIndex, size: ImageSize, style: CodingStyle, crop: int) -> bytes:
    """SOC and all segments of a window that is coded in `style`, with `crop` resolutions left out."""
    return b"\xff\x4f" + b"".join(
        _to_bytes(
            Segment(markers.SIZ, _size_data(segment.data, size))
            if segment.marker == markers.SIZ
            else _of_window(segment, index, style, crop)
        )
        for segment in index.segments
    )


def window_segments(index: PacketIndex, style: CodingStyle, crop: int) -> bytes:
    """The segments of the header of the only tile."""
    return b"".join(_to_bytes(_of_window(segment, index, style, crop)) for segment in index.tiles[0].segments)


def _of_window(segment: Segment, index: PacketIndex, style: CodingStyle, crop: int) -> Segment:
    data, components = segment.data, len(index.size.components)
    width = 1 if components < 257 else 2
    if segment.marker == markers.COD:
        own = markers.parse_coding_style(data)
        block_style = window_block_style(own.default, crop)
        flags = _HAS_PRECINCTS if block_style.precincts else 0
        return Segment(markers.COD, bytes([flags, RLCP, 0, 1]) + data[4:5] + _style_data(block_style))
    if segment.marker == markers.COC:
        _, own_style = markers.parse_component_style(data, components)
        block_style = window_block_style(own_style, crop)
        flags = _HAS_PRECINCTS if block_style.precincts else 0
        return Segment(markers.COC, data[:width] + bytes([flags]) + _style_data(block_style))
    return _rewritten(segment, components, index.most_levels, crop, style.layers)


def _style_data(style: BlockStyle) -> bytes:
    """SPcod or SPcoc (T.800 A.6.1)."""
    sizes = bytes([style.block_width_exponent - 2, style.block_height_exponent - 2])
    precincts = bytes(across | down << 4 for across, down in style.precincts)
    return bytes([style.levels]) + sizes + bytes([style.flags, style.transform]) + precincts


def _to_bytes(segment: Segment) -> bytes:
    return struct.pack(">HH", segment.marker, len(segment.data) + 2) + segment.data


def _size_data(data: bytes, size: ImageSize) -> bytes:
    fields = (size.right, size.bottom, size.left, size.top)
    tiles = (size.tile_width, size.tile_height, size.tile_left, size.tile_top)
    return data[:2] + struct.pack(">8I", *fields, *tiles) + data[34:]


def _rewritten(segment: Segment, components: int, most_levels: int, crop: int, layers: int | None) -> Segment:
    width = 1 if components < 257 else 2
    data = segment.data
    if segment.marker == markers.COD:
        kept = min(int.from_bytes(data[2:4], "big"), layers or 0xFFFF)
        head = bytes([data[0] & ~_HAS_SOP, RLCP]) + kept.to_bytes(2, "big") + data[4:5]
        data = head + _block_style(data[5:], crop, has_precincts=bool(data[0] & _HAS_PRECINCTS))
    elif segment.marker == markers.COC:
        has_precincts = bool(data[width] & _HAS_PRECINCTS)
        data = data[: width + 1] + _block_style(data[width + 1 :], crop, has_precincts=has_precincts)
    elif segment.marker == markers.QCD:
        data = _quantization(data, most_levels - crop)
    elif segment.marker == QCC:
        data = data[:width] + _quantization(data[width:], most_levels - crop)
    return Segment(segment.marker, data)


def _block_style(data: bytes, crop: int, *, has_precincts: bool) -> bytes:
    """SPcod or SPcoc with `crop` levels less; precinct sizes are listed from the lowest resolution on."""
    levels = data[0] - crop
    return bytes([levels]) + data[1:5] + (data[5 : 6 + levels] if has_precincts else b"")


def _quantization(data: bytes, levels: int) -> bytes:
    """Sqcd and steps, which are listed from the lowest band on (T.800 A.6.4)."""
    step = _STEP_BYTES.get(data[0] & 0x1F)
    return data if step is None else data[: 1 + step * (1 + 3 * levels)]
