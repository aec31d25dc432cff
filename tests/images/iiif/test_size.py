"""Sizes of both versions: which forms there are, and what each becomes for a region."""

import pytest

from images.iiif.capabilities import Capabilities
from images.iiif.errors import (
    IIIFError,
    LimitExceededError,
    MalformedParameterError,
    UnsupportedFeatureError,
    UpscalingError,
)
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.request import parse_image_request, resolve
from images.iiif.size import parse_size
from images.iiif.version import ApiVersion

V2, V3 = ApiVersion
IMAGE = Size(300, 200)
NO_LIMITS = Limits()
WIDE = Limits(max_width=100_000)


def resolved_size(
    text: str,
    api_version: ApiVersion,
    full: Size = IMAGE,
    *,
    limits: Limits = WIDE,
    without: frozenset[Feature] = frozenset(),
    region: str = "full",
) -> tuple[int, int]:
    everything = Capabilities.everything(limits)
    capabilities = Capabilities(everything.features - without, everything.qualities, everything.formats, limits)
    request = parse_image_request(region, text, "0", "default.jpg", api_version)
    size = resolve(request, full, capabilities).size
    return size.width, size.height


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("max", (300, 200)),
        ("150,", (150, 100)),
        (",150", (225, 150)),
        ("pct:50", (150, 100)),
        ("225,100", (225, 100)),
        ("!225,100", (150, 100)),
        ("!225,225", (225, 150)),
        ("1,", (1, 1)),
        (",1", (2, 1)),
        ("pct:0.5", (2, 1)),
        ("300,200", (300, 200)),
        ("pct:100.000", (300, 200)),
        ("pct:33.3", (100, 67)),
        ("007,", (7, 5)),
        ("!300,1", (2, 1)),
    ],
)
def test_forms_of_both_versions(text: str, size: tuple[int, int], api_version: ApiVersion) -> None:
    assert resolved_size(text, api_version) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("^max", (360, 240)),
        ("^360,", (360, 240)),
        ("^,240", (360, 240)),
        ("^pct:120", (360, 240)),
        ("^360,360", (360, 360)),
        ("^!360,360", (360, 240)),
        ("^150,", (150, 100)),
        ("^!9999,9999", (360, 240)),
        ("!9999,9999", (300, 200)),
        ("!9999,100", (150, 100)),
    ],
)
def test_upscaling_of_3_0(text: str, size: tuple[int, int]) -> None:
    assert resolved_size(text, V3, limits=Limits(max_width=360)) == size


@pytest.mark.parametrize("text", ["301,", ",201", "301,200", "300,201", "pct:101"])
def test_larger_than_the_region_without_a_caret(text: str) -> None:
    with pytest.raises(UpscalingError):
        resolved_size(text, V3)
    assert resolved_size(text, V2) > (0, 0)
    with pytest.raises(UnsupportedFeatureError, match="sizeAboveFull"):
        resolved_size(text, V2, without=frozenset({Feature.SIZE_ABOVE_FULL}))


def test_no_percentage_over_100_without_a_caret_however_it_is_rounded() -> None:
    with pytest.raises(UpscalingError):
        resolved_size("pct:100.1", V3)
    assert resolved_size("^pct:100.1", V3, without=frozenset({Feature.SIZE_UPSCALING})) == (300, 200)


@pytest.mark.parametrize("text", ["^301,", "^,201", "^pct:120", "^301,10", "^!400,400", "^max"])
def test_upscaling_that_is_switched_off(text: str) -> None:
    with pytest.raises(UnsupportedFeatureError, match="sizeUpscaling"):
        resolved_size(text, V3, without=frozenset({Feature.SIZE_UPSCALING}))


@pytest.mark.parametrize("text", ["^150,", "^,100", "^pct:50", "^150,100", "^!150,400"])
def test_a_caret_that_is_not_needed(text: str) -> None:
    without = frozenset({Feature.SIZE_UPSCALING})
    assert resolved_size(text, V3, without=without) == (150, 100)
    assert resolved_size("^max", V3, without=without, limits=Limits(max_width=150)) == (150, 100)


