"""Open TIFF, JPEG, PNG, WebP, GIF and AVIF with the one libvips loader that each needs."""

import os
from typing import Any

import pyvips

from images.decoders import libvips
from images.decoders.errors import DamagedSourceError
from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.indexes.description import Level, SourceFormat

LOADERS = {
    SourceFormat.TIFF: "tiffload_source",
    SourceFormat.JPEG: "jpegload_source",
    SourceFormat.PNG: "pngload_source",
    SourceFormat.WEBP: "webpload_source",
    SourceFormat.GIF: "gifload_source",
    SourceFormat.AVIF: "heifload_source",
}


def load_region(plan: DecodePlan, source: SourceData) -> pyvips.Image:
    """The rectangle that the plan reads. Pixels are decoded only as they are asked for.

    Raises DamagedSourceError where the headers don't agree with what was planned for.
    """
    level = plan.level
    image = _load_strictly(plan, source) if plan.is_strict else load(plan.source_format, source, **_options(plan))
    if (image.width, image.height) != (level.width, level.height):
        raise DamagedSourceError(
            f"The file is not what it was when it was indexed: {image.width} × {image.height} "
            f"pixels instead of {level.width} × {level.height}.",
            "changed",
        )
    if image.hasalpha() and not plan.has_alpha:  # libtiff adds some where it converts
        image = image.extract_band(0, n=image.bands - 1)
    x, y = plan.horizontal, plan.vertical
    if (x.length, y.length) == (image.width, image.height):
        return image
    return image.crop(x.start, y.start, x.length, y.length)


def _load_strictly(plan: DecodePlan, source: SourceData) -> pyvips.Image:
    """libvips takes for a mere warning that a tile could not be unpacked. What its headers warn of is let pass."""
    try:
        return load(plan.source_format, source, fail_on="warning", **_options(plan))
    except pyvips.Error:
        return load(plan.source_format, source, **_options(plan))


def load(source_format: SourceFormat, source: SourceData, **options: Any) -> pyvips.Image:
    """Open by the loader's name: libvips never guesses what a file is."""
    opened = open_source(source)
    return pyvips.Operation.call(LOADERS[source_format], opened, **{"fail_on": "error", **options})


def open_source(source: SourceData) -> pyvips.Source:
    """libvips duplicates the file descriptor, but shares its position: so it is set back first."""
    if source.fd is None:
        return pyvips.Source.new_from_memory(source.data)
    os.lseek(source.fd, 0, os.SEEK_SET)
    return pyvips.Source.new_from_descriptor(source.fd)


def _options(plan: DecodePlan) -> dict[str, Any]:
    if plan.source_format is SourceFormat.TIFF:
        return _tiff_options(plan.level)
    options: dict[str, Any] = {"access": "sequential"}
    if plan.shrink > 1:
        if plan.source_format is SourceFormat.WEBP:
            options["scale"] = 1 / plan.shrink
        else:
            options["shrink"] = plan.shrink
    return options


def _tiff_options(level: Level) -> dict[str, Any]:
    """Tiles can be read in any order; strips are read once, from the top."""
    access = "random" if level.tile_width else "sequential"
    options: dict[str, Any] = {"access": access, "page": level.page}
    if level.subifd is not None:
        options["subifd"] = level.subifd
    return options


libvips.settle()
