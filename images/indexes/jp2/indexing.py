"""Reads where the packets of a JPEG 2000 source are: from its lists, or by reading packet headers."""

from array import array
from dataclasses import dataclass, field

from images.indexes.errors import DamagedError, IndexingError, NotSupportedError, TooLargeError
from images.indexes.jp2 import boxes, geometry, markers, packet_lists, segments
from images.indexes.jp2.blocks import BlockRecord, count_blocks, lay_out
from images.indexes.jp2.boxes import Container
from images.indexes.jp2.markers import CodingStyle, MainHeader
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.packet_reading import PacketReading, Work, read_packets
from images.indexes.jp2.packet_storage import TilePackets
from images.indexes.jp2.precincts import Tile, tile_geometry
from images.indexes.jp2.progression import packet_order
from images.indexes.jp2.segments import HeaderSegments, ProgressionChange, Segment
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.ranges import ByteRange

_SOT_BYTES = 12
_HEADER_PAGE_BYTES = 4_096
_MOST_JP2_HEADER_BYTES = 4_000_000
_HIGH_THROUGHPUT_BLOCKS = 0x40

BLOCKS_FROM_PIXELS = 4_000_000
"""Of images whose code-blocks are indexed: smaller ones gain little, since all their blocks are soon looked through."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """The index of a source, or in a sentence for curators why it has none and is decoded in the ordinary way."""

    index: PacketIndex | None
    reason: str = ""


@dataclass(slots=True)
class _TileFound:
    """What the tile-parts of one tile say. `parts`: their data; `listed`: their packet lengths, None where unknown."""

    segments: tuple[Segment, ...] = ()
    changes: tuple[ProgressionChange, ...] = ()
    parts: list[ByteRange] = field(default_factory=list)
    listed: "list[array[int] | None]" = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)
    has_packed_headers: bool = False


@dataclass(slots=True)
class _Budget:
    """What may still be indexed."""

    packets: int
    resolutions: int
    work: Work
    contributions: int

    def take(self, packets: int, resolutions: int = 0) -> None:
        self.packets -= packets
        self.resolutions -= resolutions
        if self.packets < 0 or self.resolutions < 0:
            raise TooLargeError("The image data are cut into more packets than this server indexes.")


def index_packets(
    byte_size: int, limits: SourceLimits | None = None, blocks_from_pixels: int = BLOCKS_FROM_PIXELS
) -> Parser[Indexed]:
    """A parser of a JP2 or JPX file, or of a codestream without a file, of `byte_size` bytes.

    Code-blocks are indexed where the image is one tile of so many pixels or more, or of high throughput code-blocks,
    which are decoded whole otherwise; then all of the file is read.
    Never raises IndexingError: what can't be indexed, or does not agree with itself, has no index but a reason.
    """
    try:
        index = yield from _index(byte_size, limits or SourceLimits(), blocks_from_pixels)
    except IndexingError as error:
        return Indexed(None, error.detail)
    return Indexed(index)


def reads_and_bytes(byte_size: int, limits: SourceLimits) -> tuple[int, int]:
    """How often and how many bytes `index_packets` may read: tile-part headers, and each byte once with some again."""
    tile_parts = 4 * limits.max_indexed_tiles
    return 4 * tile_parts + byte_size // 65_536 + 1_000, 4 * byte_size + tile_parts * 3 * _HEADER_PAGE_BYTES


def _index(byte_size: int, limits: SourceLimits, blocks_from_pixels: int) -> Parser[PacketIndex]:
    window = Window(byte_size, _HEADER_PAGE_BYTES)
    head = yield from window.fetch(0, 2, "The JPEG 2000 file")
    container = Container(ByteRange(0, byte_size))
    if head != markers.SOC.to_bytes(2, "big"):
        container = yield from boxes.parse_container(window, limits)
    jp2_header = yield from _jp2_header(window, container)
    stream = container.codestream
    header = yield from markers.parse_main_header(window, stream.start, stream.stop, limits)
    _check_cost(header, limits)
    main = yield from segments.parse_segments(window, stream.start + 2, stream.stop, markers.SOT)
    found = yield from _parse_tile_parts(window, header, main, stream.stop, limits)
    tiles: dict[int, TilePackets] = {}
    most_packets = min(limits.max_indexed_packets, stream.length)  # each takes a byte at least
    is_large = header.size.width * header.size.height >= blocks_from_pixels
    wants_blocks = header.size.tile_count == 1 and (is_large or header.is_high_throughput)
    budget = _Budget(
        most_packets,
        limits.max_indexed_packets,
        Work(limits.max_indexed_code_blocks),
        limits.max_indexed_contributions if wants_blocks else 0,
    )
    for number in sorted(found):
        tiles[number] = yield from _tile_packets(header, number, found.pop(number), budget)
    return PacketIndex(jp2_header, stream.length, main.taken_over, tiles)


def _jp2_header(window: Window, container: Container) -> Parser[bytes]:
    if container.header is None:
        return b""
    if container.header.length > _MOST_JP2_HEADER_BYTES:
        raise TooLargeError("The header of the JP2 file is longer than what is kept of it.")
    return (yield from window.fetch(container.header.start, container.header.length, "The header of the JP2 file"))


def _check_cost(header: MainHeader, limits: SourceLimits) -> None:
    if header.size.tile_count > limits.max_indexed_tiles:
        raise TooLargeError(
            f"The image is cut into {header.size.tile_count:,} tiles; {limits.max_indexed_tiles:,} are indexed at most."
        )
    if geometry.least_packets(header) > limits.max_indexed_packets:
        raise TooLargeError("The image data are cut into more packets than this server indexes.")


def _parse_tile_parts(
    window: Window, header: MainHeader, main: HeaderSegments, stop: int, limits: SourceLimits
) -> Parser[dict[int, _TileFound]]:
    """All tile-parts up to the end of the codestream, by Psot (T.800 A.4.2)."""
    found: dict[int, _TileFound] = {}
    components = len(header.size.components)
    main_changes = tuple(
        change for data in main.listed(markers.POC) for change in segments.parse_changes(data, components)
    )
    main_headers = packet_lists.split_main_headers(main.listed(markers.PPM))
    at, count, kept_bytes = main.stop, 0, main.kept_bytes
    while at + _SOT_BYTES <= stop:
        start = yield from window.fetch(at, _SOT_BYTES, "The JPEG 2000 image data")
        if start[:2] != markers.SOT.to_bytes(2, "big"):
            break
        number, length = int.from_bytes(start[4:6], "big"), int.from_bytes(start[6:10], "big")
        next_at = at + length if length else (yield from _end_of_codestream(window, stop))
        if number >= header.size.tile_count or not at + _SOT_BYTES + 2 <= next_at <= stop:
            raise DamagedError("A tile of the image data lies where it can't be.")
        own = yield from segments.parse_segments(window, at + _SOT_BYTES, next_at, markers.SOD)
        tile = found.setdefault(number, _TileFound(changes=main_changes))
        _add_part(tile, own, ByteRange(own.stop, next_at), components)
        if main.listed(markers.PPM):
            tile.has_packed_headers = True
            tile.packed.append(main_headers[count] if count < len(main_headers) else b"")
        at, count, kept_bytes = next_at, count + 1, kept_bytes + own.kept_bytes
        if count > 4 * limits.max_indexed_tiles or kept_bytes > segments.MAX_KEPT_BYTES:
            raise TooLargeError("The image data are cut into more tile-parts than this server indexes.")
    _check_all_there(header, found)
    return found


def _end_of_codestream(window: Window, stop: int) -> Parser[int]:
    """Where the last tile-part ends: at EOC, if there is one."""
    tail = yield from window.fetch(stop - 2, 2, "The JPEG 2000 image data")
    return stop - 2 if tail == markers.EOC.to_bytes(2, "big") else stop


def _add_part(tile: _TileFound, own: HeaderSegments, data: ByteRange, components: int) -> None:
    is_first = not tile.parts
    if own.taken_over and not is_first:
        raise DamagedError("A tile of the image data changes its coding after its first part.")
    if is_first:
        tile.segments = own.taken_over
    changes = tuple(
        change for segment in own.listed(markers.POC) for change in segments.parse_changes(segment, components)
    )
    if changes:
        tile.changes = changes if is_first else tile.changes + changes
    lists = own.listed(markers.PLT)
    tile.listed.append(_checked_lengths(lists, data.length) if lists or not data.length else None)
    tile.parts.append(data)
    packed = own.listed(markers.PPT)
    if packed:
        tile.has_packed_headers = True
        tile.packed.append(packet_lists.join_tile_headers(packed))


def _checked_lengths(lists: tuple[bytes, ...], data_bytes: int) -> "array[int] | None":
    """None where the list is not of these data: then their packet headers are read."""
    try:
        lengths = packet_lists.parse_lengths(lists)
    except DamagedError:
        return None
    return lengths if sum(lengths) == data_bytes else None


def _check_all_there(header: MainHeader, found: dict[int, _TileFound]) -> None:
    for number in range(header.size.tile_count):
        if number not in found and geometry.has_samples(header.size, number):
            raise DamagedError(f"Tile {number + 1:,} of {header.size.tile_count:,} is not in the image data.")


def _tile_packets(header: MainHeader, number: int, found: _TileFound, budget: _Budget) -> Parser[TilePackets]:
    style = segments.coding_style(found.segments, len(header.size.components), header.style)
    _check_style(style, len(header.size.components))
    _check_precincts(header, style, budget)
    tile = tile_geometry(header.size, style, number)
    budget.take(tile.precincts * style.layers)
    order = packet_order(tile, style.layers, style.progression, found.changes)
    listed = None if found.has_packed_headers else _listed(found, len(order))
    record = _block_record(tile, style, budget)
    if listed is None or record is not None:
        packed = b"".join(found.packed) if found.has_packed_headers else None
        return (yield from _read(PacketReading(tile, style, order, packed, record), found, budget.work))
    counts = [len(each or ()) for each in found.listed]
    return TilePackets(found.segments, found.changes, _counted(found, counts), listed)


def _block_record(tile: Tile, style: CodingStyle, budget: _Budget) -> BlockRecord | None:
    """Where to take down the code-blocks; None where they are not wanted, or are more than are kept."""
    if not budget.contributions:
        return None
    blocks = count_blocks(tile, style)
    if blocks > budget.work.most_blocks or blocks * style.layers > budget.contributions:
        return None
    return BlockRecord(lay_out(tile, style), blocks, style.layers)


def _listed(found: _TileFound, packets: int) -> "array[int] | None":
    joined = array("I")
    for lengths in found.listed:
        if lengths is None:
            return None
        joined.extend(lengths)
    return joined if len(joined) == packets else None


def _read(reading: PacketReading, found: _TileFound, work: Work) -> Parser[TilePackets]:
    counts = yield from read_packets(reading, found.parts, work)
    return TilePackets(
        found.segments,
        found.changes,
        _counted(found, counts),
        reading.lengths,
        reading.packed or b"",
        reading.header_lengths,
        reading.record.finished() if reading.record is not None else None,
    )


def _counted(found: _TileFound, counts: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple((part.start, count) for part, count in zip(found.parts, counts, strict=True) if count)


def _check_style(style: CodingStyle, components: int) -> None:
    for component in range(components):
        if style.of(component).flags & _HIGH_THROUGHPUT_BLOCKS and style.layers > 1:
            raise NotSupportedError("High throughput code-blocks in several quality layers are not indexed.")


def _check_precincts(header: MainHeader, style: CodingStyle, budget: _Budget) -> None:
    """Before any precinct is listed: a few bytes can claim billions."""
    width = min(header.size.tile_width, header.size.width)
    height = min(header.size.tile_height, header.size.height)
    claimed = 0
    for component, step in enumerate(header.size.components):
        block_style = style.of(component)
        for resolution in range(block_style.levels + 1):
            across, down = block_style.precinct(resolution)
            shrink = block_style.levels - resolution
            budget.take(0, resolutions=1)
            claimed += ((width // step.dx >> shrink + across) + 2) * ((height // step.dy >> shrink + down) + 2)
    if claimed * style.layers > 4 * budget.packets + 100_000:
        raise TooLargeError("The image data are cut into more packets than this server indexes.")
