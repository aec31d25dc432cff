"""Resolving whole requests, and what must hold for all of them."""

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from images.iiif.capabilities import Capabilities
from images.iiif.errors import IIIFError, MalformedParameterError, UnsupportedFeatureError
from images.iiif.features import Feature
from images.iiif.geometry import Region, Size
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.request import ResolvedRequest, parse_image_request, resolve
from images.iiif.version import ApiVersion
from tests.images.iiif import strategies

FULL = Size(300, 200)
EVERYTHING = Capabilities.everything(Limits(1000))


def resolved(
    path: str, api_version: ApiVersion, capabilities: Capabilities = EVERYTHING, *, is_grayscale: bool = False
) -> ResolvedRequest:
    region, size, rotation, quality_format = path.split("/")
    request = parse_image_request(region, size, rotation, quality_format, api_version)
    return resolve(request, FULL, capabilities, is_grayscale=is_grayscale)


def outcome_of(resolving: Callable[[], ResolvedRequest]) -> ResolvedRequest | IIIFError:
    try:
        return resolving()
    except IIIFError as error:
        return error


def without(*switched_off: str) -> Capabilities:
    return Capabilities(
        EVERYTHING.features - {Feature(name) for name in switched_off if name in set(Feature)},
        EVERYTHING.qualities - {Quality(name) for name in switched_off if name in set(Quality)},
        EVERYTHING.formats - {OutputFormat(name) for name in switched_off if name in set(OutputFormat)},
        EVERYTHING.limits,
    )


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    ("path", "switched_off"),
    [
        ("square/max/0/default.jpg", "regionSquare"),
        ("0,0,9,9/max/0/default.jpg", "regionByPx"),
        ("pct:0,0,9,9/max/0/default.jpg", "regionByPct"),
        ("full/max/!0/default.jpg", "mirroring"),
        ("full/max/22.5/default.jpg", "rotationArbitrary"),
        ("full/max/0/gray.jpg", "gray"),
        ("full/max/0/bitonal.jpg", "bitonal"),
        ("full/max/0/default.png", "png"),
        ("full/max/0/default.avif", "avif"),
    ],
)
def test_what_is_switched_off_answers_501(path: str, switched_off: str, api_version: ApiVersion) -> None:
    resolved(path, api_version)
    with pytest.raises(UnsupportedFeatureError, match=switched_off) as error:
        resolved(path, api_version, without(switched_off))
    assert error.value.status == 501


def test_right_angles_need_one_of_two_features() -> None:
    path = "full/max/90/default.jpg"
    resolved(path, ApiVersion.V3, without("rotationArbitrary"))
    resolved(path, ApiVersion.V3, without("rotationBy90s"))
    with pytest.raises(UnsupportedFeatureError, match="rotationBy90s"):
        resolved(path, ApiVersion.V3, without("rotationBy90s", "rotationArbitrary"))


@pytest.mark.parametrize("api_version", ApiVersion)
def test_the_minimum_is_always_answered(api_version: ApiVersion) -> None:
    nothing = Capabilities(frozenset(), frozenset({Quality.DEFAULT}), frozenset({OutputFormat.JPG}))
    for path in ("full/max/0/default.jpg", "full/max/360/default.jpg"):
        assert resolved(path, api_version, nothing).region == Region(0, 0, 300, 200)


def test_color_never_fails_in_3_0() -> None:
    """Image API 3.0 §4.4: a request for the color quality MUST NOT result in an error."""
    assert resolved("full/max/0/color.jpg", ApiVersion.V3, without("color")).quality is Quality.DEFAULT
    with pytest.raises(UnsupportedFeatureError):
        resolved("full/max/0/color.jpg", ApiVersion.V2, without("color"))


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    ("quality", "of_color", "of_gray"),
    [
        ("default", Quality.DEFAULT, Quality.DEFAULT),
        ("color", Quality.DEFAULT, Quality.DEFAULT),
        ("gray", Quality.GRAY, Quality.DEFAULT),
        ("bitonal", Quality.BITONAL, Quality.BITONAL),
    ],
)
def test_equal_pixels_have_equal_qualities(
    quality: str, of_color: Quality, of_gray: Quality, api_version: ApiVersion
) -> None:
    path = f"full/max/0/{quality}.jpg"
    assert resolved(path, api_version).quality is of_color
    assert resolved(path, api_version, is_grayscale=True).quality is of_gray


