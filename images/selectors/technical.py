"""What the index has found inside a source, in words for people who know the formats."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from images.indexes.description import SourceDescription, SourceFormat
from images.models import Tiling
from images.templatetags.iiif_urls import grouped

_UNCOMPRESSED = 1
_COMPRESSIONS = {
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    50000: "Zstandard",
    50001: "WebP",
}

Facts = list[tuple[str, str]]


def technical_facts(tiling: Tiling) -> Facts:
    """Names and values, the most telling first."""
    description = SourceDescription.from_json(tiling.description)
    own = {SourceFormat.JP2: _jpeg_2000, SourceFormat.TIFF: _tiff}.get(description.source_format)
    return [
        *_common(description),
        *(own(description.detail) if own else []),
        (_("Index"), _index(tiling, description)),
    ]


def _common(description: SourceDescription) -> Facts:
    levels = ", ".join(f"{level.width} × {level.height}" for level in description.levels)
    first = description.levels[0]
    tiles = f"{first.tile_width} × {first.tile_height}" if first.tile_width else _("none")
    return [
        (_("Colour"), f"{description.colour}, {description.bands} × {description.bits_per_sample} bit"),
        (_("Transparency"), _yes_or_no(description.has_alpha)),
        (_("ICC profile"), _yes_or_no(description.has_icc_profile)),
        (_("Orientation"), str(description.orientation)),
        (pgettext("of a pyramid", "Levels"), levels),
        (_("Tiles of the source"), tiles),
    ]


def _jpeg_2000(detail: Mapping[str, Any]) -> Facts:
    precincts = ", ".join(f"{across} × {down}" for across, down in detail["precincts"]) or _("none")
    tiles = detail["tiles"]
    lengths = {
        "PLT": detail["has_packet_lengths"],
        "TLM": detail["has_tile_part_lengths"],
        "PPM": detail["has_packed_headers"],
    }
    return [
        (_("Container"), str(detail["container"])),
        (_("Progression"), str(detail["progression"])),
        (_("Quality layers"), str(detail["layers"])),
        (_("Transform"), str(detail["transform"])),
        (_("High throughput (HTJ2K)"), _yes_or_no(detail["is_htj2k"])),
        (_("Codestream tiles"), f"{tiles['across']} × {tiles['down']}, {tiles['width']} × {tiles['height']}"),
        (_("Precincts"), precincts),
        (_("Code-blocks"), " × ".join(map(str, detail["code_block"]))),
        (_("Markers of lengths"), ", ".join(name for name, has in lengths.items() if has) or _("none")),
    ]


def _tiff(detail: Mapping[str, Any]) -> Facts:
    compression = detail.get("compression")
    if compression is None:
        return []
    known = {**_COMPRESSIONS, _UNCOMPRESSED: _("none")}
    return [(_("Compression"), known.get(compression, str(compression)))]


def _index(tiling: Tiling, description: SourceDescription) -> str:
    """Why there is none matters as much: such a source is decoded from the file itself."""
    if tiling.index is not None:
        return _("%(bytes)s bytes: only what a region needs is read") % {"bytes": grouped(len(tiling.index))}
    if description.source_format is SourceFormat.JP2:
        return _("none: the packets could not be told apart; regions are decoded from the file as it is")
    if description.source_format is SourceFormat.TIFF:
        return _("none: read again to make one")
    return _("none: files of this format are decoded as a whole; a service copy serves them faster")


def _yes_or_no(value: Any) -> str:
    return _("yes") if value else _("no")
