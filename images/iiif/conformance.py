"""Which requests show whether an image is served as its info.json says, and how their answers are judged. Pure.

Image API 3.0 and 2.1, sections 4 (image requests), 5 (image information), 6 and 7 (compliance, HTTP).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.scaling import fit, scale_to_height, scale_to_width
from images.iiif.version import ApiVersion

_SMALL = 64
"""Pixels: large enough to tell sizes apart, small enough to cost nothing."""

_REFUSED = frozenset({400, 501})


@dataclass(frozen=True, slots=True)
class Check:
    """One request below the base URI and what its answer has to be.

    `size` is that of the picture in the answer, or None where it is not looked at; `statuses` are those that are right.
    """

    name: str
    section: str
    path: str
    statuses: frozenset[int]
    media_type: str = ""
    size: Size | None = None
    accept: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `headers` by lower-case names; `size` of the picture, None where there is none."""

    status: int
    headers: Mapping[str, str]
    size: Size | None = None


def plan_checks(capabilities: Capabilities, full: Size, api_version: ApiVersion) -> tuple[Check, ...]:
    """Every parameter that is offered, and that what is not offered is refused; info.json first."""
    return (
        _information(),
        *_regions(capabilities, full),
        *_sizes(capabilities, full, api_version),
        *_rotations(capabilities, full),
        *_qualities(capabilities, full, api_version),
        *_formats(capabilities, full),
        Check("a malformed region", "4.1", f"x,y/{_SMALL},/0/default.jpg", frozenset({400})),
        Check("a region outside the image", "4.1", f"{full.width},{full.height},9,9/max/0/default.jpg", _REFUSED),
    )


def judge(check: Check, answer: Answer) -> str:
    """What is wrong with an answer, in a sentence; empty where nothing is."""
    if answer.status not in check.statuses:
        wanted = " or ".join(map(str, sorted(check.statuses)))
        return f"The status is {answer.status}; it should be {wanted}."
    if answer.headers.get("access-control-allow-origin") != "*":
        return "Other sites' viewers may not read it: Access-Control-Allow-Origin is missing."
    if check.media_type and answer.headers.get("content-type", "").split(";")[0] != check.media_type:
        return f"The media type is {answer.headers.get('content-type')!r}; it should be {check.media_type}."
    if check.size and answer.size != check.size:
        found = f"{answer.size.width} × {answer.size.height}" if answer.size else "no picture"
        return f"It is {found}; it should be {check.size.width} × {check.size.height} pixels."
    return ""


def compare_information(document: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """What of an info.json differs from what the record says; empty where nothing does."""
    differing = sorted(name for name in {*document, *expected} if document.get(name) != expected.get(name))
    return f"info.json says something else of {', '.join(differing)}." if differing else ""


def _information() -> Check:
    media_type = "application/ld+json"
    return Check("info.json", "5", "info.json", frozenset({200}), media_type, accept=f"{media_type};q=1.0")


def _offered(*, is_offered: bool) -> frozenset[int]:
    return frozenset({200}) if is_offered else _REFUSED


def _forms(region: Size, limits: Limits) -> tuple[tuple[Feature, str, bool], ...]:
    """Size parameters that make a region small, each with its feature and whether the limits allow what comes of it.

    A region that is much longer than wide may be over a limit even so; `!w,h` is fitted.
    """
    width, height = min(_SMALL, region.width), min(_SMALL, region.height)
    return (
        (Feature.SIZE_BY_CONFINED_WH, f"!{width},{height}", True),
        (Feature.SIZE_BY_W, f"{width},", limits.allow(scale_to_width(region, width))),
        (Feature.SIZE_BY_H, f",{height}", limits.allow(scale_to_height(region, height))),
    )


def _small(capabilities: Capabilities, region: Size) -> str:
    """A size parameter that is offered and makes the region small, so that a check costs little."""
    forms = _forms(region, capabilities.limits)
    offered = (written for feature, written, is_allowed in forms if is_allowed and feature in capabilities.features)
    return next(offered, "max")


def _regions(capabilities: Capabilities, full: Size) -> tuple[Check, ...]:
    part = Size(min(_SMALL, full.width), min(_SMALL, full.height))
    side = min(full.width, full.height)
    forms = (
        (Feature.REGION_BY_PX, f"0,0,{part.width},{part.height}", "max", fit(part, part, capabilities.limits)),
        (Feature.REGION_SQUARE, "square", _small(capabilities, Size(side, side)), None),
        (Feature.REGION_BY_PCT, "pct:0,0,100,100", _small(capabilities, full), None),
    )
    return tuple(
        Check(
            f"region {written}",
            "4.1",
            f"{written}/{size}/0/default.jpg",
            _offered(is_offered=feature in capabilities.features),
            size=shown if feature in capabilities.features else None,
        )
        for feature, written, size, shown in forms
    )


def _sizes(capabilities: Capabilities, full: Size, api_version: ApiVersion) -> tuple[Check, ...]:
    checks = [
        Check(
            f"size {written}",
            "4.2",
            f"full/{written}/0/default.jpg",
            _offered(is_offered=is_allowed and feature in capabilities.features),
        )
        for feature, written, is_allowed in _forms(full, capabilities.limits)
    ]
    width, height = min(_SMALL, full.width), min(_SMALL, full.height)
    if api_version is ApiVersion.V3 and Feature.REGION_BY_PX in capabilities.features:
        region = f"0,0,{width},{height}"
        is_offered = capabilities.can_upscale(api_version) and capabilities.limits.allow(Size(2 * width, 2 * height))
        larger = f"{2 * width},{2 * height}"
        checks += [
            Check("size larger than the region", "4.2", f"{region}/{larger}/0/default.jpg", _REFUSED),
            Check(
                f"size ^{larger}",
                "4.2",
                f"{region}/^{larger}/0/default.jpg",
                _offered(is_offered=is_offered and Feature.SIZE_BY_WH in capabilities.features),
            ),
        ]
    return tuple(checks)


def _rotations(capabilities: Capabilities, full: Size) -> tuple[Check, ...]:
    right_angles = {Feature.ROTATION_BY_90S, Feature.ROTATION_ARBITRARY}
    forms = (
        ("90", bool(right_angles & capabilities.features)),
        ("12.5", Feature.ROTATION_ARBITRARY in capabilities.features),
        ("!0", Feature.MIRRORING in capabilities.features),
    )
    return tuple(
        Check(
            f"rotation {written}",
            "4.3",
            f"full/{_small(capabilities, full)}/{written}/default.jpg",
            _offered(is_offered=is_offered),
        )
        for written, is_offered in forms
    )


def _qualities(capabilities: Capabilities, full: Size, api_version: ApiVersion) -> tuple[Check, ...]:
    return tuple(
        Check(
            f"quality {quality}",
            "4.4",
            f"full/{_small(capabilities, full)}/0/{quality}.jpg",
            _offered(is_offered=capabilities.has_quality(quality, api_version)),
        )
        for quality in Quality
    )


def _formats(capabilities: Capabilities, full: Size) -> tuple[Check, ...]:
    return tuple(
        Check(
            f"format {name}",
            "4.5",
            f"full/{_small(capabilities, full)}/0/default.{name}",
            _offered(is_offered=name in capabilities.formats),
            name.media_type if name in capabilities.formats else "",
        )
        for name in OutputFormat
    )
