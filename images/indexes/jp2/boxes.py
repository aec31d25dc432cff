"""The boxes of a JP2 or JPX file, up to its codestream (T.800 annex I; T.801 annex M)."""

from dataclasses import dataclass

from images.indexes.errors import DamagedError, NotSupportedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.ranges import ByteRange

ENUMERATED = 1
RESTRICTED_ICC = 2
ANY_ICC = 3
"""Methods of a colr box (T.800 I.5.3.3, T.801 M.11.7.3)."""

_SUPERBOXES = {b"jp2h", b"jpch", b"jplh", b"cgrp", b"res "}
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class Box:
    """A box's type and where its contents are. `reaches_end`: it has no length of its own."""

    type: bytes
    contents: ByteRange
    reaches_end: bool


@dataclass(frozen=True, slots=True)
class Colour:
    """One colr box: `enumerated` is EnumCS, `icc` where the profile is, `icc_space` its four letters, as "RGB "."""

    method: int
    enumerated: int | None = None
    icc: ByteRange | None = None
    icc_space: str = ""


@dataclass(frozen=True, slots=True)
class Palette:
    """pclr: number of entries, and the depth of each column in bits (T.800 I.5.3.4)."""

    entries: int
    column_bits: tuple[int, ...]
    contents: ByteRange


@dataclass(frozen=True, slots=True)
class Mapping:
    """One channel of cmap: a component, through column `column` of the palette or, if None, directly."""

    component: int
    column: int | None


@dataclass(frozen=True, slots=True)
class ChannelDefinition:
    """One line of cdef: type 0 colour, 1 opacity, 2 premultiplied opacity (T.800 I.5.3.6)."""

    channel: int
    type: int
    association: int


@dataclass(frozen=True, slots=True)
class Container:
    """What a file says around its codestream. A codestream without a file has none of it.

    `header`: the contents of its JP2 header box, which says what the components mean.
    """

    codestream: ByteRange
    header: ByteRange | None = None
    brand: str = ""
    component_bits: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    palette: Palette | None = None
    mapping: tuple[Mapping, ...] = ()
    channels: tuple[ChannelDefinition, ...] = ()
    resolution_per_metre: tuple[float, float] | None = None


@dataclass(slots=True)
class _Found:
    brand: str = ""
    component_bits: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    palette: Palette | None = None
    mapping: tuple[Mapping, ...] = ()
    channels: tuple[ChannelDefinition, ...] = ()
    resolution: tuple[float, float] | None = None
    header: ByteRange | None = None
    boxes: int = 0


def parse_container(window: Window, limits: SourceLimits) -> Parser[Container]:
    """Walk the boxes to the first codestream, which T.800 I.5.4 puts after the header.

    Raises DamagedError where boxes don't fit into each other or into the file, or there is no codestream.
    """
    found = _Found()
    at = 0
    while at < window.byte_size:
        box = yield from _parse_box(window, at, window.byte_size, found, limits)
        if box.type == b"jp2c":
            return _to_container(found, box)
        if box.type == b"ftbl":
            raise NotSupportedError("The image data of this JPX file lie in other files, which is not supported.")
        if box.type == b"jp2h":
            found.header = box.contents
        yield from _parse_contents(window, box, found, limits)
        at = box.contents.stop
    raise DamagedError("The JPEG 2000 file has no image data: it was probably cut off during copying.")


def _to_container(found: _Found, box: Box) -> Container:
    return Container(
        codestream=box.contents,
        header=found.header,
        brand=found.brand,
        component_bits=found.component_bits,
        colours=found.colours,
        palette=found.palette,
        mapping=found.mapping,
        channels=found.channels,
        resolution_per_metre=found.resolution,
    )


def _parse_box(window: Window, at: int, stop: int, found: _Found, limits: SourceLimits) -> Parser[Box]:
    """LBox 0 reaches to the end, 1 has a length of eight bytes, 2 to 7 are reserved (T.800 I.4)."""
    found.boxes += 1
    if found.boxes > limits.max_boxes:
        raise TooLargeError(f"The JPEG 2000 file has more than {limits.max_boxes:,} boxes before its image data.")
    if at + 8 > stop:
        raise DamagedError("A box of the JPEG 2000 file is cut off.")
    head = yield from window.fetch(at, 8, "A box of the JPEG 2000 file")
    length, type_ = int.from_bytes(head[:4], "big"), head[4:]
    contents = at + 8
    if length == 0:
        return Box(type_, ByteRange(contents, stop), reaches_end=True)
    if length == 1:
        length = int.from_bytes((yield from window.fetch(contents, 8, "A box of the JPEG 2000 file")), "big")
        contents += 8
    if length < contents - at:
        raise DamagedError("A box of the JPEG 2000 file has a length that can't be.")
    if at + length > stop:
        raise DamagedError(
            f"The file ends at byte {window.byte_size:,}, but its {_name(type_)} should reach to byte "
            f"{at + length:,}: it was probably cut off during copying."
        )
    return Box(type_, ByteRange(contents, at + length), reaches_end=False)


