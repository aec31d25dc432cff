"""What every IIIF answer carries, whatever it is: methods, headers, validators, negotiation, errors."""

import json
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from PIL import Image as Pillow

from images.models import Image
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
IMAGE_3 = "/iiif/3/picture/full/300,/0/default.jpg"


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else bytes(response.content)


def opened(response: Any) -> Pillow.Image:
    return Pillow.open(BytesIO(body(response)))


def test_an_image_in_both_versions(client: Client, picture: Image) -> None:
    first = client.get("/iiif/3/picture/100,50,200,100/100,50/90/default.png")
    second = client.get("/iiif/2/picture/100,50,200,100/100,/90/color.png")
    assert first.status_code == second.status_code == 200
    assert first["Content-Type"] == "image/png"
    assert opened(first).size == (50, 100)
    assert first["ETag"] == second["ETag"]
    assert 'rel="canonical"' in first["Link"]
    assert 'rel="profile"' in first["Link"]


def test_the_default_version_is_served_without_a_number(client: Client, picture: Image) -> None:
    info = client.get("/iiif/picture/info.json").json()
    assert info["type"] == "ImageService3"
    assert info["id"] == "http://testserver/iiif/picture"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/iiif/3/picture", 303),
        ("/iiif/3/picture/info.json", 200),
        (IMAGE_3, 200),
        ("/iiif/3/unknown/info.json", 404),
        ("/iiif/3/unknown/full/max/0/default.jpg", 404),
        ("/iiif/3/unknown", 404),
        ("/iiif/3/picture/full/max/0/default.bmp", 400),
        ("/iiif/3/picture/full/700,/0/default.jpg", 400),
        ("/iiif/3/picture/9999,0,10,10/max/0/default.jpg", 400),
        ("/iiif/3/picture/full/99999,99999/0/default.jpg", 400),
        ("/iiif/3/picture/full/max/400/default.jpg", 400),
        ("/iiif/3/a/../b/info.json", 400),
        ("/iiif/3/a%00b/info.json", 400),
        ("/iiif/3/a%0Ab/info.json", 400),
        ("/iiif/3/%2e%2e%2fsecret/info.json", 400),
        ("/iiif/3/", 400),
        ("/iiif/3/picture/full/max/0/default", 400),
    ],
)
def test_status_and_cors_on_every_answer(client: Client, picture: Image, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status, response.content[:300]
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Link" in response["Access-Control-Expose-Headers"]
    assert response["X-Content-Type-Options"] == "nosniff"
    if status >= 400:
        error = json.loads(response.content)
        assert set(error) == {"error", "detail"}
        assert error["detail"]


def test_a_feature_that_is_switched_off_answers_501_and_is_not_advertised(
    client: Client, picture: Image, settings: Any
) -> None:
    settings.IIIF_DISABLED_FEATURES = ["mirroring"]
    settings.IIIF_FORMATS = ["jpg", "png"]
    assert client.get("/iiif/3/picture/full/max/!0/default.jpg").status_code == 501
    assert client.get("/iiif/3/picture/full/max/0/default.webp").status_code == 501
    info = client.get("/iiif/3/picture/info.json").json()
    assert "mirroring" not in info["extraFeatures"]
    assert "webp" not in info.get("extraFormats", [])


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused(client: Client, picture: Image, method: str) -> None:
    response = getattr(client, method)(IMAGE_3)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert response["Access-Control-Allow-Origin"] == "*"


def test_preflight_lets_viewers_ask_with_a_profile(client: Client, picture: Image) -> None:
    response = client.options("/iiif/3/picture/info.json")
    assert response.status_code == 204
    assert "Accept" in response["Access-Control-Allow-Headers"]
    assert response["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


def test_base_uri_redirects_to_the_encoded_information(client: Client, ingest: Ingest) -> None:
    ingest(png_bytes(gradient(20, 20)), identifier="maps/old town?.tif")
    for path in ("/iiif/3/maps/old%20town%3F.tif", "/iiif/3/maps%2Fold%20town%3F.tif"):
        response = client.get(path + "?utm=1")
        assert response.status_code == 303
        assert response["Location"] == "http://testserver/iiif/3/maps%2Fold%20town%3F.tif/info.json"
    info = client.get("/iiif/2/maps%2Fold%20town%3F.tif/info.json").json()
    assert info["@id"] == "http://testserver/iiif/2/maps%2Fold%20town%3F.tif"


def test_conditional_requests_decode_nothing(client: Client, picture: Image, monkeypatch: Any) -> None:
    first = client.get(IMAGE_3)
    monkeypatch.setattr("images.services.producing.get_runner", _fail)
    monkeypatch.setattr("images.services.producing.open_source", _fail)
    etag, modified = first["ETag"], first["Last-Modified"]
    other = "/iiif/3/picture/full/299,/0/default.jpg"
    etag_of_other = client.head(other)["ETag"]
    assert client.get(IMAGE_3, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(other, headers={"If-None-Match": f'"x", W/{etag_of_other}'}).status_code == 304
    answer = client.get(other, headers={"If-Modified-Since": modified})
    assert answer.status_code == 304
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["ETag"] == etag_of_other
    information = client.get("/iiif/3/picture/info.json")
    again = client.get("/iiif/3/picture/info.json", headers={"If-None-Match": information["ETag"]})
    assert again.status_code == 304


def test_head_decodes_nothing_and_says_the_same(client: Client, picture: Image, monkeypatch: Any) -> None:
    got = client.get(IMAGE_3)
    monkeypatch.setattr("images.services.producing.get_runner", _fail)
    monkeypatch.setattr("images.services.producing.open_source", _fail)
    head = client.head(IMAGE_3)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Link", "Cache-Control"):
        assert head[name] == got[name]
    cold = client.head("/iiif/3/picture/full/123,/0/default.png")
    assert (cold.status_code, cold["Content-Type"]) == (200, "image/png")


def test_content_negotiation(client: Client, picture: Image) -> None:
    def media_type(path: str, accept: str | None = None) -> str:
        headers = {"Accept": accept} if accept else {}
        response = client.get(path, headers=headers)
        assert "Accept" in response["Vary"]
        return str(response["Content-Type"])

    ld3 = 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
    assert media_type("/iiif/3/picture/info.json") == ld3
    assert media_type("/iiif/3/picture/info.json", "*/*") == ld3
    assert media_type("/iiif/3/picture/info.json", "application/json") == "application/json"
    assert media_type("/iiif/2/picture/info.json") == "application/json"
    assert media_type("/iiif/2/picture/info.json", "*/*") == "application/json"
    assert media_type("/iiif/2/picture/info.json", "application/ld+json") == "application/ld+json"


def test_download_names_the_file(client: Client, picture: Image) -> None:
    assert client.get(IMAGE_3)["Content-Disposition"].startswith("inline; filename=")
    disposition = client.get(IMAGE_3 + "?download")["Content-Disposition"]
    assert disposition == "attachment; filename=picture-full-300-200.jpg"


def test_unknown_query_arguments_share_one_entry(client: Client, picture: Image) -> None:
    first = client.get(IMAGE_3 + "?x=1")
    second = client.get(IMAGE_3 + "?x=2")
    assert first["ETag"] == second["ETag"]


def test_a_strange_host_is_never_named(client: Client, picture: Image) -> None:
    for headers in ({"Host": "evil.test"}, {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https"}):
        response = client.get("/iiif/3/picture/info.json", headers=headers)
        assert b"evil" not in response.content
        assert response["Access-Control-Allow-Origin"] == "*"


def test_a_trusted_proxy_is_believed(picture: Image, settings: Any) -> None:
    settings.IIIF_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.ALLOWED_HOSTS = ["images.example.org"]
    headers = {"X-Forwarded-Host": "images.example.org", "X-Forwarded-Proto": "https"}
    info = Client(REMOTE_ADDR="10.1.2.3").get("/iiif/3/picture/info.json", headers=headers).json()
    assert info["id"] == "https://images.example.org/iiif/3/picture"


def test_the_base_url_setting_wins(client: Client, picture: Image, settings: Any) -> None:
    settings.IIIF_BASE_URL = "https://iiif.example.org/images"
    info = client.get("/iiif/3/picture/info.json").json()
    assert info["id"] == "https://iiif.example.org/images/iiif/3/picture"


def test_a_cached_tile_costs_one_query_and_opens_no_source(
    client: Client, picture: Image, monkeypatch: Any, django_assert_max_num_queries: Any
) -> None:
    expected = body(client.get(IMAGE_3))
    monkeypatch.setattr("images.services.producing.open_source", _fail)
    with django_assert_max_num_queries(1):
        assert body(client.get(IMAGE_3)) == expected


def test_upper_limits_are_named_and_max_is_fitted(client: Client, picture: Image, settings: Any) -> None:
    settings.IIIF_MAX_WIDTH, settings.IIIF_MAX_AREA = 200, None
    info = client.get("/iiif/3/picture/info.json").json()
    assert info["maxWidth"] == 200
    assert all(size["width"] <= 200 for size in info["sizes"])
    refused = client.get("/iiif/3/picture/full/300,/0/default.jpg")
    assert refused.status_code == 400
    assert "200" in refused.json()["detail"]
    assert opened(client.get("/iiif/3/picture/full/max/0/default.jpg")).size == (200, 133)


def _fail(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("this request must not come so far")


def test_browsers_that_ask_for_an_icon_get_one(client: Client) -> None:
    response = client.get("/favicon.ico")
    assert response.status_code == 302
    assert response["Location"].endswith("images/icon.svg")
