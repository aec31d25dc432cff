"""What IIIF does to pixels after the size: mirror, rotate, quality (Image API 3.0, section 4)."""

import math
from decimal import Decimal

import pyvips

from images.decoders import orientation
from images.decoders.render import RenderRequest

WITH_ALPHA = frozenset({"png", "webp", "avif", "tif", "gif"})
"""Output formats that can show what lies behind a transparent pixel."""

_QUARTER_TURNS = {90: "d90", 180: "d180", 270: "d270"}


def orient(image: pyvips.Image, value: int) -> pyvips.Image:
    """From the stored orientation to the served one."""
    flip_x, flip_y = orientation.flips(value)
    if orientation.swaps_axes(value):
        image = image.copy_memory().rot("d90")
        if flip_x == flip_y:
            return image.flipver() if flip_x else image.fliphor()
        return image.rot("d180") if flip_x else image
    if flip_y:
        image = image.copy_memory()
        return image.rot("d180") if flip_x else image.flipver()
    return image.fliphor() if flip_x else image


def apply(image: pyvips.Image, request: RenderRequest) -> pyvips.Image:
    """Mirror, rotate, choose the quality; transparency stays only where the format has it."""
    if request.mirrored:
        image = image.fliphor()
    image = _rotate(image, Decimal(request.degrees))
    if image.hasalpha() and (request.format not in WITH_ALPHA or request.quality == "bitonal"):
        image = flatten(image, request.options.background_rgb())
    return _quality(image, request.quality, request.options.bitonal_threshold)


def _rotate(image: pyvips.Image, degrees: Decimal) -> pyvips.Image:
    """Clockwise. The canvas grows, the content keeps its scale, the corners are transparent."""
    if degrees == 0:
        return image
    if degrees in _QUARTER_TURNS:
        return image.copy_memory().rot(_QUARTER_TURNS[int(degrees)])
    if not image.hasalpha():
        image = image.addalpha()
    image = image.copy_memory().premultiply()
    radians = math.radians(float(degrees))
    cosine, sine = math.cos(radians), math.sin(radians)
    rotated = image.affine(
        [cosine, -sine, sine, cosine],
        interpolate=pyvips.Interpolate.new("bicubic"),
        background=[0.0] * image.bands,
        premultiplied=True,
    )
    return rotated.unpremultiply().rint().cast("uchar")


def flatten(image: pyvips.Image, background: list[int]) -> pyvips.Image:
    """Without transparency, on a background of red, green and blue."""
    is_gray = len(set(background)) == 1
    if image.bands == 2 and not is_gray:
        image = image.colourspace("srgb")
    return image.flatten(background=background[:1] if image.bands == 2 else background)


def _quality(image: pyvips.Image, quality: str, threshold: int) -> pyvips.Image:
    if quality not in {"gray", "bitonal"}:
        return image
    gray = image if image.interpretation == "b-w" else image.colourspace("b-w")
    return gray >= threshold if quality == "bitonal" else gray
