"""The main header of a JPEG 2000 codestream, up to its first tile-part (T.800 annex A)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from images.indexes.errors import DamagedError, NotSupportedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window

SOC = 0xFF4F
CAP = 0xFF50
SIZ = 0xFF51
COD = 0xFF52
COC = 0xFF53
TLM = 0xFF55
PLM = 0xFF57
PLT = 0xFF58
QCD = 0xFF5C
RGN = 0xFF5E
POC = 0xFF5F
PPM = 0xFF60
PPT = 0xFF61
SOT = 0xFF90
SOD = 0xFF93
EOC = 0xFFD9

PROGRESSIONS = ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")
REVERSIBLE = 1
TRANSFORMS = {0: "9/7", 1: "5/3"}

_BARE = range(0xFF30, 0xFF40)
"""Markers without a length (T.800 A.1.3)."""
_COMPONENTS = 16_384
_LEVELS = 32
_BITS = 38
_HIGH_THROUGHPUT_CAPABILITY = 1 << (32 - 15)
HIGH_THROUGHPUT_BLOCKS = 0x40
HIGH_THROUGHPUT_PROFILE = 0x4000
"""In Rsiz: CAP says more (T.800 A.5.1, T.814)."""
_LARGEST_PRECINCT = 15

MAX_SEGMENTS = 10_000
"""Of one header. 512 components may have three each, and a few hundred more list packets and tile-parts."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component: `dx`, `dy` are its steps on the reference grid, `bits` its depth (T.800 A.5.1)."""

    dx: int
    dy: int
    bits: int
    signed: bool


