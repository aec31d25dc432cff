"""What strangers send: names, pictures, headers and texts that are meant to do something else."""

import json
import zlib
from io import BytesIO
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from PIL import Image as Pillow

from images.models import Image, ImageState
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = pytest.mark.django_db

LEAKS = ("Traceback", "site-packages", "/home/", "/root/", "sqlite", "iiifserver/", "images/", "127.0.0.1")
SCRIPT = """<script>alert(1)</script>"><svg onload=alert(1)>'--></title>{{ 7|add:7 }}"""


@pytest.mark.parametrize(
    "identifier",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\windows",
        "%00",
        "a%00.png",
        "%0d%0aX-Injected: 1",
        "%E5%98%8A%E5%98%8DX-Injected: 1",
        "%ff%fe",
        "%c0%ae%c0%ae/etc",
        "a" * 5000,
        "\u202egpj.a",
        "picture[page=3]",
        "/proc/self/environ",
        "http://127.0.0.1/a",
        "file:///etc/passwd",
        SCRIPT,
    ],
)
@pytest.mark.parametrize("rest", ["info.json", "full/max/0/default.jpg", ""])
def test_no_identifier_finds_or_says_anything_else(client: Client, identifier: str, rest: str) -> None:
    written = identifier if "%" in identifier else quote(identifier, safe="")
    for version in ("2/", "3/"):
        response = client.get(f"/iiif/{version}{written}/{rest}")
        assert response.status_code in {303, 400, 404, 414}, response.content[:200]
        assert "X-Injected" not in response.headers
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "html" not in response.get("Content-Type", "")
        text = response.content.decode().replace(identifier, "")
        assert not [leak for leak in LEAKS[:5] if leak in text], text


def _bomb(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        + chunk(b"IEND", b"")
    )


def _jpeg_with(data: bytes) -> bytes:
    out = BytesIO()
    gradient(64, 64).save(out, "JPEG", icc_profile=data)
    return out.getvalue()


REFUSED = {
    "svg.png": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "html.jpg": b"<!doctype html><script>alert(1)</script>",
    "bomb.png": _bomb(60_000, 60_000),
    "pdf.jpg": b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>",
    "zip.tif": b"PK\x03\x04" + bytes(100),
    "script.png": b"#!/bin/sh\necho",
    "empty.png": b"",
    "half.png": png_bytes(gradient(300, 300))[:400],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_with_a_reason(ingest: Ingest, client: Client, name: str) -> None:
    image = ingest(REFUSED[name], name)
    assert image.state == ImageState.FAILED
    assert image.error_detail
    assert "Traceback" not in image.error_detail
    response = client.get("/iiif/3/picture/full/max/0/default.jpg")
    assert response.status_code >= 400
    assert b"alert" not in response.content


def test_a_picture_that_is_also_a_page_is_served_as_a_picture_of_ours(ingest: Ingest, client: Client) -> None:
    out = BytesIO()
    gradient(64, 64).convert("P").save(out, "GIF", comment=SCRIPT.encode())
    image = ingest(out.getvalue() + SCRIPT.encode(), "page.html.gif")
    assert image.state == ImageState.READY
    for written in ("default.jpg", "default.png", "default.gif", "default.webp"):
        response = client.get(f"/iiif/3/picture/full/max/0/{written}")
        body = response.getvalue()
        assert response.status_code == 200
        assert response["Content-Type"].startswith("image/")
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert b"alert" not in body


@pytest.mark.parametrize("size", [(1, 65_535), (65_535, 1)])
def test_a_line_of_pixels_is_a_picture(ingest: Ingest, client: Client, size: tuple[int, int]) -> None:
    image = ingest(png_bytes(Pillow.new("RGB", size)))
    assert image.state == ImageState.READY
    response = client.get("/iiif/3/picture/full/!200,200/0/default.png")
    assert response.status_code in {200, 400}
    assert client.get("/iiif/3/picture/info.json").json()["width"] == size[0]


def test_a_profile_of_rubbish_is_no_server_error(ingest: Ingest, client: Client) -> None:
    image = ingest(_jpeg_with(b"\xff" * 600_000), "picture.jpg")
    status = client.get("/iiif/3/picture/full/max/0/default.jpg").status_code
    assert status == 200 if image.state == ImageState.READY else status >= 400


def test_texts_of_records_are_texts(picture: Image, client: Client) -> None:
    picture.label = picture.attribution = SCRIPT
    picture.metadata = [{"label": SCRIPT, "value": SCRIPT}]
    picture.save()
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("admin"))
    for path in ("/", "/view/picture", "/?q=" + quote(SCRIPT)):
        page = client.get(path).content.decode()
        assert "<script>alert" not in page, path
        assert "<svg onload" not in page, path
    for path in ("/admin/images/image/", f"/admin/images/image/{picture.pk}/change/"):
        page = staff.get(path).content.decode()
        assert "<script>alert" not in page, path
        assert "<svg onload" not in page, path
    for version in (2, 3):
        manifest = client.get(f"/iiif/presentation/{version}/picture/manifest")
        assert "json" in manifest["Content-Type"]
        assert json.loads(manifest.content)


def test_a_stranger_names_no_host(picture: Image, client: Client) -> None:
    evil = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "444",
        "X-Forwarded-Server": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/evil.example",
        "X-Host": "evil.example",
    }
    for path in ("/iiif/3/picture/info.json", "/iiif/3/picture", "/iiif/presentation/3/picture/manifest", "/"):
        for headers in (evil, {}):
            response = client.get(path, headers=headers, follow=False)
            assert "evil" not in response.content.decode() + str(response.headers), path
            assert "https://testserver" not in response.content.decode()
    assert client.get("/iiif/3/picture/info.json", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(2000))},
        {"Range": "bytes=5-1"},
        {"Range": "bytes=-99999999999999999999999"},
        {"Range": "lines=1-2"},
        {"If-None-Match": '"a",' * 5000},
        {"If-None-Match": 'W/"'},
        {"If-Modified-Since": "Thu, 99 Foo 99999 99:99:99 GMT"},
        {"If-Modified-Since": "9" * 4000},
        {"Accept": "application/json;q=" + "9" * 4000},
        {"Accept": "," * 4000},
        {"Accept-Language": "de-" * 2000},
        {"Cookie": "sessionid=../../etc; csrftoken=\x01"},
    ],
)
def test_odd_headers_are_no_server_error(picture: Image, client: Client, headers: dict[str, str]) -> None:
    for path in ("/iiif/3/picture/full/100,/0/default.jpg", "/iiif/3/picture/info.json", "/"):
        response = client.get(path, headers=headers)
        assert response.status_code in {200, 206, 304, 400, 406, 416}, path
        assert len(b"".join(response) if response.streaming else response.content) < 200_000
