"""What is known of a source once its headers were read: the value that ingest stores and decoders plan with."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class SourceFormat(enum.StrEnum):
    """A format that a source may be in. Output formats are `images.iiif.output.OutputFormat`."""

    TIFF = "tiff"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    JP2 = "jp2"


@dataclass(frozen=True, slots=True)
class Level:
    """One stored resolution of the source, in the orientation in which it is stored.

    `width`, `height`: pixels. `tile_width`, `tile_height`: pixels, or None where the level is stored in strips or as a
    whole. `page`: the TIFF directory (0-based), `subifd`: the SubIFD of that page (0-based) or None, `reduction`: the
    number of JPEG 2000 resolution levels left out (0 = full).
    """

    width: int
    height: int
    tile_width: int | None = None
    tile_height: int | None = None
    page: int = 0
    subifd: int | None = None
    reduction: int = 0


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """The facts of a source. `width` and `height` are as served: after `orientation` (EXIF/TIFF 1 to 8) was applied.

    `levels` begin with the full resolution and shrink; there is always at least one. `colour` is one of gray, bilevel,
    rgb, palette, ycbcr, cmyk, lab, other. `bits_per_sample` is that of the deepest component. `detail` holds what only
    one format has (JPEG 2000: progression, layers, precincts, tile size …; TIFF: compression, photometric …) and holds
    JSON values only.
    """

    source_format: SourceFormat
    width: int
    height: int
    levels: tuple[Level, ...]
    orientation: int = 1
    bands: int = 3
    bits_per_sample: int = 8
    colour: str = "rgb"
    has_alpha: bool = False
    has_icc_profile: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_grayscale(self) -> bool:
        return self.colour in {"gray", "bilevel"}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SourceDescription":
        values = dict(data)
        values["source_format"] = SourceFormat(values["source_format"])
        values["levels"] = tuple(Level(**level) for level in values["levels"])
        return cls(**values)
