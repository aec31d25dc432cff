import pytest
from hypothesis import given

from images.iiif.canonical import canonical_path, derivative_parameters, find_canonical_path
from images.iiif.capabilities import Capabilities
from images.iiif.errors import IIIFError
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.request import ResolvedRequest, parse_image_request, resolve
from images.iiif.version import ApiVersion
from tests.images.iiif import strategies

FULL = Size(300, 200)
V2, V3 = ApiVersion


def resolved(path: str, full: Size, capabilities: Capabilities, api_version: ApiVersion) -> ResolvedRequest:
    region, size, rotation, quality_format = path.split("/")
    return resolve(parse_image_request(region, size, rotation, quality_format, api_version), full, capabilities)


@pytest.mark.parametrize(
    ("path", "limits", "canonical"),
    [
        ("full/max/0/default.jpg", Limits(), "full/max/0/default.jpg"),
        ("0,0,300,200/300,200/360/color.jpg", Limits(), "full/max/0/default.jpg"),
        ("pct:0,0,100,100/pct:100/0.0/default.jpg", Limits(), "full/max/0/default.jpg"),
        ("square/max/!090/gray.png", Limits(), "50,0,200,200/max/!90/gray.png"),
        ("full/150,/22.50/default.jpg", Limits(), "full/150,100/22.5/default.jpg"),
        ("full/150,100/.5/default.jpg", Limits(), "full/150,100/0.5/default.jpg"),
        ("100,100,500,500/max/0/default.jpg", Limits(), "100,100,200,100/max/0/default.jpg"),
        ("full/max/0/default.jpg", Limits(150), "full/max/0/default.jpg"),
        ("full/150,/0/default.jpg", Limits(150), "full/max/0/default.jpg"),
        ("full/^max/0/default.jpg", Limits(600), "full/^max/0/default.jpg"),
        ("full/^600,/0/default.jpg", Limits(600), "full/^max/0/default.jpg"),
        ("full/^450,/0/default.jpg", Limits(600), "full/^450,300/0/default.jpg"),
        ("full/^max/0/default.jpg", Limits(150), "full/max/0/default.jpg"),
        ("full/^!150,150/0/default.jpg", Limits(600), "full/150,100/0/default.jpg"),
    ],
)
def test_canonical_form_of_3_0(path: str, limits: Limits, canonical: str) -> None:
    capabilities = Capabilities.everything(limits)
    assert canonical_path(resolved(path, FULL, capabilities, V3), FULL, V3) == canonical


@pytest.mark.parametrize(
    ("path", "limits", "canonical"),
    [
        ("full/full/0/default.jpg", Limits(), "full/full/0/default.jpg"),
        ("full/max/0/color.jpg", Limits(), "full/full/0/default.jpg"),
        ("full/max/0/default.jpg", Limits(150), "full/150,/0/default.jpg"),
        ("full/150,100/0/default.jpg", Limits(), "full/150,/0/default.jpg"),
        ("full/,100/0/default.jpg", Limits(), "full/150,/0/default.jpg"),
        ("full/150,150/0/default.jpg", Limits(), "full/150,150/0/default.jpg"),
        ("full/600,/0/default.jpg", Limits(600), "full/600,/0/default.jpg"),
        ("full/!150,150/!22.50/default.jpg", Limits(), "full/150,/!22.5/default.jpg"),
    ],
)
def test_canonical_form_of_2_1(path: str, limits: Limits, canonical: str) -> None:
    capabilities = Capabilities.everything(limits)
    assert canonical_path(resolved(path, FULL, capabilities, V2), FULL, V2) == canonical


def test_square_of_a_square_image_is_full() -> None:
    full = Size(7, 7)
    request = resolved("square/max/0/default.jpg", full, Capabilities.everything(), V2)
    assert canonical_path(request, full, V2) == "full/full/0/default.jpg"


def test_derivative_parameters_name_the_pixels() -> None:
    request = resolved("square/150,/!22.50/gray.png", FULL, Capabilities.everything(), V3)
    assert derivative_parameters(request) == "50,0,200,200/150,150/!22.5/gray.png"


@given(strategies.requested_images, strategies.capabilities_of_all)
def test_both_canonical_forms_are_fixed_points_and_name_the_same_derivative(
    requested: strategies.RequestedImage, capabilities: Capabilities
) -> None:
    full = requested.full
    try:
        request = resolve(requested.parse(), full, capabilities)
    except IIIFError:
        return
    for version in ApiVersion:
        path = canonical_path(request, full, version)
        again = resolved(path, full, capabilities, version)
        assert again == request
        assert canonical_path(again, full, version) == path
        assert derivative_parameters(again) == derivative_parameters(request)


@given(strategies.requested_images, strategies.some_capabilities)
def test_a_canonical_link_never_leads_to_an_error(
    requested: strategies.RequestedImage, capabilities: Capabilities
) -> None:
    full, api_version = requested.full, requested.api_version
    try:
        request = resolve(requested.parse(), full, capabilities)
    except IIIFError:
        return
    path = find_canonical_path(request, full, api_version, capabilities)
    if path is not None:
        assert resolved(path, full, capabilities, api_version) == request


def test_a_canonical_form_that_is_switched_off_is_not_found() -> None:
    everything = Capabilities.everything()
    capabilities = Capabilities(everything.features - {Feature.REGION_BY_PX}, everything.qualities, everything.formats)
    request = resolved("square/max/0/default.jpg", FULL, capabilities, V3)
    assert find_canonical_path(request, FULL, V3, capabilities) is None
    assert find_canonical_path(request, FULL, V3, everything) == "50,0,200,200/max/0/default.jpg"
