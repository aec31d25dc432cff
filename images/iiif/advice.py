"""What a choice of capabilities leads to that its maker may not have meant."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from images.iiif.capabilities import Capabilities
from images.iiif.features import UPSCALING_FEATURE, Feature
from images.iiif.geometry import Size
from images.iiif.levels import LEVELS
from images.iiif.version import ApiVersion

_HIGHEST = 2

gettext_noop = str
"""Marks a sentence for translation, by whoever shows it: here nothing is known of languages."""


@dataclass(frozen=True, slots=True)
class Advice:
    """`template` has placeholders as in `%(name)s`, which `facts` fill in."""

    template: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template % self.facts


def find_warnings(capabilities: Capabilities, tile: Size) -> tuple[Advice, ...]:
    """Sentences for people, the weightiest first; `tile` is the size of the tiles that viewers will ask for."""
    return (
        *_tile_warnings(capabilities, tile),
        *(_level_warning(capabilities, version) for version in ApiVersion if capabilities.level(version) < _HIGHEST),
        *_upscaling_warnings(capabilities),
    )


def _tile_warnings(capabilities: Capabilities, tile: Size) -> tuple[Advice, ...]:
    found = []
    needed = {Feature.REGION_BY_PX, Feature.SIZE_BY_W, Feature.SIZE_BY_WH}
    missing = sorted(needed - capabilities.features)
    if missing:
        text = gettext_noop("Without %(missing)s info.json names no tiles for some viewers: they cannot zoom in.")
        found.append(Advice(text, {"missing": ", ".join(missing)}))
    if not capabilities.limits.allow(tile):
        text = gettext_noop(
            "A tile of %(width)s × %(height)s pixels is over the limits: info.json names no tiles, and viewers show "
            "the small image only."
        )
        found.append(Advice(text, {"width": tile.width, "height": tile.height}))
    return tuple(found)


def _level_warning(capabilities: Capabilities, api_version: ApiVersion) -> Advice:
    level = capabilities.level(api_version)
    wanted = LEVELS[api_version][level + 1]
    missing = [
        *sorted(wanted.features - capabilities.supported_features(api_version)),
        *sorted(wanted.qualities - capabilities.qualities),
        *sorted(wanted.formats - capabilities.formats),
    ]
    text = gettext_noop("Image API %(version)s: level %(level)s. Level %(next)s needs %(missing)s.")
    facts = {"version": int(api_version), "level": level, "next": level + 1, "missing": ", ".join(missing)}
    return Advice(text, facts)


def _upscaling_warnings(capabilities: Capabilities) -> tuple[Advice, ...]:
    wanted = set(UPSCALING_FEATURE.values()) & capabilities.features
    if wanted and not capabilities.limits.bounds_upscaling:
        text = gettext_noop("Upscaling is switched on but not offered: it needs a maximum width or a maximum area.")
        return (Advice(text),)
    return ()
