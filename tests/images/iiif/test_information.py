import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.information import ImageInformation, build
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.request import parse_image_request, resolve
from images.iiif.tiles import level_sizes, tile_set
from images.iiif.version import ApiVersion
from tests.images.iiif import strategies

V2, V3 = ApiVersion
FULL = Size(6001, 4003)
LEVEL_2 = Capabilities(
    frozenset(Feature) - {Feature.SIZE_UPSCALING, Feature.SIZE_ABOVE_FULL},
    frozenset(Quality),
    frozenset({OutputFormat.JPG, OutputFormat.PNG, OutputFormat.WEBP}),
)
INFORMATION = ImageInformation(
    uri="https://example.org/iiif/3/a%2Fb",
    full=FULL,
    capabilities=LEVEL_2,
    sizes=level_sizes(FULL, (1, 2, 4)),
    tiles=(tile_set(FULL, Size(1024, 1024)),),
)


def test_document_of_3_0() -> None:
    document = build(INFORMATION, V3)
    assert document == {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": "https://example.org/iiif/3/a%2Fb",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": 6001,
        "height": 4003,
        "sizes": [{"width": 1501, "height": 1001}, {"width": 3001, "height": 2002}, {"width": 6001, "height": 4003}],
        "tiles": [{"width": 1024, "scaleFactors": [1, 2, 4, 8]}],
        "extraQualities": ["color", "gray", "bitonal"],
        "extraFormats": ["webp"],
        "extraFeatures": ["canonicalLinkHeader", "mirroring", "profileLinkHeader", "rotationArbitrary"],
    }
    assert next(iter(document)) == "@context"


def test_document_of_2_1() -> None:
    document = build(INFORMATION, V2)
    assert document == {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": "https://example.org/iiif/3/a%2Fb",
        "protocol": "http://iiif.io/api/image",
        "width": 6001,
        "height": 4003,
        "sizes": [{"width": 1501, "height": 1001}, {"width": 3001, "height": 2002}, {"width": 6001, "height": 4003}],
        "tiles": [{"width": 1024, "scaleFactors": [1, 2, 4, 8]}],
        "profile": [
            "http://iiif.io/api/image/2/level2.json",
            {
                "formats": ["webp"],
                "supports": [
                    "canonicalLinkHeader",
                    "mirroring",
                    "profileLinkHeader",
                    "regionSquare",
                    "rotationArbitrary",
                ],
            },
        ],
    }
    assert next(iter(document)) == "@context"


def test_all_extras() -> None:
    part_of = {"id": "https://example.org/m", "type": "Manifest", "label": {"en": ["A book"]}}
    see_also = {"id": "https://example.org/x.xml", "type": "Dataset", "format": "text/xml"}
    service = {"@id": "https://example.org/auth", "@type": "AuthCookieService1"}
    information = replace(
        INFORMATION,
        rights="http://creativecommons.org/publicdomain/mark/1.0/",
        attribution="<b>A library</b>",
        logo="https://example.org/logo.png",
        preferred_formats=(OutputFormat.WEBP, OutputFormat.AVIF),
        part_of=(part_of,),
        see_also=(see_also,),
        services=(service,),
        contexts=("http://example.org/context.json",),
        extra={"label": "x", "width": 5, "profile": "level9", "rights": "y"},
    )
    document = build(information, V3)
    assert document["@context"] == ["http://example.org/context.json", "http://iiif.io/api/image/3/context.json"]
    assert document["rights"] == "http://creativecommons.org/publicdomain/mark/1.0/"
    assert document["preferredFormats"] == ["webp"]
    assert (document["partOf"], document["seeAlso"], document["service"]) == ([part_of], [see_also], [service])
    assert (document["label"], document["width"], document["profile"]) == ("x", 6001, "level2")
    assert not {"attribution", "license", "logo"} & set(document)
    document = build(information, V2)
    assert document["@context"] == "http://iiif.io/api/image/2/context.json"
    assert document["attribution"] == "<b>A library</b>"
    assert document["license"] == "http://creativecommons.org/publicdomain/mark/1.0/"
    assert document["logo"] == "https://example.org/logo.png"
    assert document["service"] == [service]
    assert not {"partOf", "seeAlso", "preferredFormats"} & set(document)


def test_rights_that_are_no_uri_are_left_out() -> None:
    information = replace(INFORMATION, rights="All rights reserved")
    assert "rights" not in build(information, V3)
    assert "license" not in build(information, V2)


