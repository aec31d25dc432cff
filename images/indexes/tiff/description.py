"""From the directories of a TIFF file to what a decoder and a curator need to know of it."""

from typing import Any

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.tiff import codes, tags
from images.indexes.tiff.directories import Layout, read_integer, read_integers, read_rational, read_text
from images.indexes.tiff.page import Page
from images.indexes.tiff.structure import Structure, parse_structure

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}


def describe(byte_size: int, limits: SourceLimits | None = None) -> Parser[SourceDescription]:
    """A parser of a TIFF file of `byte_size` bytes.

    Raises IndexingError: DamagedError, TooLargeError or NotSupportedError.
    """
    window = Window(byte_size)
    structure = yield from parse_structure(window, limits or SourceLimits())
    return (yield from describe_structure(window, structure))


def describe_structure(window: Window, structure: Structure) -> Parser[SourceDescription]:
    """The description that follows from a walk that was made already."""
    detail = yield from _describe_detail(window, structure.layout, structure.full)
    detail |= {"pages": structure.page_count, "image_description": structure.image_description}
    return _to_description(structure.full, tuple(_to_level(page) for page in structure.levels), detail)


def _describe_detail(window: Window, layout: Layout, page: Page) -> Parser[dict[str, Any]]:
    """What only a TIFF has; JSON values."""
    fields = page.directory.fields
    unit = yield from read_integer(window, layout, page.directory, tags.RESOLUTION_UNIT, 2)
    subsampling = yield from read_integers(window, layout, page.directory, tags.YCBCR_SUBSAMPLING, 2)
    return {
        "byte_order": layout.byte_order,
        "is_big_tiff": layout.is_big_tiff,
        "compression": page.compression,
        "compression_name": codes.COMPRESSIONS[page.compression],
        "predictor": (yield from read_integer(window, layout, page.directory, tags.PREDICTOR, 1)),
        "photometric": page.photometric,
        "samples_per_pixel": page.samples_per_pixel,
        "bits_per_sample": list(page.bits_per_sample),
        "sample_format": codes.SAMPLE_FORMATS.get(page.sample_format, str(page.sample_format)),
        "planar_configuration": "separate" if page.planar_configuration == tags.PLANAR_SEPARATE else "contiguous",
        "extra_samples": list(page.extra_samples),
        "rows_per_strip": None if page.is_tiled else page.rows_per_strip,
        "ycbcr_subsampling": list(subsampling),
        "has_jpeg_tables": tags.JPEG_TABLES in fields,
        "has_color_map": tags.COLOR_MAP in fields,
        "x_resolution": (yield from read_rational(window, layout, page.directory, tags.X_RESOLUTION)),
        "y_resolution": (yield from read_rational(window, layout, page.directory, tags.Y_RESOLUTION)),
        "resolution_unit": _RESOLUTION_UNITS.get(unit or 0, "none"),
        "software": (yield from read_text(window, page.directory, tags.SOFTWARE)),
    }


def _to_level(page: Page) -> Level:
    place = page.directory
    return Level(page.width, page.height, page.tile_width, page.tile_height, page=place.page, subifd=place.subifd)


def _to_description(page: Page, levels: tuple[Level, ...], detail: dict[str, Any]) -> SourceDescription:
    width, height = page.width, page.height
    if page.orientation in codes.SWAPPED_ORIENTATIONS:
        width, height = height, width
    colour = codes.PHOTOMETRICS.get(page.photometric, "other")
    bits = max(page.bits_per_sample)
    return SourceDescription(
        source_format=SourceFormat.TIFF,
        width=width,
        height=height,
        levels=levels,
        orientation=page.orientation,
        bands=3 if colour == "palette" else page.samples_per_pixel,
        bits_per_sample=8 if colour == "palette" else bits,
        colour="bilevel" if colour == "gray" and bits == 1 else colour,
        has_alpha=not codes.ALPHA_SAMPLES.isdisjoint(page.extra_samples),
        has_icc_profile=tags.ICC_PROFILE in page.directory.fields,
        detail=detail,
    )