@dataclass(frozen=True, slots=True)
class ImageSize:
    """SIZ: the image and its tiles on the reference grid; right and bottom are exclusive (T.800 A.5.1, B.2)."""

    profile: int
    left: int
    top: int
    right: int
    bottom: int
    tile_left: int
    tile_top: int
    tile_width: int
    tile_height: int
    components: tuple[Component, ...]

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def tiles_across(self) -> int:
        return -(-(self.right - self.tile_left) // self.tile_width)

    @property
    def tiles_down(self) -> int:
        return -(-(self.bottom - self.tile_top) // self.tile_height)

    @property
    def tile_count(self) -> int:
        return self.tiles_across * self.tiles_down


@dataclass(frozen=True, slots=True)
class BlockStyle:
    """How a component is cut up: SPcod or SPcoc (T.800 A.6.1). Sizes are exponents of two.

    `precincts`: width and height for each resolution from the lowest, empty where they are at their largest.
    """

    levels: int
    block_width_exponent: int
    block_height_exponent: int
    flags: int
    transform: int
    precincts: tuple[tuple[int, int], ...]

    def precinct(self, resolution: int) -> tuple[int, int]:
        return self.precincts[resolution] if self.precincts else (_LARGEST_PRECINCT, _LARGEST_PRECINCT)

    def largest_block(self, axis: int) -> int:
        """The exponent of the longest code-block on the component's full size; precincts narrow those of each
        resolution for itself (T.800 B.7).
        """
        block = (self.block_width_exponent, self.block_height_exponent)[axis]
        return max(
            min(block, self.precinct(number)[axis] - min(number, 1)) + self.levels - max(number - 1, 0)
            for number in range(self.levels + 1)
        )


@dataclass(frozen=True, slots=True)
class CodingStyle:
    """COD with the COC of single components (T.800 A.6.1, A.6.2)."""

    progression: int
    layers: int
    has_component_transform: bool
    has_sop: bool
    has_eph: bool
    default: BlockStyle
    components: Mapping[int, BlockStyle] = field(default_factory=dict)

    def of(self, component: int) -> BlockStyle:
        return self.components.get(component, self.default)


@dataclass(frozen=True, slots=True)
class MainHeader:
    """All that holds for the whole codestream. `markers`: the segments it has. `stop`: where its first SOT begins."""

    size: ImageSize
    style: CodingStyle
    markers: frozenset[int]
    capabilities: int
    stop: int

    @property
    def is_high_throughput(self) -> bool:
        """Part 15 (HTJ2K)."""
        styles = (self.style.default, *self.style.components.values())
        return bool(
            self.capabilities & _HIGH_THROUGHPUT_CAPABILITY
            or any(style.flags & HIGH_THROUGHPUT_BLOCKS for style in styles)
        )


def parse_main_header(window: Window, start: int, stop: int, limits: SourceLimits) -> Parser[MainHeader]:
    """The main header of the codestream in the bytes `start` to `stop`.

    Raises DamagedError where it can't be one, TooLargeError where SIZ claims more than the limits allow.
    """
    if (yield from _read_marker(window, start, stop)) != SOC:
        raise DamagedError("The JPEG 2000 image data does not begin with its start marker.")
    size: ImageSize | None = None
    style: CodingStyle | None = None
    overrides: dict[int, BlockStyle] = {}
    capabilities = count = 0
    markers: set[int] = set()
    at = start + 2
    while (marker := (yield from _read_marker(window, at, stop))) != SOT:
        if size is None and marker != SIZ:
            raise DamagedError("The JPEG 2000 header does not begin with the size of the image.")
        markers.add(marker)
        count += 1
        if count > MAX_SEGMENTS:
            raise DamagedError("The JPEG 2000 header has more segments than any image needs.")
        length = yield from segment_length(window, marker, at, stop)
        if marker in {SIZ, CAP, COD, COC}:
            data = yield from window.fetch(at + 4, length - 2, "The JPEG 2000 header")
            if marker == SIZ:
                size = parse_size(data, limits)
            elif marker == CAP:
                capabilities = int.from_bytes(data[:4], "big")
            elif marker == COD:
                style = parse_coding_style(data)
            elif size:
                component, override = parse_component_style(data, len(size.components))
                overrides[component] = override
        at += 2 + length
    if size is None or style is None or QCD not in markers:
        raise DamagedError("The JPEG 2000 header lacks its size, coding style or quantization.")
    return MainHeader(size, replace(style, components=overrides), frozenset(markers), capabilities, at)


def _read_marker(window: Window, at: int, stop: int) -> Parser[int]:
    if at + 2 > stop:
        raise DamagedError("The JPEG 2000 header ends too early: the file was probably cut off during copying.")
    return int.from_bytes((yield from window.fetch(at, 2, "The JPEG 2000 header")), "big")


def segment_length(window: Window, marker: int, at: int, stop: int) -> Parser[int]:
    """Bytes of the segment whose marker is at `at`, with its length field but without the marker.

    Raises DamagedError for what is no marker, or can't stand in a header, or reaches beyond `stop`.
    """
    if marker in _BARE:
        return 0
    if marker < 0xFF01 or marker in {SOC, SOD, EOC}:
        raise DamagedError(f"The JPEG 2000 header is damaged: {marker:04X} is not a marker that it may hold.")
    length = int.from_bytes((yield from window.fetch(at + 2, 2, "The JPEG 2000 header")), "big")
    if length < 2 or at + 2 + length > stop:
        raise DamagedError(f"The JPEG 2000 header is damaged or cut off: its segment {marker:04X} has a wrong length.")
    return length


def parse_size(data: bytes, limits: SourceLimits) -> ImageSize:
    """SIZ without marker and length (T.800 A.5.1)."""
    if len(data) < 36:
        raise DamagedError("The size of the JPEG 2000 image is not all there.")
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = (
        int.from_bytes(data[at : at + 4], "big") for at in range(2, 34, 4)
    )
    count = int.from_bytes(data[34:36], "big")
    if not 1 <= count <= _COMPONENTS or len(data) < 36 + 3 * count:
        raise DamagedError(f"The JPEG 2000 header claims {count:,} components and does not describe as many.")
    if count > limits.max_components:
        raise TooLargeError(f"The image has {count:,} components; at most {limits.max_components:,} are allowed.")
    if not (left < right and top < bottom):
        raise DamagedError("The JPEG 2000 header describes an image without any pixel.")
    if not (tile_left <= left < tile_left + tile_width and tile_top <= top < tile_top + tile_height):
        raise DamagedError("The JPEG 2000 header describes tiles that do not cover the image.")
    components = tuple(_parse_component(data[36 + 3 * at : 39 + 3 * at]) for at in range(count))
    profile = int.from_bytes(data[:2], "big")
    return ImageSize(profile, left, top, right, bottom, tile_left, tile_top, tile_width, tile_height, components)


def _parse_component(data: bytes) -> Component:
    bits = (data[0] & 0x7F) + 1
    if bits > _BITS or not data[1] or not data[2]:
        raise DamagedError("The JPEG 2000 header describes a component that can't be.")
    return Component(dx=data[1], dy=data[2], bits=bits, signed=bool(data[0] & 0x80))


def parse_coding_style(data: bytes) -> CodingStyle:
    """COD without marker and length (T.800 A.6.1)."""
    if len(data) < 10:
        raise DamagedError("The coding style of the JPEG 2000 image is not all there.")
    flags, progression = data[0], data[1]
    layers = int.from_bytes(data[2:4], "big")
    if progression >= len(PROGRESSIONS) or not layers:
        raise DamagedError("The JPEG 2000 header names a progression order or a number of layers that can't be.")
    return CodingStyle(
        progression=progression,
        layers=layers,
        has_component_transform=bool(data[4]),
        has_sop=bool(flags & 2),
        has_eph=bool(flags & 4),
        default=_parse_block_style(data[5:], has_precincts=bool(flags & 1)),
    )


def parse_component_style(data: bytes, components: int) -> tuple[int, BlockStyle]:
    """COC without marker and length: the component's number, in one byte or two, and its style (T.800 A.6.2)."""
    number_bytes = 1 if components < 257 else 2
    if len(data) < number_bytes + 6:
        raise DamagedError("The coding style of a JPEG 2000 component is not all there.")
    component = int.from_bytes(data[:number_bytes], "big")
    if component >= components:
        raise DamagedError(f"The JPEG 2000 header describes component {component + 1} of {components}.")
    style = _parse_block_style(data[number_bytes + 1 :], has_precincts=bool(data[number_bytes] & 1))
    return component, style


def _parse_block_style(data: bytes, *, has_precincts: bool) -> BlockStyle:
    levels, width, height, flags, transform = data[0], (data[1] & 15) + 2, (data[2] & 15) + 2, data[3], data[4]
    if levels > _LEVELS or width > 10 or height > 10 or width + height > 12:
        raise DamagedError("The JPEG 2000 header names a number of levels or a code-block size that can't be.")
    if transform not in TRANSFORMS:
        raise NotSupportedError("The image uses a wavelet of JPEG 2000 Part 2, which is not supported.")
    if not has_precincts:
        return BlockStyle(levels, width, height, flags, transform, ())
    if len(data) < 6 + levels:
        raise DamagedError("The precinct sizes of the JPEG 2000 image are not all there.")
    precincts = tuple((byte & 15, byte >> 4) for byte in data[5 : 6 + levels])
    if any(0 in precinct for precinct in precincts[1:]):
        raise DamagedError("The JPEG 2000 header names a precinct size that can't be.")
    return BlockStyle(levels, width, height, flags, transform, precincts)
