"""From the colours of a source to what a screen shows: sRGB or gray, 8 bits, with or without alpha."""

from functools import lru_cache

import pyvips

_PROFILE = "icc-profile-data"
_BASE_BANDS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb16": 3, "rgb": 3, "scrgb": 3, "cmyk": 4}
_BASE_BANDS |= {"lab": 3, "labs": 3, "labq": 4, "xyz": 3, "lch": 3, "hsv": 3, "yxy": 3}
_PROFILE_SPACES = {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4, b"Lab ": 3}
"""Where an ICC profile says what it describes: bytes 16 to 19 (ICC.1, 7.2.6), and its bands."""

_WIDE_INTEGERS = {"ushort": 8, "uint": 24}
"""Bits to shift away to be left with eight."""

_ROUNDING = 2


def to_display(image: pyvips.Image, *, keep_profile: bool = False) -> pyvips.Image:
    """Gray stays one band; all else becomes three; alpha comes last.

    With `keep_profile`, RGB and gray keep their own values and the profile that explains them;
    other colours are converted all the same, since browsers show nothing else.
    """
    colours, alpha = _split_alpha(image)
    profile = _usable_profile(colours)
    if profile is not None and keep_profile and colours.bands in {1, 3} and not _is_lab(colours):
        shown = _without_profile(colours)
        shown = shown.copy()
        shown.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
    elif profile is not None and not _is_needless(profile, colours.bands):
        shown = _with_profile(colours)
    else:
        shown = _without_profile(colours)
    return shown if alpha is None else shown.bandjoin(_eight_bits(alpha))


def _split_alpha(image: pyvips.Image) -> tuple[pyvips.Image, pyvips.Image | None]:
    """The colour bands and the alpha band; bands that mean neither are left out."""
    base = _BASE_BANDS.get(image.interpretation, 3 if image.bands >= 3 else 1)
    if image.bands <= base:
        return _named(image, image.bands), None
    colours = _named(image.extract_band(0, n=base), base)
    return colours, image.extract_band(base)


def _named(image: pyvips.Image, bands: int) -> pyvips.Image:
    """Give an interpretation to images that come without a usable one."""
    if image.interpretation in _BASE_BANDS and bands == _BASE_BANDS[image.interpretation]:
        return image
    if image.format in {"ushort", "short"}:
        return image.copy(interpretation="rgb16" if bands >= 3 else "grey16")
    return image.copy(interpretation="srgb" if bands >= 3 else "b-w")


def _is_lab(image: pyvips.Image) -> bool:
    return image.interpretation in {"lab", "labs", "labq", "xyz", "lch", "yxy"}


def _usable_profile(image: pyvips.Image) -> bytes | None:
    """The embedded profile if it speaks of as many bands as there are."""
    if image.get_typeof(_PROFILE) == 0 or image.format not in {"uchar", "ushort"}:
        return None
    profile = bytes(image.get(_PROFILE))
    return profile if _PROFILE_SPACES.get(profile[16:20]) == image.bands else None


@lru_cache(maxsize=32)
def _is_needless(profile: bytes, bands: int) -> bool:
    """Whether it moves none of some colours by more than rounding (as sRGB does), or cannot be used at all."""
    steps = range(0, 256, 51)
    colours = bytes(value for a in steps for b in steps for c in steps for value in (a, b, c, 255 - a)[:bands])
    image = pyvips.Image.new_from_memory(colours, len(colours) // bands, 1, bands, "uchar")
    image = image.copy(interpretation={1: "b-w", 3: "srgb", 4: "cmyk"}[bands])
    image.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
    try:
        shown = _transformed(image).copy_memory()
    except pyvips.Error:
        return True
    if bands == 4:
        return False
    return bool((shown[:bands] - image).abs().max() <= _ROUNDING)


def _with_profile(image: pyvips.Image) -> pyvips.Image:
    """To sRGB by the embedded profile, or as it says nothing useful, as if there were none."""
    if image.bands == 1 and image.format == "uchar":
        table = pyvips.Image.identity().copy(interpretation="b-w")
        table.set_type(pyvips.GValue.blob_type, _PROFILE, image.get(_PROFILE))
        return image.maplut(_transformed(table)[1]).copy(interpretation="b-w")
    shown = _transformed(image)
    return shown[1].copy(interpretation="b-w") if image.bands == 1 else shown


def _transformed(image: pyvips.Image) -> pyvips.Image:
    return image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)


def _without_profile(image: pyvips.Image) -> pyvips.Image:
    if image.interpretation == "cmyk":
        return _eight_bits(image).icc_transform(
            "srgb", input_profile="cmyk", intent="relative", black_point_compensation=True, depth=8
        )
    if _is_lab(image) or image.interpretation in {"scrgb", "hsv"}:
        return image.colourspace("srgb")
    return _eight_bits(image).copy(interpretation="b-w" if image.bands == 1 else "srgb")


def _eight_bits(image: pyvips.Image) -> pyvips.Image:
    """Integers lose their low bits; floating point samples are taken to reach from 0 to 1."""
    if image.format == "uchar":
        return image
    if image.format in _WIDE_INTEGERS:
        return (image >> _WIDE_INTEGERS[image.format]).cast("uchar")
    if image.format in {"float", "double"}:
        return (image * 255).rint().cast("uchar")
    return image.cast("uchar")
