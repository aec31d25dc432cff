"""What a service copy will be, how many bytes it will have and what making it takes. Pure.

A service copy is a pyramidal TIFF whose JPEG tiles are the very tiles that info.json advertises.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from images.decoders.errors import DecodeLimitError, UnsupportedSourceError
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.iiif.geometry import Region, Size
from images.iiif.tiles import reduced_size, scale_factors
from images.indexes.description import SourceDescription, SourceFormat

COPY_REVISION = 1
"""Raised whenever the same source and options give another copy than before, so that answers get other names."""

TILE_UNIT = 16
"""TileWidth and TileLength are multiples of this (TIFF 6.0, section 15)."""

_STRIPS_HELD = 6
"""Rows of tiles in memory: those of all levels together take less than three, each twice for a moment."""

_FULL_CHROMA_FROM = 90
"""JPEG quality: below it, chrominance is half as fine along both axes, as libvips has it too."""

_MEASURED_PIXELS = 1024
_MEASURED_ROWS = 64


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """`quality`: of JPEG, 1 to 100. `background`: #rrggbb, behind what is transparent."""

    quality: int = 90
    background: str = "#ffffff"

    @property
    def is_subsampled(self) -> bool:
        return self.quality < _FULL_CHROMA_FROM


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """`tile`: pixels of a tile's side, as info.json says. A value that travels as JSON."""

    description: SourceDescription
    tile: int
    options: CopyOptions

    @property
    def full(self) -> Size:
        return Size(self.description.width, self.description.height)

    @property
    def levels(self) -> tuple[Size, ...]:
        """From large to small: the full image at each advertised scale factor, rounded up as clients do."""
        factors = scale_factors(self.full, Size(self.tile, self.tile))
        return tuple(reduced_size(self.full, factor) for factor in factors)

    @property
    def fingerprint(self) -> str:
        """A short name of what makes the copy's pixels differ from another copy's of the same source."""
        background = f"b{self.options.background.removeprefix('#')}" if self.description.has_alpha else ""
        return f"r{COPY_REVISION}q{self.options.quality}t{self.tile}{background}"

    @property
    def planned(self) -> DecodePlan:
        """What is decoded: all of the full image, from top to bottom."""
        whole = Region(0, 0, self.full.width, self.full.height)
        # No format is made of it, but this one has no limits.
        return plan(self.description, RenderRequest(region=whole, size=whole.size, format="png"))

    @property
    def memory_bytes(self) -> int:
        """Estimate of the peak of the process that makes the copy."""
        strip = self.full.width * self.tile * max(1, self.description.bands)
        return self.planned.memory_bytes + strip * _STRIPS_HELD

    def check(self, memory_limit: int) -> None:
        """Raises UnsupportedSourceError or DecodeLimitError where there can be no such copy."""
        if self.tile % TILE_UNIT:
            raise UnsupportedSourceError(
                f"The tiles of this image are {self.tile} pixels wide; those of a TIFF are multiples of {TILE_UNIT}."
            )
        needed = self.memory_bytes
        if needed > memory_limit:
            raise DecodeLimitError(
                f"A service copy of this image would need about {needed // 1_000_000} MB of memory, more than the "
                f"{memory_limit // 1_000_000} MB that are allowed.",
                "out_of_memory",
            )

    def to_json(self) -> dict[str, Any]:
        return {"description": self.description.to_json(), "tile": self.tile, "options": asdict(self.options)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CopyPlan":
        return cls(SourceDescription.from_json(data["description"]), data["tile"], CopyOptions(**data["options"]))


# --- Estimates --------------------------------------------------------------------------------------------------------

ROUGH_FACTOR = 4
"""A rough estimate is right within this factor for photographs, maps and writing; blank pages take less."""

MEASURED_FACTOR = 2
"""A measured one within this."""

_BITS_A_PIXEL = ((50, 0.8), (75, 1.3), (85, 1.9), (90, 3.2), (95, 4.6), (100, 9.0))
"""Of a colour photograph by JPEG quality, of the whole pyramid's pixels; linear in between."""

_GRAY_SHARE = 0.75
_TILE_BYTES = 60
"""A tile's headers and its place in the lists."""


def pyramid_pixels(full: Size, tile: int) -> int:
    """All pixels of all levels, those at an end that are no whole tile counted twice, as they are stored."""
    total = 0
    for factor in scale_factors(full, Size(tile, tile)):
        level = reduced_size(full, factor)
        whole = Size(level.width - level.width % tile, level.height - level.height % tile)
        total += level.area * 2 - whole.area
    return total


def rough_byte_size(full: Size, tile: int, quality: int, *, is_grayscale: bool = False) -> int:
    """Bytes of a copy, from what pictures mostly take; nothing is read for it."""
    bits = _bits_a_pixel(quality) * (_GRAY_SHARE if is_grayscale else 1)
    return measured_byte_size(full, tile, bits)


def measured_byte_size(full: Size, tile: int, bits_a_pixel: float) -> int:
    """Bytes of a copy whose tiles take so many bits a pixel."""
    pixels = pyramid_pixels(full, tile)
    return round(pixels * bits_a_pixel / 8) + 1_000 + _TILE_BYTES * (pixels // (tile * tile) + 1)


def _bits_a_pixel(quality: int) -> float:
    below = _BITS_A_PIXEL[0]
    for above in _BITS_A_PIXEL:
        if quality <= above[0]:
            if above[0] == below[0]:
                return above[1]
            share = (quality - below[0]) / (above[0] - below[0])
            return below[1] + share * (above[1] - below[1])
        below = above
    return below[1]


def measured_requests(copy: CopyPlan) -> tuple[RenderRequest, ...]:
    """Samples whose bytes as JPEG tell how many bits a pixel takes: from the middle and around it, at full size.

    Where every region costs the whole image, one stripe across it.
    """
    full, level = copy.full, copy.description.levels[0]
    if level.tile_width and copy.description.source_format in {SourceFormat.TIFF, SourceFormat.JP2}:
        side = min(copy.tile, full.width, full.height)
        places = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (2, 3), (3, 3))
        regions = {Region((full.width - side) * x // 4, (full.height - side) * y // 4, side, side) for x, y in places}
    else:
        rows = min(_MEASURED_ROWS * 4, full.height)
        regions = {Region(0, (full.height - rows) // 2, min(full.width, 65_500), rows)}
    ordered = sorted(regions, key=lambda region: (region.y, region.x))
    return tuple(RenderRequest(region=region, size=region.size) for region in ordered)


def with_quality(request: RenderRequest, options: CopyOptions) -> RenderRequest:
    chosen = replace(request.options, jpeg_quality=options.quality, background=options.background)
    return replace(request, options=chosen)
