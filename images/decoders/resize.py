"""Carry out what `resample` planned, with libvips."""

import pyvips

from images.decoders.resample import Axis, Method

_KERNEL = "lanczos3"


def resize(image: pyvips.Image, horizontal: Axis, vertical: Axis) -> pyvips.Image:
    """From the rectangle that was read to the size that was asked for."""
    image = _extend(image, horizontal, vertical)
    if horizontal.is_plain and vertical.is_plain:
        return image
    if image.hasalpha():
        resized = _scale(image.premultiply(), horizontal, vertical).unpremultiply()
        return _rounded(resized, image.format)
    return _scale(image, horizontal, vertical)


def _extend(image: pyvips.Image, horizontal: Axis, vertical: Axis) -> pyvips.Image:
    if not (horizontal.before or horizontal.after or vertical.before or vertical.after):
        return image
    width = horizontal.before + horizontal.length + horizontal.after
    height = vertical.before + vertical.length + vertical.after
    return image.embed(horizontal.before, vertical.before, width, height, extend="copy")


def _rounded(image: pyvips.Image, band_format: str) -> pyvips.Image:
    """libvips truncates when it casts; integers want rounding."""
    if band_format in {"float", "double"}:
        return image.cast(band_format)
    return image.rint().cast(band_format)


def _scale(image: pyvips.Image, horizontal: Axis, vertical: Axis) -> pyvips.Image:
    if vertical.method is Method.REDUCE:
        if vertical.box > 1:
            image = image.shrinkv(vertical.box)
        image = image.reducev(float(vertical.ratio), kernel=_KERNEL)
    if horizontal.method is Method.REDUCE:
        if horizontal.box > 1:
            image = image.shrinkh(horizontal.box)
        image = image.reduceh(float(horizontal.ratio), kernel=_KERNEL)
    if Method.INTERPOLATE in {horizontal.method, vertical.method}:
        return _interpolate(image, horizontal, vertical)
    return image.crop(horizontal.skip, vertical.skip, horizontal.output, vertical.output)


def _interpolate(image: pyvips.Image, horizontal: Axis, vertical: Axis) -> pyvips.Image:
    """Bicubic. An axis that was copied or reduced already stays as it is but for its margin."""
    x_ratio, x_offset = _interpolation(horizontal)
    y_ratio, y_offset = _interpolation(vertical)
    return image.copy_memory().affine(
        [1 / x_ratio, 0, 0, 1 / y_ratio],
        interpolate=pyvips.Interpolate.new("bicubic"),
        oarea=[0, 0, horizontal.output, vertical.output],
        idx=-x_offset,
        idy=-y_offset,
        extend="copy",
        premultiplied=True,
    )


def _interpolation(axis: Axis) -> tuple[float, float]:
    if axis.method is Method.INTERPOLATE:
        return float(axis.ratio), float(axis.offset)
    return 1.0, float(axis.skip)
