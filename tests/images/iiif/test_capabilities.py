import pytest
from hypothesis import given

from images.iiif.capabilities import Capabilities
from images.iiif.compliance import compliance_table
from images.iiif.features import Feature
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.version import ApiVersion
from tests.images.iiif import strategies

V2, V3 = ApiVersion
EVERYTHING = Capabilities.everything(Limits(1000))
NOTHING = Capabilities(frozenset(), frozenset({Quality.DEFAULT}), frozenset({OutputFormat.JPG}))


def without(feature: Feature) -> Capabilities:
    return Capabilities(EVERYTHING.features - {feature}, EVERYTHING.qualities, EVERYTHING.formats)


def test_levels_of_everything_and_nothing() -> None:
    assert [EVERYTHING.level(version) for version in ApiVersion] == [2, 2]
    assert [NOTHING.level(version) for version in ApiVersion] == [0, 0]


@pytest.mark.parametrize(
    ("feature", "of_v2", "of_v3"),
    [
        (Feature.REGION_BY_PX, 0, 0),
        (Feature.REGION_SQUARE, 2, 0),
        (Feature.REGION_BY_PCT, 1, 1),
        (Feature.SIZE_BY_W, 0, 0),
        (Feature.SIZE_BY_H, 0, 0),
        (Feature.SIZE_BY_PCT, 0, 1),
        (Feature.SIZE_BY_WH, 1, 0),
        (Feature.SIZE_BY_DISTORTED_WH, 1, 2),
        (Feature.SIZE_BY_CONFINED_WH, 1, 1),
        (Feature.ROTATION_BY_90S, 1, 1),
        (Feature.ROTATION_ARBITRARY, 2, 2),
        (Feature.MIRRORING, 2, 2),
        (Feature.CORS, 0, 0),
        (Feature.BASE_URI_REDIRECT, 0, 0),
        (Feature.JSONLD_MEDIA_TYPE, 0, 0),
        (Feature.CANONICAL_LINK_HEADER, 2, 2),
        (Feature.SIZE_UPSCALING, 2, 2),
    ],
)
def test_level_without_a_feature(feature: Feature, of_v2: int, of_v3: int) -> None:
    assert (without(feature).level(V2), without(feature).level(V3)) == (of_v2, of_v3)


def test_levels_need_qualities_and_formats() -> None:
    no_bitonal = Capabilities(EVERYTHING.features, EVERYTHING.qualities - {Quality.BITONAL}, EVERYTHING.formats)
    assert (no_bitonal.level(V2), no_bitonal.level(V3)) == (1, 2)
    no_png = Capabilities(EVERYTHING.features, EVERYTHING.qualities, frozenset({OutputFormat.JPG}))
    assert (no_png.level(V2), no_png.level(V3)) == (1, 1)


def test_what_cannot_be_switched_off() -> None:
    with pytest.raises(ValueError, match="jpg"):
        Capabilities(frozenset(), frozenset({Quality.DEFAULT}), frozenset({OutputFormat.PNG}))
    with pytest.raises(ValueError, match="default"):
        Capabilities(frozenset(), frozenset({Quality.GRAY}), frozenset({OutputFormat.JPG}))
    with pytest.raises(ValueError, match="webp"):
        Capabilities(NOTHING.features, NOTHING.qualities, NOTHING.formats, default_format=OutputFormat.WEBP)


@pytest.mark.parametrize("values", [(None, 5, None), (0, None, None), (None, None, 0), (5, -1, None)])
def test_limits_that_the_specification_does_not_have(values: tuple[int | None, int | None, int | None]) -> None:
    with pytest.raises(ValueError):
        Limits(*values)


def test_table_of_3_0() -> None:
    rows = {(row.parameter, row.syntax): row for row in compliance_table(without(Feature.SIZE_BY_PCT), V3)}
    assert rows["region", "full"].required == 0
    assert rows["size", "max"].supported
    assert (rows["size", "pct:n"].required, rows["size", "pct:n"].supported) == (2, False)
    assert rows["size", "w,h"].required == 1
    assert rows["region", "square"].feature == "regionSquare"
    assert rows["quality", "bitonal"].required is None
    assert rows["format", "png"].required == 2
    assert ("size", "full") not in rows
    assert "sizeAboveFull" not in {row.feature for row in rows.values()}
    assert list(dict.fromkeys(row.parameter for row in rows.values())) == [
        "region",
        "size",
        "rotation",
        "quality",
        "format",
        "http",
    ]


def test_table_of_2_1() -> None:
    rows = {(row.parameter, row.syntax): row for row in compliance_table(EVERYTHING, V2)}
    assert rows["size", "full"].required == 0
    assert rows["size", "max"].required is None
    assert rows["quality", "bitonal"].required == 2
    assert rows["size", "pct:n"].required == 1
    assert "sizeUpscaling" not in {row.feature for row in rows.values()}


@given(strategies.some_capabilities, strategies.versions)
def test_the_table_agrees_with_the_level(capabilities: Capabilities, api_version: ApiVersion) -> None:
    table = compliance_table(capabilities, api_version)
    level = capabilities.level(api_version)
    for row in table:
        if row.required is not None and row.required <= level:
            assert row.supported
    features = {row.feature for row in table if row.feature and row.supported}
    assert features == capabilities.supported_features(api_version)
