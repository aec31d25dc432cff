"""From JPEG 2000 components to the channels of an image: palette, channel definition, colour space.

T.800 Annex I.5.3; enumerated colour spaces beyond 16 to 18 are those of T.801 Annex M.11.7.3.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyvips

from images.decoders.errors import DamagedSourceError
from images.decoders.jp2_header import Header
from images.decoders.jp2_header import Mapping as ChannelMapping

_BILEVEL_BLACK_ONE, _YCC_1, _YCC_3, _CMY, _CMYK, _CIE_LAB = 15, 1, 3, 11, 12, 14
_BILEVEL_BLACK_ZERO = 0
_SYCC = 18
_YCC = frozenset({_YCC_1, _YCC_3, _SYCC})
_MAX_TABLE_BITS = 16

Bytes = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Channel:
    """A band of the result. `table`, where there is one, turns samples (less `lowest`) into bytes;
    else samples are bytes already."""

    component: int
    lowest: int = 0
    shift: int = 0
    table: Bytes | None = None


def channels(header: Header) -> tuple[Channel, ...]:
    """The channels that are shown, in the order of their colours, opacity last."""
    mapped = _mapped(header)
    colours, opacity = _ordered(header, len(mapped))
    wanted = [*colours, *opacity]
    return tuple(_channel(header, mapped[index]) for index in wanted)


def to_image(raster: Bytes, header: Header) -> pyvips.Image:
    """Name the colours of the decoded bytes for libvips, or convert those it does not know."""
    convert(raster, header)
    height, width, bands = raster.shape
    return named(pyvips.Image.new_from_memory(raster, width, height, bands, "uchar"), header)


def convert(raster: Bytes, header: Header) -> None:
    """Turn the colours of the decoded bytes that libvips does not know into some that it knows, where they are."""
    count = colour_count(header)
    if count == 3 and _is_ycc(header):
        _convert_ycc(raster)
    enumerated = header.colour.enumerated
    if enumerated == _BILEVEL_BLACK_ONE or (enumerated == _CMY and count == 3):
        np.subtract(255, raster[:, :, :count], out=raster[:, :, :count])


def find_display_pixels(raster: Bytes, header: Header) -> Bytes | None:
    """The decoded bytes as gray or sRGB, as libvips would give them back, if there is nothing that only it can do."""
    colours, opacity = _ordered(header, len(_mapped(header)))
    needs_libvips = len(colours) not in {1, 3} or header.colour.enumerated == _CIE_LAB or header.colour.profile
    if opacity or needs_libvips:
        return None
    convert(raster, header)
    return raster


def named(image: pyvips.Image, header: Header) -> pyvips.Image:
    """Name the colours of converted bytes."""
    count = colour_count(header)
    if count == 3 and header.colour.enumerated == _CIE_LAB:
        return _lab(image, header)
    image = image.copy(interpretation={1: "b-w", 3: "srgb", 4: "cmyk"}[count])
    if header.colour.profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", header.colour.profile)
    return image


def colour_count(header: Header) -> int:
    """Bands of colour that `channels` gives; one more is opacity."""
    colours, _ = _ordered(header, len(_mapped(header)))
    return len(colours)


def fill(target: Bytes, planes: Mapping[int, Samples], shown: tuple[Channel, ...]) -> None:
    """Write the planes into the bands of `target`, 8 bits each."""
    for band, channel in enumerate(shown):
        plane = planes[channel.component]
        if channel.table is not None:
            index = plane - channel.lowest if channel.lowest else plane
            target[:, :, band] = channel.table[np.clip(index, 0, len(channel.table) - 1)]
        elif channel.shift or channel.lowest:
            scaled = (plane - channel.lowest) >> channel.shift
            target[:, :, band] = np.clip(scaled, 0, 255)
        else:
            target[:, :, band] = plane


def _mapped(header: Header) -> tuple[ChannelMapping, ...]:
    """Channels before they are put in order: the palette's, or the components themselves."""
    count = len(header.codestream.components)
    if header.palette is None:
        return tuple(ChannelMapping(index, None) for index in range(count))
    columns = len(header.palette.precisions)
    mappings = header.mappings or tuple(ChannelMapping(0, column) for column in range(columns))
    for mapping in mappings:
        if mapping.component >= count or (mapping.column or 0) >= columns:
            raise DamagedSourceError("The file is damaged: its palette mapping makes no sense.")
    return mappings


