"""What is asked of a decoder: a resolved IIIF request in plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from images.decoders.options import EncodeOptions
from images.iiif.geometry import Region, Size


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """A derivative of an image.

    `region`: pixels of the full image as served (after its orientation was applied). `size`: pixels before the
    rotation. `degrees`: decimal text, clockwise, 0 <= degrees < 360, after mirroring left to right. `quality`:
    default, color, gray or bitonal. `format`: jpg, png, webp, gif, tif, avif, jp2 or pdf.
    """

    region: Region
    size: Size
    mirrored: bool = False
    degrees: str = "0"
    quality: str = "default"
    format: str = "jpg"
    options: EncodeOptions = field(default_factory=EncodeOptions)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RenderRequest":
        values = dict(data)
        values["region"] = Region(**values["region"])
        values["size"] = Size(**values["size"])
        values["options"] = EncodeOptions(**values["options"])
        return cls(**values)
