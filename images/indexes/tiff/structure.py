"""The one walk through a TIFF file: its directories, those that are levels of the image, and where their pieces lie."""

from dataclasses import dataclass

from images.indexes.errors import NotSupportedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.tiff import codes, tags
from images.indexes.tiff.directories import (
    Directory,
    Layout,
    parse_chain,
    parse_directory,
    parse_header,
    read_integers,
    read_text,
)
from images.indexes.tiff.page import Page, Pieces, parse_page, parse_pieces
from images.indexes.tiff.pyramid import find_levels

_APERIO = "Aperio"


@dataclass(frozen=True, slots=True)
class Structure:
    """What the walk found. `levels` begin with the full image and shrink; `pieces` are theirs, in the same order."""

    layout: Layout
    levels: tuple[Page, ...]
    pieces: tuple[Pieces, ...]
    page_count: int
    image_description: str

    @property
    def full(self) -> Page:
        return self.levels[0]


def parse_structure(window: Window, limits: SourceLimits) -> Parser[Structure]:
    """The image is the first page; its pyramid is found in the others.

    Raises IndexingError: DamagedError, TooLargeError or NotSupportedError.
    """
    layout, first = yield from parse_header(window)
    directories = yield from parse_chain(window, layout, first, limits)
    full = yield from parse_page(window, layout, directories[0], limits)
    _check_readable(full)
    _check_size(full, limits)
    text = yield from read_text(window, directories[0], tags.IMAGE_DESCRIPTION)
    reduced = yield from _parse_reduced(window, layout, directories, limits)
    levels = find_levels(full, reduced, tiled_only=text.startswith(_APERIO))
    pieces: tuple[Pieces, ...] = ()
    for page in levels:
        pieces += ((yield from parse_pieces(window, layout, page, limits)),)
    return Structure(layout, levels, pieces, len(directories), text)


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
    offsets = yield from read_integers(window, layout, directories[0], tags.SUB_IFDS, limits.max_ifds + 1)
    if len(offsets) + len(directories) > limits.max_ifds:
        raise TooLargeError(f"The file has more than {limits.max_ifds:,} pages and smaller versions of pages.")
    candidates = list(directories[1:])
    for subifd, offset in enumerate(offsets):
        candidates.append((yield from parse_directory(window, layout, offset, limits, 0, subifd)))
    found: tuple[Page, ...] = ()
    for directory in candidates:
        if tags.IMAGE_WIDTH in directory.fields and tags.IMAGE_LENGTH in directory.fields:
            found += ((yield from parse_page(window, layout, directory, limits)),)
    return found