def _ordered(header: Header, count: int) -> tuple[list[int], list[int]]:
    """Channel numbers of the colours in their order, and of the opacity if there is one."""
    colours = list(range(count))
    opacity: list[int] = []
    if header.definitions:
        known = [entry for entry in header.definitions if entry.channel < count]
        by_colour = {
            entry.association: entry.channel for entry in known if entry.kind == 0 and 0 < entry.association < 0xFFFF
        }
        if by_colour:
            colours = [by_colour[number] for number in sorted(by_colour)]
        opacity = [entry.channel for entry in known if entry.kind in {1, 2}][:1]
    return colours[: _colour_count(header, len(colours))], opacity


def _colour_count(header: Header, available: int) -> int:
    """Bands that a screen or a profile can make sense of: 1, 3 or 4."""
    profile = header.colour.profile
    is_cmyk = header.colour.enumerated == _CMYK or (profile and profile[16:20] == b"CMYK")
    if available >= 4 and is_cmyk:
        return 4
    is_gray = header.colour.enumerated in {17, _BILEVEL_BLACK_ONE, _BILEVEL_BLACK_ZERO}
    return 3 if available >= 3 and not is_gray else 1


def _channel(header: Header, mapping: ChannelMapping) -> Channel:
    component = header.codestream.components[mapping.component]
    lowest = -(1 << (component.precision - 1)) if component.is_signed else 0
    if mapping.column is not None and header.palette is not None:
        precision = header.palette.precisions[mapping.column]
        values = np.array([row[mapping.column] for row in header.palette.rows], np.int64)
        return Channel(mapping.component, lowest, 0, _to_bytes(values, precision))
    if component.precision < 8:
        values = np.arange(1 << component.precision)
        return Channel(mapping.component, lowest, 0, _to_bytes(values, component.precision))
    return Channel(mapping.component, lowest, component.precision - 8)


def _to_bytes(values: npt.NDArray[np.int64], precision: int) -> Bytes:
    """Up to 8 bits are stretched so that the highest value is white; of more, the low bits go."""
    if precision > 8:
        return (values >> (precision - 8)).astype(np.uint8)
    highest = (1 << precision) - 1
    return ((values * 255 + highest // 2) // highest).astype(np.uint8)


def _is_ycc(header: Header) -> bool:
    """Said by the file, or meant by a bare codestream whose last two components are coarser."""
    if header.colour.enumerated in _YCC:
        return True
    if header.colour.enumerated is not None or header.colour.profile or header.palette:
        return False
    steps = [(component.dx, component.dy) for component in header.codestream.components[:3]]
    return steps[0] == (1, 1) and steps[1] == steps[2] != (1, 1)


def _convert_ycc(raster: Bytes) -> None:
    """ITU-R BT.601, full range (sYCC: IEC 61966-2-1 Amendment 1), in rows that fit the cache."""
    rows = max(1, 400_000 // max(1, raster.shape[1]))
    for top in range(0, raster.shape[0], rows):
        part = raster[top : top + rows]
        luma = part[:, :, 0].astype(np.float32)
        blue = part[:, :, 1].astype(np.float32) - 128
        red = part[:, :, 2].astype(np.float32) - 128
        part[:, :, 0] = np.clip(luma + 1.402 * red + 0.5, 0, 255)
        part[:, :, 1] = np.clip(luma - 0.344136 * blue - 0.714136 * red + 0.5, 0, 255)
        part[:, :, 2] = np.clip(luma + 1.772 * blue + 0.5, 0, 255)


def _lab(image: pyvips.Image, header: Header) -> pyvips.Image:
    """T.801 M.11.7.4.1 with its default ranges: L* 0 to 100, a* 170 wide, b* 200 wide."""
    ranges = (100.0, 170.0, 200.0)
    offsets = (0.0, 128.0, 96.0)
    scale = [width / 255 for width in ranges]
    shift = [-offset * width / 255 for offset, width in zip(offsets, ranges, strict=True)]
    del header
    colours = image.extract_band(0, n=3).linear(scale, shift).copy(interpretation="lab")
    return colours if image.bands == 3 else colours.bandjoin(image.extract_band(3).cast("float"))
