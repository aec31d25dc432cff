"""A walk over the tile-parts of a codestream: are they all there, and do they differ from the main header?

T.800 A.4.2 (SOT), A.3 (which markers a tile-part header may hold), figure A.5.
"""

from dataclasses import dataclass

from images.indexes.errors import DamagedError
from images.indexes.jp2 import geometry, markers
from images.indexes.jp2.markers import MainHeader
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window

_SOT_BYTES = 12
_PAGE_BYTES = 256


@dataclass(frozen=True, slots=True)
class TileParts:
    """`count`: tile-parts that were looked at. `is_complete`: those were all. `levels`: the fewest of any tile.

    `has_packet_lengths`: the first one lists its packets (PLT).
    """

    count: int
    is_complete: bool
    levels: int
    has_packet_lengths: bool


def parse_tile_parts(byte_size: int, header: MainHeader, stop: int, limits: SourceLimits) -> Parser[TileParts]:
    """Look at up to `max_tile_parts_read` tile-parts.

    Raises DamagedError where one reaches beyond the end of the codestream, or tiles are missing.
    """
    window = Window(byte_size, _PAGE_BYTES)
    at, count = header.stop, 0
    levels: list[int] = []
    found: set[int] = set()
    first_markers: frozenset[int] = frozenset()
    while count < limits.max_tile_parts_read and not (yield from _is_end(window, at, stop)):
        tile, next_at = yield from _parse_start(window, header, at, stop)
        if tile not in found:
            seen, own_levels = yield from _parse_header(window, header, at + _SOT_BYTES, next_at)
            levels.append(own_levels)
            first_markers = first_markers or seen
        found.add(tile)
        count += 1
        at = next_at
    is_complete = yield from _is_end(window, at, stop)
    if is_complete:
        _check_all_there(header, found)
    if not is_complete or not levels:
        levels.append(_least_levels(header))
    return TileParts(count, is_complete, min(levels), markers.PLT in first_markers)


def _check_all_there(header: MainHeader, found: set[int]) -> None:
    for tile in range(header.size.tile_count):
        if tile not in found and geometry.has_samples(header.size, tile):
            raise DamagedError(
                f"Tile {tile + 1:,} of {header.size.tile_count:,} is not in the image data: "
                f"the file was probably cut off during copying."
            )


def _least_levels(header: MainHeader) -> int:
    return min(header.style.of(number).levels for number in range(len(header.size.components)))


def _is_end(window: Window, at: int, stop: int) -> Parser[bool]:
    """EOC, or what some writers leave there instead: nothing, or padding."""
    if at + _SOT_BYTES > stop:
        return True
    marker = yield from window.fetch(at, 2, "The JPEG 2000 image data")
    return marker != markers.SOT.to_bytes(2, "big")


def _parse_start(window: Window, header: MainHeader, at: int, stop: int) -> Parser[tuple[int, int]]:
    """The number of a tile, and where its tile-part ends; a length of 0 means up to the end of the codestream."""
    data = yield from window.fetch(at, _SOT_BYTES, "The JPEG 2000 image data")
    tile, length = int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:10], "big")
    if tile >= header.size.tile_count:
        raise DamagedError(
            f"The image data hold tile {tile + 1:,}, but the image has {header.size.tile_count:,} tiles."
        )
    if not length:
        return tile, stop
    if length < _SOT_BYTES + 2:
        raise DamagedError(f"The length of tile {tile + 1:,} in the image data is damaged.")
    if at + length > stop:
        raise DamagedError(
            f"Tile {tile + 1:,} lies beyond the end of the image data: the file was probably cut off during copying."
        )
    return tile, at + length


def _parse_header(window: Window, header: MainHeader, at: int, stop: int) -> Parser[tuple[frozenset[int], int]]:
    """The markers of a tile-part header, and the fewest levels of its components."""
    count = len(header.size.components)
    main = [header.style.of(number).levels for number in range(count)]
    default: int | None = None
    own: dict[int, int] = {}
    seen: set[int] = set()
    for _ in range(markers.MAX_SEGMENTS):
        if at + 2 > stop:
            break
        marker = int.from_bytes((yield from window.fetch(at, 2, "A JPEG 2000 tile")), "big")
        if marker == markers.SOD:
            break
        seen.add(marker)
        length = yield from markers.segment_length(window, marker, at, stop)
        if marker in {markers.COD, markers.COC}:
            data = yield from window.fetch(at + 4, length - 2, "A JPEG 2000 tile")
            if marker == markers.COD:
                default = markers.parse_coding_style(data).default.levels
            else:
                number, style = markers.parse_component_style(data, count)
                own[number] = style.levels
        at += 2 + length
    levels = [own.get(number, main[number] if default is None else default) for number in range(count)]
    return frozenset(seen), min(levels)
