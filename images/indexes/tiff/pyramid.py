"""Which other directories of a TIFF hold the same image, smaller."""

from collections.abc import Iterable

from images.indexes.tiff.page import MASK, REDUCED, Page

_YCBCR_OR_RGB = {2, 6}


def is_level_of(full: Page, page: Page, *, tiled_only: bool = False) -> bool:
    """Is `page` the image of `full` at a lower resolution?

    A page that says so (bit 0 of NewSubfileType) need only have the shape of the full image, within a pixel; one that
    says nothing must be smaller by a power of two as well. So masks, slide labels, overviews of a whole slide and the
    other pages of a document are told apart. `tiled_only`: where thumbnails stand between the levels.
    """
    if page.subfile_type & MASK or not _has_the_pixels_of(full, page):
        return False
    if tiled_only and not page.is_tiled:
        return False
    if page.width > full.width or page.height > full.height or (page.width, page.height) == (full.width, full.height):
        return False
    if page.subfile_type & REDUCED:
        return _has_the_shape_of(full, page)
    return _is_power_of_two_smaller(full, page)


def find_levels(full: Page, pages: Iterable[Page], *, tiled_only: bool = False) -> tuple[Page, ...]:
    """The full image and its smaller versions, from large to small; one of each size."""
    levels = {(full.width, full.height): full}
    for page in pages:
        if is_level_of(full, page, tiled_only=tiled_only):
            levels.setdefault((page.width, page.height), page)
    return tuple(sorted(levels.values(), key=lambda page: (-page.width, -page.height)))


def _has_the_pixels_of(full: Page, page: Page) -> bool:
    """A level is decoded in the place of the full image, so its samples must mean the same."""
    return (
        page.samples_per_pixel == full.samples_per_pixel
        and page.bits_per_sample == full.bits_per_sample
        and page.sample_format == full.sample_format
        and (page.photometric == full.photometric or {page.photometric, full.photometric} <= _YCBCR_OR_RGB)
    )


def _has_the_shape_of(full: Page, page: Page) -> bool:
    """The same aspect, each side rounded by up to a pixel."""
    return abs(page.width * full.height - page.height * full.width) <= max(full.width, full.height)


def _is_power_of_two_smaller(full: Page, page: Page) -> bool:
    """Both sides are the full image's divided by the same power of two, rounded up, down, or off by one."""
    scale = 2
    while scale <= max(full.width, full.height):
        if _is_quotient(full.width, page.width, scale) and _is_quotient(full.height, page.height, scale):
            return True
        scale *= 2
    return False


def _is_quotient(full: int, reduced: int, scale: int) -> bool:
    return abs(reduced * scale - full) <= scale