def test_color_is_not_listed_for_a_gray_source() -> None:
    information = replace(INFORMATION, is_grayscale=True)
    assert build(information, V3)["extraQualities"] == ["gray", "bitonal"]


def test_limits_and_upscaling() -> None:
    limits = Limits(2000, 3000, 1_000_000)
    information = replace(
        INFORMATION, capabilities=Capabilities.everything(limits), tiles=(tile_set(FULL, Size(2048, 2048)),)
    )
    document = build(information, V3)
    assert (document["maxWidth"], document["maxHeight"], document["maxArea"]) == (2000, 3000, 1_000_000)
    assert "sizeUpscaling" in document["extraFeatures"]
    assert "sizes" not in document
    assert "tiles" not in document
    description = build(information, V2)["profile"][1]
    assert (description["maxWidth"], description["maxHeight"], description["maxArea"]) == (2000, 3000, 1_000_000)
    assert "sizeAboveFull" in description["supports"]
    assert not {"maxWidth", "maxHeight", "maxArea"} & set(build(information, V2))


def test_upscaling_is_not_advertised_without_a_limit() -> None:
    information = replace(INFORMATION, capabilities=Capabilities.everything())
    assert "sizeUpscaling" not in build(information, V3)["extraFeatures"]


def test_tiles_that_are_not_square() -> None:
    information = replace(INFORMATION, tiles=(tile_set(FULL, Size(512, 256)),))
    assert build(information, V3)["tiles"] == [{"width": 512, "height": 256, "scaleFactors": [1, 2, 4, 8, 16]}]


def test_level_0_lists_sizes_and_tiles_only_of_files() -> None:
    level_0 = Capabilities(frozenset(), frozenset({Quality.DEFAULT}), frozenset({OutputFormat.JPG}))
    information = replace(INFORMATION, capabilities=level_0)
    assert set(build(information, V3)) == {"@context", "id", "type", "protocol", "profile", "width", "height"}
    assert build(information, V2)["profile"] == ["http://iiif.io/api/image/2/level0.json"]
    document = build(replace(information, is_static=True), V3)
    assert document["profile"] == "level0"
    assert "sizes" in document
    assert "tiles" in document


@given(strategies.some_capabilities, strategies.sizes, strategies.versions)
def test_nothing_advertised_fails(capabilities: Capabilities, full: Size, api_version: ApiVersion) -> None:
    """A width of 1 says little: several levels of a narrow image have it."""
    tiles = tile_set(full, Size(256, 256), capabilities.limits)
    sizes = level_sizes(full, tiles.scale_factors)
    information = ImageInformation("http://example.org/x", full, capabilities, sizes, (tiles,))
    document = build(information, api_version)
    assert json.loads(json.dumps(document)) == document

    def answer(region: str, size: str, quality_format: str = "default.jpg") -> Size:
        request = parse_image_request(region, size, "0", quality_format, api_version)
        return resolve(request, full, capabilities).size

    for size in document.get("sizes", []):
        expected = Size(size["width"], size["height"])
        assert answer("full", f"{expected.width},{expected.height}") == expected
        if api_version is V2 and expected.width > 1:
            answer("full", f"{expected.width},")
    for tile in document.get("tiles", []):
        width = min(tile["width"], full.width)
        answer(
            f"0,0,{tile['width']},{tile.get('height', tile['width'])}", f"{width}," + _height(tile, full, api_version)
        )
    for name in _listed(document, api_version, "extraFormats", "formats"):
        answer("full", "max", f"default.{name}")
    for name in _listed(document, api_version, "extraQualities", "qualities"):
        answer("full", "max", f"{name}.jpg")


def _height(tile: dict[str, Any], full: Size, api_version: ApiVersion) -> str:
    return "" if api_version is V2 else str(min(tile.get("height", tile["width"]), full.height))


def _listed(document: dict[str, Any], api_version: ApiVersion, of_v3: str, of_v2: str) -> list[str]:
    if api_version is V3:
        listed: list[str] = document.get(of_v3, [])
        return listed
    profile = document["profile"]
    return list(profile[1].get(of_v2, [])) if len(profile) > 1 else []


@pytest.mark.parametrize("api_version", ApiVersion)
def test_is_the_same_bytes_every_time(api_version: ApiVersion) -> None:
    assert json.dumps(build(INFORMATION, api_version)) == json.dumps(build(INFORMATION, api_version))
