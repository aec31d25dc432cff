"""Addresses and facts of images in templates. Identifiers are encoded here and nowhere else in a template."""

from urllib.parse import urlsplit

from django import template
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images.iiif.identifiers import encode_identifier

register = template.Library()

_FORMAT_NAMES = {
    "tiff": "TIFF",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "gif": "GIF",
    "avif": "AVIF",
    "jp2": "JPEG 2000",
}
# https://rightsstatements.org/page/1.0/, the twelve statements by the name in their URI
_RIGHTS_STATEMENTS = {
    "InC": gettext_lazy("In copyright"),
    "InC-OW-EU": gettext_lazy("In copyright – EU orphan work"),
    "InC-EDU": gettext_lazy("In copyright – educational use permitted"),
    "InC-NC": gettext_lazy("In copyright – non-commercial use permitted"),
    "InC-RUU": gettext_lazy("In copyright – rights-holder(s) unlocatable or unidentifiable"),
    "NoC-CR": gettext_lazy("No copyright – contractual restrictions"),
    "NoC-NC": gettext_lazy("No copyright – non-commercial use only"),
    "NoC-OKLR": gettext_lazy("No copyright – other known legal restrictions"),
    "NoC-US": gettext_lazy("No copyright – United States"),
    "CNE": gettext_lazy("Copyright not evaluated"),
    "UND": gettext_lazy("Copyright undetermined"),
    "NKC": gettext_lazy("No known copyright"),
}


@register.filter
def iiif_path(identifier: str, version: int) -> str:
    """The path of an image's service on this server, without a trailing slash."""
    return f"{get_script_prefix()}iiif/{version}/{encode_identifier(identifier)}"


@register.filter
def view_path(identifier: str) -> str:
    return f"{get_script_prefix()}view/{encode_identifier(identifier)}"


@register.filter
def format_name(source_format: str) -> str:
    """A source format as people write it."""
    return _FORMAT_NAMES.get(source_format, source_format)


@register.filter
def grouped(number: int) -> str:
    """A whole number with its thousands apart, as the reader's language does it."""
    return number_format(number, decimal_pos=0, use_l10n=True, force_grouping=True)


@register.simple_tag
def megapixels(width: int, height: int) -> str:
    """The area in millions of pixels with its unit, to two or three significant digits."""
    area = width * height / 1_000_000
    if area < 0.05:
        return _("under 0.1 MP")
    digits = 0 if area >= 10 else 1
    return f"{number_format(round(area, digits), decimal_pos=digits, force_grouping=True)} MP"


@register.filter
def rights_name(uri: str) -> str:
    """The short name of a Creative Commons licence or a RightsStatements.org statement, else the URI."""
    address = urlsplit(uri)
    parts = [part for part in address.path.split("/") if part]
    host = (address.hostname or "").removeprefix("www.")
    if host == "creativecommons.org" and len(parts) >= 3:
        return _creative_commons_name(*parts[:3]) or uri
    if host == "rightsstatements.org" and len(parts) >= 2:
        return str(_RIGHTS_STATEMENTS.get(parts[1], uri))
    return uri


def _creative_commons_name(kind: str, code: str, version: str) -> str | None:
    if kind == "licenses":
        return f"CC {code.upper()} {version}"
    return {"mark": _("Public domain"), "zero": _("CC0 – public domain")}.get(code)


@register.filter
def is_web_address(uri: str) -> bool:
    """Whether a reader may be sent there: nothing but http and https becomes a link."""
    return urlsplit(uri).scheme in {"http", "https"}


@register.simple_tag
def asset_url(path: str) -> str:
    """The address of a static file; a page that reports an error must not fail over one that is missing."""
    try:
        return static(path)
    except ValueError:
        return ""