@given(strategies.any_parameters, strategies.sizes, strategies.some_capabilities, strategies.versions)
@example(("full", "^pct:9999999999999999", "0", "default.jpg"), Size(1, 1), EVERYTHING, ApiVersion.V3)
def test_no_parameters_raise_anything_else(
    parameters: tuple[str, str, str, str], full: Size, capabilities: Capabilities, api_version: ApiVersion
) -> None:
    outcome = outcome_of(lambda: resolve(parse_image_request(*parameters, api_version), full, capabilities))
    if isinstance(outcome, IIIFError):
        assert outcome.status in {400, 501}
        assert outcome.detail.endswith(".")
        assert outcome.detail.isprintable()
    else:
        assert outcome.format in capabilities.formats


@given(strategies.requested_images, strategies.some_capabilities)
def test_every_size_keeps_the_limits_and_every_region_the_image(
    requested: strategies.RequestedImage, capabilities: Capabilities
) -> None:
    full, api_version = requested.full, requested.api_version
    result = outcome_of(lambda: resolve(requested.parse(), full, capabilities))
    if isinstance(result, IIIFError):
        return
    region, size, limits = result.region, result.size, capabilities.limits
    assert 0 <= region.x < region.x + region.width <= full.width
    assert 0 <= region.y < region.y + region.height <= full.height
    assert min(size.width, size.height) >= 1
    assert limits.max_width is None or size.width <= limits.max_width
    assert limits.effective_max_height is None or size.height <= limits.effective_max_height
    assert limits.max_area is None or size.area <= limits.max_area
    is_larger = size.width > region.width or size.height > region.height
    assert result.is_upscaled is is_larger
    if is_larger:
        assert capabilities.can_upscale(api_version)
        assert api_version is ApiVersion.V2 or requested.size.startswith("^")


@given(strategies.sizes, strategies.limits, strategies.versions, st.integers(1, 5000), st.integers(1, 5000))
def test_a_confined_size_touches_its_box(
    full: Size, limits: Limits, api_version: ApiVersion, width: int, height: int
) -> None:
    """As large as possible (3.0 §4.2): one more pixel on both sides would leave the box, the region or a limit."""
    everything = Capabilities.everything(limits)
    capabilities = Capabilities(
        everything.features - {Feature.SIZE_ABOVE_FULL, Feature.SIZE_UPSCALING},
        everything.qualities,
        everything.formats,
        limits,
    )
    request = parse_image_request("full", f"!{width},{height}", "0", "default.jpg", api_version)
    size = resolve(request, full, capabilities).size
    assert size.width <= min(width, full.width)
    assert size.height <= min(height, full.height)
    larger = Size(size.width + 1, size.height + 1)
    assert larger.width > min(width, full.width) or larger.height > min(height, full.height) or not limits.allow(larger)


def test_the_cost_does_not_grow_with_the_numbers() -> None:
    digits = "9" * 10_000_000
    started = time.process_time()
    for region, size, rotation in (
        (f"{digits},0,1,1", "max", "0"),
        (f"pct:{digits},0,1,1", "max", "0"),
        ("full", f"{digits},", "0"),
        ("full", f"pct:0.{digits}", "0"),
        ("full", "max", digits),
        ("full", "max", f"0.{digits}"),
    ):
        with pytest.raises(MalformedParameterError):
            parse_image_request(region, size, rotation, "default.jpg", ApiVersion.V3)
    assert time.process_time() - started < 1