def _name(type_: bytes) -> str:
    if type_ == b"jp2c":
        return "image data"
    return f"box “{''.join(chr(byte) if 32 <= byte < 127 else '?' for byte in type_)}”"


def _parse_contents(window: Window, box: Box, found: _Found, limits: SourceLimits, depth: int = 0) -> Parser[None]:
    """The boxes that matter; of those that may come twice, the first (a JPX has one header for each layer)."""
    contents = box.contents
    if box.type in _SUPERBOXES:
        if depth > _DEEPEST:
            raise DamagedError("The boxes of the JPEG 2000 file are nested deeper than any header needs.")
        at = contents.start
        while at < contents.stop:
            inner = yield from _parse_box(window, at, contents.stop, found, limits)
            yield from _parse_contents(window, inner, found, limits, depth + 1)
            at = inner.contents.stop
    elif box.type == b"ftyp":
        found.brand = (yield from _fetch(window, contents, 4)).decode("latin-1").strip()
    elif box.type == b"colr":
        found.colours += ((yield from _parse_colour(window, contents)),)
    elif box.type == b"bpcc" and not found.component_bits:
        data = yield from _fetch(window, contents, min(contents.length, limits.max_components))
        found.component_bits = tuple((byte & 0x7F) + 1 for byte in data)
    elif box.type == b"pclr" and found.palette is None:
        found.palette = yield from _parse_palette(window, contents)
    elif box.type == b"cmap" and not found.mapping:
        found.mapping = yield from _parse_mapping(window, contents, limits)
    elif box.type == b"cdef" and not found.channels:
        found.channels = yield from _parse_channels(window, contents, limits)
    elif box.type in {b"resc", b"resd"} and (found.resolution is None or box.type == b"resc"):
        found.resolution = _to_resolution((yield from _fetch(window, contents, 10)))


def _fetch(window: Window, contents: ByteRange, length: int) -> Parser[bytes]:
    """The first `length` bytes of a box's contents, which must have as many."""
    if contents.length < length:
        raise DamagedError("A box of the JPEG 2000 file is shorter than what it must hold.")
    return (yield from window.fetch(contents.start, length, "A box of the JPEG 2000 file"))


def _parse_colour(window: Window, contents: ByteRange) -> Parser[Colour]:
    method = (yield from _fetch(window, contents, 3))[0]
    if method == ENUMERATED:
        data = yield from _fetch(window, contents, 7)
        return Colour(method, enumerated=int.from_bytes(data[3:], "big"))
    if method in {RESTRICTED_ICC, ANY_ICC}:
        icc = ByteRange(contents.start + 3, contents.stop)
        head = yield from _fetch(window, icc, min(icc.length, 20))
        return Colour(method, icc=icc, icc_space=head[16:20].decode("latin-1"))
    return Colour(method)


def _parse_palette(window: Window, contents: ByteRange) -> Parser[Palette]:
    head = yield from _fetch(window, contents, 3)
    entries, columns = int.from_bytes(head[:2], "big"), head[2]
    if not 1 <= entries <= 1024 or not columns:
        raise DamagedError("The palette of the JPEG 2000 file is damaged.")
    data = yield from _fetch(window, contents, 3 + columns)
    bits = tuple((byte & 0x7F) + 1 for byte in data[3:])
    if contents.length < 3 + columns + entries * sum(-(-each // 8) for each in bits):
        raise DamagedError("The palette of the JPEG 2000 file is cut off.")
    return Palette(entries, bits, contents)


def _parse_mapping(window: Window, contents: ByteRange, limits: SourceLimits) -> Parser[tuple[Mapping, ...]]:
    """T.800 I.5.3.5: four bytes a channel."""
    count = min(contents.length // 4, limits.max_components)
    data = yield from _fetch(window, contents, 4 * count)
    rows = (data[at : at + 4] for at in range(0, len(data), 4))
    return tuple(Mapping(int.from_bytes(row[:2], "big"), row[3] if row[2] == 1 else None) for row in rows)


def _parse_channels(window: Window, contents: ByteRange, limits: SourceLimits) -> Parser[tuple[ChannelDefinition, ...]]:
    count = int.from_bytes((yield from _fetch(window, contents, 2)), "big")
    if count > limits.max_components:
        raise TooLargeError(f"The image has {count:,} channels; at most {limits.max_components:,} are allowed.")
    data = yield from _fetch(window, contents, 2 + 6 * count)
    numbers = [int.from_bytes(data[at : at + 2], "big") for at in range(2, len(data), 2)]
    return tuple(ChannelDefinition(*numbers[at : at + 3]) for at in range(0, len(numbers), 3))


def _to_resolution(data: bytes) -> tuple[float, float] | None:
    """Pixels a metre, across and down, of a resc or resd box, which writes down before across (T.800 I.5.3.7)."""
    down, down_by, across, across_by = (int.from_bytes(data[at : at + 2], "big") for at in range(0, 8, 2))
    down_exponent, across_exponent = (int.from_bytes(data[at : at + 1], "big", signed=True) for at in (8, 9))
    if not down_by or not across_by:
        return None
    return (
        round(across / across_by * 10.0**across_exponent, 4),
        round(down / down_by * 10.0**down_exponent, 4),
    )