def test_upscaling_needs_a_limit() -> None:
    """Image API 3.0 §5.7: a server that upscales must publish maxWidth or maxArea."""
    with pytest.raises(UnsupportedFeatureError):
        resolved_size("^301,", V3, limits=NO_LIMITS)
    with pytest.raises(UnsupportedFeatureError):
        resolved_size("301,", V2, limits=NO_LIMITS)
    assert resolved_size("^max", V3, limits=NO_LIMITS) == (300, 200)


def test_confined_size_of_2_1_follows_size_above_full() -> None:
    assert resolved_size("!600,600", V2) == (600, 400)
    assert resolved_size("!600,600", V2, without=frozenset({Feature.SIZE_ABOVE_FULL})) == (300, 200)
    assert resolved_size("!600,600", V2, limits=NO_LIMITS) == (300, 200)


def test_full_belongs_to_2_1_and_is_not_fitted() -> None:
    assert resolved_size("full", V2) == (300, 200)
    with pytest.raises(MalformedParameterError, match="max"):
        resolved_size("full", V3)
    with pytest.raises(LimitExceededError, match="maxWidth"):
        resolved_size("full", V2, limits=Limits(max_width=299))


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (Limits(150), (150, 100)),
        (Limits(300, 50), (75, 50)),
        (Limits(100, 200), (100, 67)),
        (Limits(199), (199, 133)),
        (Limits(max_area=15_000), (150, 100)),
        (Limits(max_area=14_999), (149, 99)),
        (Limits(max_area=1), (1, 1)),
        (Limits(200, 200, 600), (30, 20)),
    ],
)
def test_max_and_confined_are_fitted_to_the_limits(
    limits: Limits, size: tuple[int, int], api_version: ApiVersion
) -> None:
    assert resolved_size("max", api_version, limits=limits) == size
    assert resolved_size("!300,200", api_version, limits=limits) == size


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    ("text", "limits", "name"),
    [
        ("200,", Limits(199), "maxWidth"),
        (",120", Limits(200, 119), "maxHeight"),
        ("10,150", Limits(149), "maxHeight"),
        ("200,150", Limits(max_area=29_999), "maxArea"),
        ("pct:100", Limits(299), "maxWidth"),
    ],
)
def test_over_a_limit(text: str, limits: Limits, name: str, api_version: ApiVersion) -> None:
    with pytest.raises(LimitExceededError, match=name):
        resolved_size(text, api_version, limits=limits)


def test_limits_hold_for_long_strips() -> None:
    assert resolved_size("max", V3, Size(1, 1_000_000), limits=Limits(max_area=100)) == (1, 100)
    assert resolved_size("max", V3, Size(1_000_000, 3), limits=Limits(10)) == (10, 1)


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize(
    ("full", "text", "size"),
    [
        (Size(6001, 4003), "239,", (239, 159)),
        (Size(1905, 4003), "239,", (239, 501)),
        (Size(6000, 4001), ",501", (750, 501)),
        (Size(6000, 4001), "!3000,3000", (3000, 2001)),
        (Size(3, 2048), "1,", (1, 512)),
        (Size(5, 3), "2,", (2, 1)),
        (Size(1001, 1000), "10,", (10, 10)),
    ],
)
def test_sizes_of_tiles_are_rounded_up_and_others_half_up(
    full: Size, text: str, size: tuple[int, int], api_version: ApiVersion
) -> None:
    assert resolved_size(text, api_version, full) == size


