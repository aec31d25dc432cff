"""From the boxes and the main header of a JPEG 2000 source to what a decoder and a curator need to know of it."""

from typing import Any

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.errors import DamagedError, TooLargeError
from images.indexes.jp2 import boxes, geometry, markers
from images.indexes.jp2.boxes import Colour, Container
from images.indexes.jp2.markers import ImageSize, MainHeader
from images.indexes.jp2.tile_parts import TileParts, parse_tile_parts
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.ranges import ByteRange

_ENUMERATED = {
    0: "bilevel",
    1: "ycbcr",
    3: "ycbcr",
    4: "ycbcr",
    9: "ycbcr",
    12: "cmyk",
    14: "lab",
    15: "bilevel",
    16: "rgb",
    17: "gray",
    18: "ycbcr",
    20: "rgb",
    21: "rgb",
    24: "ycbcr",
}
"""EnumCS to the colour of a description (T.800 table I.10, T.801 table M.25); what isn't here is "other"."""

_ICC_SPACES = {"GRAY": "gray", "RGB ": "rgb", "CMYK": "cmyk", "Lab ": "lab", "YCbr": "ycbcr"}
_COLOUR_CHANNELS = {"gray": 1, "bilevel": 1, "rgb": 3, "ycbcr": 3, "lab": 3, "cmyk": 4}
_OPACITY = {1, 2}


def describe(byte_size: int, limits: SourceLimits | None = None) -> Parser[SourceDescription]:
    """A parser of a JP2 or JPX file, or of a codestream without a file, of `byte_size` bytes.

    Raises IndexingError: DamagedError, TooLargeError or NotSupportedError.
    """
    limits = limits or SourceLimits()
    window = Window(byte_size)
    head = yield from window.fetch(0, 2, "The JPEG 2000 file")
    if head == markers.SOC.to_bytes(2, "big"):
        container = Container(ByteRange(0, byte_size))
    else:
        container = yield from boxes.parse_container(window, limits)
    codestream = container.codestream
    header = yield from markers.parse_main_header(window, codestream.start, codestream.stop, limits)
    _check_size(header.size, limits)
    _check_cost(header, codestream, limits)
    tile_parts = yield from parse_tile_parts(byte_size, header, codestream.stop, limits)
    return _to_description(container, header, tile_parts)


def _check_size(size: ImageSize, limits: SourceLimits) -> None:
    described = f"The image has {size.width:,} × {size.height:,} = {size.width * size.height:,} pixels"
    if size.width * size.height > limits.max_pixels_tiled:
        raise TooLargeError(f"{described}; at most {limits.max_pixels_tiled:,} are allowed.")
    if size.tile_count > limits.max_jp2_tiles:
        raise TooLargeError(f"The image is cut into {size.tile_count:,} tiles; {limits.max_jp2_tiles:,} are allowed.")
    tile_pixels = min(size.tile_width, size.width) * min(size.tile_height, size.height)
    if tile_pixels > limits.max_jp2_tile_pixels:
        raise TooLargeError(
            f"{described} in tiles of {tile_pixels:,}; a tile may have {limits.max_jp2_tile_pixels:,}. "
            f"Save it in smaller tiles."
        )


def _check_cost(header: MainHeader, codestream: ByteRange, limits: SourceLimits) -> None:
    """Layers, precincts and code-blocks are claimed in a few bytes, and cost time and memory each."""
    packets = geometry.least_packets(header)
    if packets > codestream.length:
        raise DamagedError(
            f"The image claims {packets:,} packets of data, but there are only {codestream.length:,} bytes: "
            f"the file was probably cut off during copying."
        )
    if packets > limits.max_jp2_packets:
        raise TooLargeError(f"The image has {packets:,} packets of data; {limits.max_jp2_packets:,} are allowed.")
    blocks = geometry.most_code_blocks(header)
    if blocks > limits.max_jp2_code_blocks:
        raise TooLargeError(
            f"A tile of the image has {blocks:,} code-blocks; {limits.max_jp2_code_blocks:,} are allowed. "
            f"Save it in smaller tiles."
        )


def _to_description(container: Container, header: MainHeader, tile_parts: TileParts) -> SourceDescription:
    size = header.size
    channels = _channel_bits(container, size)
    colour = _colour(container, size, len(channels))
    return SourceDescription(
        source_format=SourceFormat.JP2,
        width=size.width,
        height=size.height,
        levels=_levels(size, tile_parts.levels),
        bands=len(channels),
        bits_per_sample=max(channels),
        colour=colour,
        has_alpha=any(channel.type in _OPACITY for channel in container.channels),
        has_icc_profile=_chosen_colour(container).icc is not None,
        detail=_detail(container, header, tile_parts),
    )


def _levels(size: ImageSize, count: int) -> tuple[Level, ...]:
    """Each resolution level that is smaller than the one before, and still has pixels in every tile."""
    levels: list[Level] = []
    for reduction in range(count + 1):
        width, height = geometry.level_size(size, reduction)
        if not width or not height or (levels and (width, height) == (levels[-1].width, levels[-1].height)):
            break
        if reduction and geometry.empties_tiles(size, reduction):
            break
        tile_width = geometry.ceil_shift(size.tile_width, reduction) if size.tile_count > 1 else None
        tile_height = geometry.ceil_shift(size.tile_height, reduction) if size.tile_count > 1 else None
        levels.append(Level(width, height, tile_width, tile_height, reduction=reduction))
    return tuple(levels)


