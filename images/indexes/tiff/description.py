"""From the directories of a TIFF file to what a decoder and a curator need to know of it."""

from typing import Any

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.errors import NotSupportedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.tiff import codes, tags
from images.indexes.tiff.page import Page, check_pieces, parse_page
from images.indexes.tiff.pyramid import find_levels
from images.indexes.tiff.tags import Directory, Layout

_APERIO = "Aperio"
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}


def describe(byte_size: int, limits: SourceLimits | None = None) -> Parser[SourceDescription]:
    """A parser of a TIFF file of `byte_size` bytes. The image is the first page; its pyramid is found in the others.

    Raises IndexingError: DamagedError, TooLargeError or NotSupportedError.
    """
    limits = limits or SourceLimits()
    window = Window(byte_size)
    layout, first = yield from tags.parse_header(window)
    directories = yield from tags.parse_chain(window, layout, first, limits)
    full = yield from parse_page(window, layout, directories[0], limits)
    _check_readable(full)
    _check_size(full, limits)
    text = yield from tags.read_text(window, directories[0], tags.IMAGE_DESCRIPTION)
    reduced = yield from _parse_reduced(window, layout, directories, limits)
    pages = find_levels(full, reduced, tiled_only=text.startswith(_APERIO))
    for page in pages:
        yield from check_pieces(window, layout, page, limits)
    detail = yield from _describe_detail(window, layout, full)
    detail |= {"pages": len(directories), "image_description": text}
    return _to_description(full, tuple(_to_level(page) for page in pages), detail)


def _check_readable(page: Page) -> None:
    name = codes.COMPRESSIONS.get(page.compression)
    if page.compression in codes.UNREADABLE_COMPRESSIONS or name is None:
        known = f"{name} (number {page.compression})" if name else f"a method with the number {page.compression}"
        raise NotSupportedError(
            f"The image is compressed by {known}, which is not supported in TIFF here. "
            f"Save it with JPEG, LZW, Deflate or no compression."
        )
    if page.photometric in codes.RAW_PHOTOMETRICS:
        raise NotSupportedError("This is a raw camera image (DNG), which must be developed into pixels first.")


def _check_size(page: Page, limits: SourceLimits) -> None:
    pixels = page.width * page.height
    allowed = limits.max_pixels_tiled if page.is_tiled else limits.max_pixels_untiled
    if pixels <= allowed:
        return
    size = f"The image has {page.width:,} × {page.height:,} = {pixels:,} pixels"
    if page.is_tiled:
        raise TooLargeError(f"{size}; at most {allowed:,} are allowed.")
    raise TooLargeError(
        f"{size} and is stored in strips, so that any part of it costs the whole; at most {allowed:,} are "
        f"allowed. Save it as a tiled, pyramidal TIFF (then at most {limits.max_pixels_tiled:,})."
    )


def _parse_reduced(
    window: Window, layout: Layout, directories: tuple[Directory, ...], limits: SourceLimits
) -> Parser[tuple[Page, ...]]:
    """What may be levels: the pages after the first, then its SubIFDs."""
    offsets = yield from tags.read_integers(window, layout, directories[0], tags.SUB_IFDS, limits.max_ifds + 1)
    if len(offsets) + len(directories) > limits.max_ifds:
        raise TooLargeError(f"The file has more than {limits.max_ifds:,} pages and smaller versions of pages.")
    candidates = list(directories[1:])
    for subifd, offset in enumerate(offsets):
        candidates.append((yield from tags.parse_directory(window, layout, offset, limits, 0, subifd)))
    found: tuple[Page, ...] = ()
    for directory in candidates:
        if tags.IMAGE_WIDTH in directory.fields and tags.IMAGE_LENGTH in directory.fields:
            found += ((yield from parse_page(window, layout, directory, limits)),)
    return found


def _describe_detail(window: Window, layout: Layout, page: Page) -> Parser[dict[str, Any]]:
    """What only a TIFF has; JSON values."""
    fields = page.directory.fields
    unit = yield from tags.read_integer(window, layout, page.directory, tags.RESOLUTION_UNIT, 2)
    subsampling = yield from tags.read_integers(window, layout, page.directory, tags.YCBCR_SUBSAMPLING, 2)
    return {
        "byte_order": layout.byte_order,
        "is_big_tiff": layout.is_big_tiff,
        "compression": page.compression,
        "compression_name": codes.COMPRESSIONS[page.compression],
        "predictor": (yield from tags.read_integer(window, layout, page.directory, tags.PREDICTOR, 1)),
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
        "x_resolution": (yield from tags.read_rational(window, layout, page.directory, tags.X_RESOLUTION)),
        "y_resolution": (yield from tags.read_rational(window, layout, page.directory, tags.Y_RESOLUTION)),
        "resolution_unit": _RESOLUTION_UNITS.get(unit or 0, "none"),
        "software": (yield from tags.read_text(window, page.directory, tags.SOFTWARE)),
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