@pytest.mark.parametrize("api_version", ApiVersion)
def test_a_percentage_that_leaves_less_than_a_pixel(api_version: ApiVersion) -> None:
    for text in ("pct:0.4", "pct:0.0001"):
        with pytest.raises(MalformedParameterError, match="less than one pixel"):
            resolved_size(text, api_version)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("9,", Feature.SIZE_BY_W),
        (",9", Feature.SIZE_BY_H),
        ("pct:9", Feature.SIZE_BY_PCT),
        ("!9,9", Feature.SIZE_BY_CONFINED_WH),
    ],
)
@pytest.mark.parametrize("api_version", ApiVersion)
def test_forms_that_are_switched_off(text: str, without: Feature, api_version: ApiVersion) -> None:
    with pytest.raises(UnsupportedFeatureError) as error:
        resolved_size(text, api_version, without=frozenset({without}))
    assert error.value.status == 501


def test_width_and_height_are_two_features_in_2_1() -> None:
    undistorted_off, distorted_off = frozenset({Feature.SIZE_BY_WH}), frozenset({Feature.SIZE_BY_DISTORTED_WH})
    assert resolved_size("150,100", V2, without=distorted_off) == (150, 100)
    assert resolved_size("150,100", V2, without=undistorted_off) == (150, 100)
    with pytest.raises(UnsupportedFeatureError):
        resolved_size("150,150", V2, without=distorted_off)
    with pytest.raises(UnsupportedFeatureError):
        resolved_size("150,100", V2, without=undistorted_off | distorted_off)
    assert resolved_size("150,150", V3, without=distorted_off) == (150, 150)
    with pytest.raises(UnsupportedFeatureError):
        resolved_size("150,100", V3, without=undistorted_off)


MALFORMED = [
    "",
    ",",
    "w,",
    "0,",
    ",0",
    "0,0",
    "5,0",
    "0,5",
    "!0,5",
    "!5,0",
    "!5,",
    "!,5",
    "!",
    "pct:0",
    "pct:0.0",
    "pct:",
    "pct:-1",
    "pct:+5",
    "pct:1e1",
    "pct:NaN",
    "pct:inf",
    "pct:5,5",
    "pct:5.",
    "pct:.",
    "-5,",
    "+5,",
    "5.5,",
    "5",
    "5,5,5",
    " 5,",
    "5,\n",
    "Max",
    "MAX",
    "٣,",
    "１,",
    "²,",
    "1_0,",
    "0x5,",
    "!pct:5",
    "!max",
    "!^5,5",
    "5^,",
    ",^240",
    "^^5,",
    "^",
    "^full",
    "fullmax",
    "9" * 100_000 + ",",
    "pct:" + "9" * 100_000,
    "pct:0." + "0" * 100_000 + "1",
    "^0,",
    "^pct:0",
]


@pytest.mark.parametrize("api_version", ApiVersion)
@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: ascii(text[:12]))
def test_malformed(text: str, api_version: ApiVersion) -> None:
    with pytest.raises(MalformedParameterError) as error:
        parse_size(text, api_version)
    assert "size" in error.value.detail
    assert len(error.value.detail) < 300


@pytest.mark.parametrize("text", ["^max", "^5,", "^,5", "^5,5", "^!5,5", "^pct:5"])
def test_caret_is_malformed_in_2_1(text: str) -> None:
    with pytest.raises(MalformedParameterError, match="version 3"):
        parse_size(text, V2)


def test_the_largest_numbers_are_understood_and_refused_by_a_limit() -> None:
    for text in (
        "^9999999999999999,",
        "^,9999999999999999",
        "^pct:9999999999999999",
        "^9999999999999999,9999999999999999",
    ):
        with pytest.raises(LimitExceededError):
            resolved_size(text, V3, Size(1, 200_000), limits=Limits(200_000))
    assert resolved_size("^!9999999999999999,9999999999999999", V3, limits=Limits(600)) == (600, 400)


def test_errors_are_400_or_501() -> None:
    assert {error.status for error in IIIFError.__subclasses__()} == {400, 501}
    assert len({error.code for error in IIIFError.__subclasses__()}) == len(IIIFError.__subclasses__())
