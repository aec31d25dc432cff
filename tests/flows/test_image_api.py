"""What the official validator 1.0.5 cannot check because its own tests are broken (see test_validator.py)."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image as Pillow

from images.models import Image

pytestmark = pytest.mark.django_db(transaction=True)


def fetched(client: Client, path: str) -> bytes:
    response = client.get(f"/iiif/{path}")
    assert response.status_code == 200, response.content[:300]
    return response.getvalue()


def pixels(data: bytes) -> Any:
    return np.asarray(Pillow.open(BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize(
    ("output", "media_type", "start", "tolerance"),
    [
        ("jp2", "image/jp2", b"\x00\x00\x00\x0cjP  \r\n\x87\n", 0),
        ("webp", "image/webp", b"RIFF", 12),
        ("png", "image/png", b"\x89PNG", 0),
        ("tif", "image/tiff", b"II", 0),
        ("avif", "image/avif", b"\x00\x00\x00", 16),
    ],
)
def test_formats_show_the_picture(
    client: Client, picture: Image, version: str, output: str, media_type: str, start: bytes, tolerance: int
) -> None:
    path = f"{version}/picture/100,100,200,160/200,160/0/default"
    response = client.get(f"/iiif/{path}.{output}")
    assert response["Content-Type"] == media_type
    data = response.getvalue()
    assert data.startswith(start)
    expected = pixels(fetched(client, f"{path}.png"))
    assert np.abs(pixels(data) - expected).max() <= tolerance


@pytest.mark.parametrize("version", ["2", "3"])
def test_pdf_is_one_page_of_the_pictures_size(client: Client, picture: Image, version: str) -> None:
    response = client.get(f"/iiif/{version}/picture/full/300,/0/default.pdf")
    assert response["Content-Type"] == "application/pdf"
    data = response.getvalue()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert data.count(b"/Type/Page/") + data.count(b"/Type /Page\n") == 1
    page = Pillow.open(BytesIO(data[data.index(b"\xff\xd8\xff") : data.rindex(b"\xff\xd9") + 2]))
    assert page.size == (300, 200)
    assert (
        np.abs(np.asarray(page).astype(int) - pixels(fetched(client, "3/picture/full/300,/0/default.jpg"))).max() == 0
    )


@pytest.mark.parametrize("version", ["3"])
def test_a_confined_size_larger_than_the_image_is_fitted(client: Client, picture: Image, version: str) -> None:
    """`size_noup`: Image API 3.0 section 4.2: as large as possible, but not larger than the region."""
    assert pixels(fetched(client, f"{version}/picture/full/!2000,3000/0/default.png")).shape == (400, 600, 3)
    assert pixels(fetched(client, f"{version}/picture/0,0,100,50/!2000,3000/0/default.png")).shape == (50, 100, 3)
    assert pixels(fetched(client, f"{version}/picture/full/!300,3000/0/default.png")).shape == (200, 300, 3)


def test_upscaling_goes_to_the_limits_that_are_published(client: Client, picture: Image, settings: Any) -> None:
    """`size_up`: `^max` is as large as the limits allow, `^pct:200` twice as large."""
    settings.IIIF_MAX_WIDTH, settings.IIIF_MAX_AREA = 1500, None
    assert client.get("/iiif/3/picture/info.json").json()["maxWidth"] == 1500
    assert pixels(fetched(client, "3/picture/full/^max/0/default.png")).shape == (1000, 1500, 3)
    assert pixels(fetched(client, "3/picture/full/%5Epct:200/0/default.png")).shape == (800, 1200, 3)
    assert client.get("/iiif/3/picture/full/^pct:300/0/default.png").status_code == 400
    assert client.get("/iiif/3/picture/full/pct:200/0/default.png").status_code == 400
    assert client.get("/iiif/3/picture/full/1200,/0/default.png").status_code == 400