def _channel_bits(container: Container, size: ImageSize) -> tuple[int, ...]:
    """The depth of each channel, after the palette where there is one.

    Raises DamagedError where the palette is mapped to components or columns that aren't there.
    """
    components = tuple(component.bits for component in size.components)
    if container.palette is None:
        return components
    bits = []
    for mapping in container.mapping:
        depths = components if mapping.column is None else container.palette.column_bits
        number = mapping.component if mapping.column is None else mapping.column
        if mapping.component >= len(components) or number >= len(depths):
            raise DamagedError("The palette of the JPEG 2000 file does not fit to its image data.")
        bits.append(depths[number])
    if not bits:
        raise DamagedError("The JPEG 2000 file has a palette, but does not say what it is for.")
    return tuple(bits)


def _chosen_colour(container: Container) -> Colour:
    """The first that is understood: readers pass over the others (T.800 I.5.3.3)."""
    for colour in container.colours:
        if colour.enumerated in _ENUMERATED or colour.icc is not None:
            return colour
    return container.colours[0] if container.colours else Colour(0)


def _colour(container: Container, size: ImageSize, channels: int) -> str:
    """By the colour specification; where there is none, by what the components look like."""
    chosen = _chosen_colour(container)
    if chosen.icc is not None:
        colour = _ICC_SPACES.get(chosen.icc_space, "other")
    elif chosen.enumerated is not None:
        colour = _ENUMERATED.get(chosen.enumerated, "other")
    else:
        colour = _guessed_colour(size, channels)
    if channels < _COLOUR_CHANNELS.get(colour, 1):
        colour = "gray"
    if container.palette and colour == "rgb":
        return "palette"
    is_one_bit = colour == "gray" and max(_channel_bits(container, size)) == 1
    return "bilevel" if is_one_bit else colour


def _guessed_colour(size: ImageSize, channels: int) -> str:
    if channels < 3:
        return "gray"
    first, second = size.components[:2] if len(size.components) > 1 else (size.components[0],) * 2
    return "ycbcr" if second.dx > first.dx or second.dy > first.dy else "rgb"


def _detail(container: Container, header: MainHeader, tile_parts: TileParts) -> dict[str, Any]:
    """What only JPEG 2000 has; JSON values. Offsets are from the start of the source, ranges `offset` and `length`."""
    chosen = _chosen_colour(container)
    return {
        "container": container.brand or "codestream",
        "codestream": _range(container.codestream),
        **_size_detail(header.size),
        **_style_detail(header),
        "is_htj2k": header.is_high_throughput,
        "resolution_levels": tile_parts.levels,
        "tile_parts": tile_parts.count if tile_parts.is_complete else None,
        "has_tile_part_lengths": markers.TLM in header.markers,
        "has_packet_lengths": tile_parts.has_packet_lengths,
        "has_packed_headers": markers.PPM in header.markers,
        "has_progression_changes": markers.POC in header.markers,
        "has_region_of_interest": markers.RGN in header.markers,
        "colour_method": chosen.method or None,
        "colour_space": chosen.enumerated,
        "icc": _range(chosen.icc) if chosen.icc else None,
        "palette": _palette_detail(container),
        "channels": [[each.channel, each.type, each.association] for each in container.channels],
        "resolution_per_metre": list(container.resolution_per_metre) if container.resolution_per_metre else None,
    }


def _range(stretch: ByteRange) -> dict[str, int]:
    return {"offset": stretch.start, "length": stretch.length}


def _palette_detail(container: Container) -> dict[str, Any] | None:
    palette = container.palette
    if palette is None:
        return None
    return {
        "entries": palette.entries,
        "column_bits": list(palette.column_bits),
        **_range(palette.contents),
        "mapping": [[each.component, each.column] for each in container.mapping],
    }


def _size_detail(size: ImageSize) -> dict[str, Any]:
    return {
        "profile": size.profile,
        "image": {"left": size.left, "top": size.top, "right": size.right, "bottom": size.bottom},
        "tiles": {
            "left": size.tile_left,
            "top": size.tile_top,
            "width": size.tile_width,
            "height": size.tile_height,
            "across": size.tiles_across,
            "down": size.tiles_down,
        },
        "components": [
            {"dx": each.dx, "dy": each.dy, "bits": each.bits, "signed": each.signed} for each in size.components
        ],
    }


def _style_detail(header: MainHeader) -> dict[str, Any]:
    style = header.style
    return {
        "progression": markers.PROGRESSIONS[style.progression],
        "layers": style.layers,
        "code_block": [1 << style.default.block_width_exponent, 1 << style.default.block_height_exponent],
        "code_block_flags": style.default.flags,
        "precincts": [[1 << across, 1 << down] for across, down in style.default.precincts],
        "transform": markers.TRANSFORMS[style.default.transform],
        "is_reversible": style.default.transform == 1,
        "has_component_transform": style.has_component_transform,
        "has_sop": style.has_sop,
        "has_eph": style.has_eph,
    }
