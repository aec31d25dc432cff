"""Where the files of a level 0 service lie: what viewers ask for where nothing answers but files.

(Image API 3.0 §4.8 and Implementation notes on tiling, 2.1 the same; the 3.0 and 2.1 compliance documents for level 0.)
"""

from images.iiif.geometry import Region, Size
from images.iiif.output import OutputFormat, Quality
from images.iiif.version import ApiVersion

THUMBNAIL_PIXELS = 1024
"""The longer side of the largest whole image that a tree holds beside its tiles."""


def static_path(
    region: Region, size: Size, full: Size, api_version: ApiVersion, quality: Quality, output_format: OutputFormat
) -> str:
    """`region/size/0/quality.format` below the image's folder, as viewers spell it.

    The whole image is `full`, and unscaled it is `max` (in 2.1 `full`). Other regions are `x,y,w,h`, also unscaled,
    where the canonical form would have `max`; their size is `w,h`, in 2.1 `w,`.
    """
    is_whole = region == Region(0, 0, full.width, full.height)
    where = "full" if is_whole else f"{region.x},{region.y},{region.width},{region.height}"
    return f"{where}/{_size(size, full, api_version, is_whole=is_whole)}/0/{quality}.{output_format}"


def _size(size: Size, full: Size, api_version: ApiVersion, *, is_whole: bool) -> str:
    if is_whole and size == full:
        return "full" if api_version is ApiVersion.V2 else "max"
    if api_version is ApiVersion.V3:
        return f"{size.width},{size.height}"
    return "full" if size.width == full.width else f"{size.width},"
