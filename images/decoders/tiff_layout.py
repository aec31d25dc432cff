"""The head of a TIFF file whose pixels follow uncompressed, from the top: all of it is known before the first pixel.

TIFF 6.0; BigTIFF where the file needs it.
"""

import struct
from dataclasses import dataclass

_STRIP_BYTES = 1 << 18
_MOST_CLASSIC_BYTES = (1 << 32) - (1 << 20)
"""Of pixels and profile: so there is room for the rest of the head."""
_SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 3, 4, 5, 7, 16
_TYPE_BYTES = {_SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1, _LONG8: 8}
_BLACK_IS_ZERO, _RGB, _SEPARATED = 1, 2, 5
_UNASSOCIATED_ALPHA = 2
_RESOLUTION_UNIT_INCH = 2

_Value = tuple[int, int, bytes]  # type, count, values


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """`bands` of `bits` (8, or 1 for a single band): 1 of gray, 3 of colour, 4 with `is_cmyk`; one more is alpha.

    `dots_per_inch` and an ICC `profile` are written where they are given.
    """

    width: int
    height: int
    bands: int
    bits: int = 8
    is_cmyk: bool = False
    dots_per_inch: int | None = None
    profile: bytes | None = None

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.bands * self.bits // 8)

    def head(self) -> bytes:
        """All that comes before the pixels."""
        is_big = self.row_bytes * self.height + len(self.profile or b"") > _MOST_CLASSIC_BYTES
        length = len(self._head(0, is_big=is_big))
        return self._head(length, is_big=is_big)

    def _head(self, pixels: int, *, is_big: bool) -> bytes:
        """`pixels`: where they begin, which is where this ends."""
        entries = sorted(self._entries(pixels, _LONG8 if is_big else _LONG).items())
        offset_format, count_format, start = ("<Q", "<Q", 16) if is_big else ("<I", "<H", 8)
        inline = struct.calcsize(offset_format)
        entry_bytes = 4 + 2 * inline
        after = start + struct.calcsize(count_format) + entry_bytes * len(entries) + inline
        head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if is_big else struct.pack("<2sHI", b"II", 42, 8)
        directory = [head, struct.pack(count_format, len(entries))]
        values: list[bytes] = []
        for tag, (type_, count, value) in entries:
            directory.append(struct.pack("<HH", tag, type_) + struct.pack(offset_format, count))
            if len(value) <= inline:
                directory.append(value.ljust(inline, b"\0"))
                continue
            directory.append(struct.pack(offset_format, after))
            values.append(value + b"\0" * (len(value) % 2))  # values begin at even offsets
            after += len(values[-1])
        return b"".join([*directory, bytes(inline), *values])

    def _entries(self, pixels: int, offset_type: int) -> dict[int, _Value]:
        rows = max(1, _STRIP_BYTES // self.row_bytes)
        starts = range(0, self.height, rows)
        offsets = [pixels + row * self.row_bytes for row in starts]
        counts = [min(rows, self.height - row) * self.row_bytes for row in starts]
        has_alpha = self.bands - 4 * self.is_cmyk in ({1} if self.is_cmyk else {2, 4})
        colours = self.bands - has_alpha
        photometric = _SEPARATED if self.is_cmyk else _RGB if colours >= 3 else _BLACK_IS_ZERO
        entries = {
            256: _numbers(_LONG, self.width),  # ImageWidth
            257: _numbers(_LONG, self.height),  # ImageLength
            258: _numbers(_SHORT, *[self.bits] * self.bands),  # BitsPerSample
            259: _numbers(_SHORT, 1),  # Compression: none
            262: _numbers(_SHORT, photometric),  # PhotometricInterpretation
            273: _numbers(offset_type, *offsets),  # StripOffsets
            277: _numbers(_SHORT, self.bands),  # SamplesPerPixel
            278: _numbers(_LONG, rows),  # RowsPerStrip
            279: _numbers(_LONG, *counts),  # StripByteCounts
            284: _numbers(_SHORT, 1),  # PlanarConfiguration: chunky
        }
        if has_alpha:
            entries[338] = _numbers(_SHORT, _UNASSOCIATED_ALPHA)  # ExtraSamples
        if self.dots_per_inch is not None:
            resolution = (_RATIONAL, 1, struct.pack("<II", self.dots_per_inch, 1))
            entries |= {282: resolution, 283: resolution, 296: _numbers(_SHORT, _RESOLUTION_UNIT_INCH)}
        if self.profile:
            entries[34675] = (_UNDEFINED, len(self.profile), self.profile)
        return entries


def _numbers(type_: int, *values: int) -> _Value:
    letter = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}[type_]
    return type_, len(values), struct.pack(f"<{len(values)}{letter}", *values)
