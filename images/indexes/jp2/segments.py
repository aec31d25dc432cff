"""The segments of main and tile-part headers, as bytes: those that a new codestream takes over, and those that list
packets (T.800 annex A)."""

from dataclasses import dataclass, replace

from images.indexes.errors import DamagedError, NotSupportedError, TooLargeError
from images.indexes.jp2 import markers
from images.indexes.jp2.markers import CodingStyle
from images.indexes.parsing import Parser, Window

QCC = 0xFF5D

_COMPONENT_BYTES_FROM = 257
"""Components from which on their numbers take two bytes (T.800 A.6.2)."""

_TAKEN_OVER = {
    markers.SIZ,
    markers.CAP,
    markers.COD,
    markers.COC,
    markers.QCD,
    QCC,
    markers.RGN,
}
_LISTS = {markers.PLT, markers.PPM, markers.PPT, markers.POC}
_PASSED_OVER = {markers.TLM, markers.PLM, 0xFF56, 0xFF59, 0xFF63, 0xFF64}
"""TLM, PLM, PRF, CPF, CRG, COM: no pixel depends on them."""

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Of coding parameters, packet lists and packed headers of one codestream, which are held until it has been read: two
million packets take six million bytes to list."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker and what follows its length."""

    marker: int
    data: bytes


@dataclass(frozen=True, slots=True)
class HeaderSegments:
    """What one header holds, in its order. `stop`: where it ends: at SOT, or behind SOD."""

    taken_over: tuple[Segment, ...]
    lists: tuple[Segment, ...]
    stop: int

    @property
    def kept_bytes(self) -> int:
        return sum(len(segment.data) for segment in (*self.taken_over, *self.lists))

    def listed(self, marker: int) -> tuple[bytes, ...]:
        return tuple(segment.data for segment in self.lists if segment.marker == marker)


@dataclass(frozen=True, slots=True)
class ProgressionChange:
    """One line of POC: the packets that come next (T.800 A.6.6). Stops are exclusive."""

    resolution_start: int
    component_start: int
    layer_stop: int
    resolution_stop: int
    component_stop: int
    progression: int


def parse_segments(window: Window, at: int, stop: int, until: int) -> Parser[HeaderSegments]:
    """The segments from `at` up to the marker `until`.

    Raises DamagedError, or NotSupportedError where an extension may change what packets mean.
    """
    taken_over: list[Segment] = []
    lists: list[Segment] = []
    kept_bytes = 0
    for _ in range(markers.MAX_SEGMENTS):
        if at + 2 > stop:
            raise DamagedError("A header of the JPEG 2000 image data ends too early.")
        marker = int.from_bytes((yield from window.fetch(at, 2, "A JPEG 2000 header")), "big")
        if marker == until:
            return HeaderSegments(tuple(taken_over), tuple(lists), at + (2 if marker == markers.SOD else 0))
        length = yield from markers.segment_length(window, marker, at, stop)
        if marker in _TAKEN_OVER or marker in _LISTS:
            data = yield from window.fetch(at + 4, length - 2, "A JPEG 2000 header")
            (taken_over if marker in _TAKEN_OVER else lists).append(Segment(marker, data))
            kept_bytes += len(data)
            if kept_bytes > MAX_KEPT_BYTES:
                raise TooLargeError("The JPEG 2000 headers are longer than what is kept of them.")
        elif length and marker not in _PASSED_OVER:
            raise NotSupportedError(f"The JPEG 2000 header has an extension (marker {marker:04X}) that is not known.")
        at += 2 + length
    raise DamagedError("A JPEG 2000 header has more segments than any image needs.")


def coding_style(segments: tuple[Segment, ...], components: int, main: CodingStyle | None = None) -> CodingStyle:
    """COD and COC of a header; those of a tile go before `main`, its COD also before the main COC (T.800 A.6.2)."""
    style = main
    overrides = {}
    for segment in segments:
        if segment.marker == markers.COD:
            style = markers.parse_coding_style(segment.data)
        elif segment.marker == markers.COC:
            component, override = markers.parse_component_style(segment.data, components)
            overrides[component] = override
    if style is None:
        raise DamagedError("The JPEG 2000 header lacks its coding style.")
    return replace(style, components={**style.components, **overrides})


def parse_changes(data: bytes, components: int) -> tuple[ProgressionChange, ...]:
    """POC without marker and length."""
    width = 1 if components < _COMPONENT_BYTES_FROM else 2
    line = 5 + 2 * width
    if not data or len(data) % line:
        raise DamagedError("A list of changes of the progression order is not all there.")
    return tuple(_parse_change(data[at : at + line], width, components) for at in range(0, len(data), line))


def _parse_change(line: bytes, width: int, components: int) -> ProgressionChange:
    progression = line[4 + 2 * width]
    if progression >= len(markers.PROGRESSIONS):
        raise DamagedError("The JPEG 2000 header names a progression order that can't be.")
    component_stop = int.from_bytes(line[4 + width : 4 + 2 * width], "big") or (256 if width == 1 else 16_384)
    return ProgressionChange(
        resolution_start=line[0],
        component_start=int.from_bytes(line[1 : 1 + width], "big"),
        layer_stop=int.from_bytes(line[1 + width : 3 + width], "big"),
        resolution_stop=line[3 + width],
        component_stop=min(component_stop, components),
        progression=progression,
    )
