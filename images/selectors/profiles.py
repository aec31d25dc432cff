"""What holds for an image: the settings of the server, narrowed by its compliance profile."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

from django.db.models import Subquery
from django.db.models.functions import JSONObject

from images.conf import conf
from images.decoders.layers import LayerPolicy
from images.decoders.options import EncodeOptions
from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.models import Image, Profile

T = TypeVar("T")

ALWAYS_QUALITY, ALWAYS_FORMAT = Quality.DEFAULT, OutputFormat.JPG
"""What no profile takes away."""

_JSON_FIELDS = frozenset({"disabled_features", "qualities", "formats", "thumbnail_sizes", "information"})
_FIELDS = (
    "name",
    "disabled_features",
    "qualities",
    "formats",
    "max_width",
    "max_height",
    "max_area",
    "tile_size",
    "thumbnail_sizes",
    "jpeg_quality",
    "webp_quality",
    "layer_policy",
    "rights",
    "attribution",
    "information",
)


@dataclass(frozen=True, slots=True)
class ServedProfile:
    """What is answered and how: `capabilities` with the limits of server and profile, `encoding`, `layer_policy`.

    `name` is empty where only the settings hold. `tile_size` in pixels, or None for that of the tiling;
    `thumbnail_boxes`: sides in pixels, ascending. `rights`, `attribution` and `information` are for images that say
    nothing themselves.
    """

    name: str
    capabilities: Capabilities
    encoding: EncodeOptions
    layer_policy: LayerPolicy
    tile_size: int | None = None
    thumbnail_boxes: tuple[int, ...] = ()
    rights: str = ""
    attribution: str = ""
    information: Mapping[str, Any] = field(default_factory=dict)


def settings_profile() -> ServedProfile:
    """What the settings alone say."""
    return ServedProfile("", conf.capabilities, conf.encoding, conf.layer_policy, thumbnail_boxes=conf.thumbnail_boxes)


def served_profile(profile: Profile | None) -> ServedProfile:
    """The settings, narrowed by `profile`."""
    base = settings_profile()
    if profile is None:
        return base
    encoding = replace(
        base.encoding,
        jpeg_quality=profile.jpeg_quality or base.encoding.jpeg_quality,
        webp_quality=profile.webp_quality or base.encoding.webp_quality,
    )
    return ServedProfile(
        name=profile.name,
        capabilities=_narrowed_capabilities(base.capabilities, profile),
        encoding=encoding,
        layer_policy=LayerPolicy(profile.layer_policy) if profile.layer_policy else base.layer_policy,
        tile_size=profile.tile_size,
        thumbnail_boxes=_thumbnail_boxes(base.thumbnail_boxes, profile.thumbnail_sizes),
        rights=profile.rights,
        attribution=profile.attribution,
        information=profile.information,
    )


def image_profile(image: Image, default: ServedProfile) -> ServedProfile:
    """Of an image whose `profile` and `collection__profile` were read along with it; no query."""
    own = image.profile or (image.collection.profile if image.collection else None)
    return default if own is None else served_profile(own)


def default_profile() -> ServedProfile:
    """What holds where neither image nor collection has a profile; one query."""
    return served_profile(Profile.objects.filter(is_default=True).first())


def default_profile_as_json() -> Subquery:
    """The fields of the default profile as one column, so that reading an image stays one query."""
    fields = JSONObject(**{name: name for name in _FIELDS})
    return Subquery(Profile.objects.filter(is_default=True).order_by().values(fields=fields)[:1])


def find_effective_profile(image: Image, default: Mapping[str, Any] | None) -> Profile | None:
    """The profile that holds for an image; `default` is what `default_profile_as_json` has read."""
    own = image.profile or (image.collection.profile if image.collection else None)
    return own if own is not None or default is None else _from_json(default)


def _from_json(fields: Mapping[str, Any]) -> Profile:
    """SQLite gives nested JSON as text."""
    values = {
        name: json.loads(value) if name in _JSON_FIELDS and isinstance(value, str) else value
        for name, value in fields.items()
    }
    return Profile(**values)


@lru_cache(maxsize=4096)
def capabilities_within(capabilities: Capabilities, limits: Limits) -> Capabilities:
    """The same under the limits of one image; the same object for the same limits."""
    return capabilities if capabilities.limits == limits else replace(capabilities, limits=limits)


def narrowed_limits(limits: Limits, own: Limits) -> Limits:
    """The smaller of each."""

    def smaller(first: int | None, second: int | None) -> int | None:
        return min((value for value in (first, second) if value is not None), default=None)

    width = smaller(limits.max_width, own.max_width)
    height = smaller(limits.effective_max_height, own.effective_max_height)
    area = smaller(limits.max_area, own.max_area)
    return Limits(max_width=width, max_height=None if height == width else height, max_area=area)


def _narrowed_capabilities(base: Capabilities, profile: Profile) -> Capabilities:
    disabled = {Feature(name) for name in profile.disabled_features}
    own = Limits(max_width=profile.max_width, max_height=profile.max_height, max_area=profile.max_area)
    return Capabilities(
        features=base.features - disabled,
        qualities=_chosen(base.qualities, {Quality(name) for name in profile.qualities}, ALWAYS_QUALITY),
        formats=_chosen(base.formats, {OutputFormat(name) for name in profile.formats}, ALWAYS_FORMAT),
        limits=narrowed_limits(base.limits, own),
    )


def _thumbnail_boxes(configured: tuple[int, ...], own: list[int] | None) -> tuple[int, ...]:
    return configured if own is None else tuple(sorted(set(own)))


def _chosen(configured: frozenset[T], chosen: set[T], always: T) -> frozenset[T]:
    return (configured & (chosen | {always})) if chosen else configured
