from images.iiif.links import image_link_header, image_uri, information_link_header
from images.iiif.negotiation import JSON, JSON_LD
from images.iiif.version import ApiVersion

V2, V3 = ApiVersion
CONTEXT = (
    '<http://iiif.io/api/image/2/context.json>;rel="http://www.w3.org/ns/json-ld#context";type="application/ld+json"'
)


def test_image_uri_encodes_the_caret() -> None:
    uri = image_uri("https://example.org/iiif/3/a%2Fb", "full/^max/0/default.jpg")
    assert uri == "https://example.org/iiif/3/a%2Fb/full/%5Emax/0/default.jpg"


def test_links_of_an_image() -> None:
    assert image_link_header("http://example.org/x", 2, V3) == (
        '<http://example.org/x>;rel="canonical", <http://iiif.io/api/image/3/level2.json>;rel="profile"'
    )
    assert image_link_header(None, 0, V2) == '<http://iiif.io/api/image/2/level0.json>;rel="profile"'
    assert image_link_header(None, None, V2) == ""


def test_links_of_info_json() -> None:
    assert information_link_header(JSON, None, V2) == CONTEXT
    assert information_link_header(JSON, 1, V2) == (
        f'{CONTEXT}, <http://iiif.io/api/image/2/level1.json>;rel="profile"'
    )
    assert information_link_header(JSON_LD, None, V2) == ""
    assert information_link_header(JSON, None, V3) == ""
