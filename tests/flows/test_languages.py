"""Pages speak the reader's language; answers to programs do not change with it."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from images.models import Collection, Image, Job, Store
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = pytest.mark.django_db

BOXES = {"features": ["mirroring", "sizeByW", "sizeByWh"], "qualities": ["default"], "formats": ["jpg"]}
"""Of a profile without regionByPx."""
GERMAN = {"accept-language": "de-DE,de;q=0.9,en;q=0.5"}
ADMIN = [
    "/admin/",
    "/admin/system/",
    "/admin/cache/",
    "/admin/cache/purge/?scope=all",
    "/admin/images/image/",
    "/admin/images/image/add/",
    "/admin/images/image/add-many/",
    "/admin/images/collection/add/",
    "/admin/images/profile/add/",
    "/admin/images/namedquery/add/",
    "/admin/images/store/add/",
    "/admin/images/apitoken/add/",
    "/admin/images/job/",
]
IIIF = [
    "/iiif/3/plate/info.json",
    "/iiif/2/plate/info.json",
    "/iiif/3/plate/full/max/0/default.jpg",
    "/iiif/3/plate/nonsense/max/0/default.jpg",
    "/iiif/3/nobody/info.json",
    "/iiif/presentation/3/plate/manifest",
    "/iiif/presentation/3/collections",
    "/iiif/presentation/2/collections",
    "/iiif/activity/all",
]


@pytest.fixture(name="plate")
def fixture_plate(ingest: Ingest) -> Image:
    return ingest(png_bytes(gradient(1600, 1200)), "plate.png", "plate")


def varies(response: Any) -> bool:
    return "accept-language" in response.headers.get("Vary", "").lower()


@pytest.mark.parametrize(
    ("accepted", "code", "words"), [("de", "de", "Galerie"), ("fr", "en", "Gallery"), ("", "en", "Gallery")]
)
def test_the_gallery_speaks_what_the_browser_asks_for(client: Client, accepted: str, code: str, words: str) -> None:
    response = client.get("/", headers={"accept-language": accepted})
    text = response.content.decode()
    assert f'<html lang="{code}">' in text
    assert f"<h1>{words}</h1>" in text
    assert response["Content-Language"] == code
    assert varies(response)


@pytest.mark.parametrize(
    ("path", "words"), [("/view/none", "Diese Seite gibt es nicht"), ("/collections", "Sammlungen")]
)
def test_other_pages_too(client: Client, path: str, words: str) -> None:
    response = client.get(path, headers=GERMAN)
    assert words in response.content.decode()
    assert '<html lang="de">' in response.content.decode()
    assert varies(response)


def test_numbers_are_written_as_germans_do(client: Client, plate: Image) -> None:
    text = client.get("/view/plate", headers=GERMAN).content.decode()
    assert "1.600 × 1.200 Pixel (1,9 MP)" in text
    assert "1,600 × 1,200 pixels (1.9 MP)" in client.get("/view/plate").content.decode()


@pytest.mark.parametrize("path", ADMIN)
def test_every_page_of_the_admin(admin_client: Client, path: str, plate: Image) -> None:
    response = admin_client.get(path, headers=GERMAN)
    assert response.status_code == 200
    text = response.content.decode()
    assert '<html lang="de"' in text
    assert "Bildarchiv" in text
    assert varies(response)
    english = admin_client.get(path).content.decode()
    assert sentences(english) & sentences(text) == set()


def sentences(page: str) -> set[str]:
    """Of three words and more, between tags; but not what Django's checks advise, which is English, nor names."""
    body = re.sub(r"(?s)<(script|style|svg|pre|option).*?</\1>", " ", page)
    body = re.sub(r'(?s)<section class="module" aria-labelledby="(advice|formats|versions)">.*?</section>', " ", body)
    found = (text.strip() for text in re.findall(r">([^<>]+)<", body))
    words = re.compile(r"(?:^|\s)[A-Za-zÄÖÜäöüß]{2,}")
    return {text for text in found if len(words.findall(text)) >= 3 and "/" not in text and text[0] != "{"}


def test_the_page_of_an_image(admin_client: Client, plate: Image) -> None:
    text = admin_client.get(f"/admin/images/image/{plate.pk}/change/", headers=GERMAN).content.decode()
    for words in (
        "Im Inneren der Quelle",
        "Kacheln der Quelle",
        "Wie in der Sammlung angegeben",
        "1.600 × 1.200",
        ">ansehen<",
    ):
        assert words in text
    english = admin_client.get(f"/admin/images/image/{plate.pk}/change/").content.decode()
    assert sentences(english) & sentences(text) == set()
    explained = admin_client.get(f"/admin/images/image/{plate.pk}/explain.json", headers=GERMAN).json()
    assert ["im Cache", "nein"] in explained["lines"]
    assert any(line.endswith("MiB") and "," in line for _name, line in explained["lines"])


def test_what_a_form_refuses(admin_client: Client) -> None:
    fields = {"name": "maps", "service_copy_policy": "sometimes"}
    text = admin_client.post("/admin/images/collection/add/", fields, headers=GERMAN).content.decode()
    assert "Bitte" in text
    assert "Nie" in text
    profile = {
        "name": "x",
        "max_height": "5",
        "information": "{}",
        **BOXES,
        "jpeg_quality": "",
    }
    answer = admin_client.post("/admin/images/profile/preview/", profile, headers=GERMAN).json()
    assert "verlangt eine größte Breite" in str(answer)


def test_warnings_of_a_profile(admin_client: Client) -> None:
    fields = {"name": "x", **BOXES, "information": "{}"}
    warnings = admin_client.post("/admin/images/profile/preview/", fields, headers=GERMAN).json()["warnings"]
    assert warnings[0].startswith("Ohne regionByPx nennt info.json")
    english = admin_client.post("/admin/images/profile/preview/", fields).json()["warnings"]
    assert english[0].startswith("Without regionByPx info.json names")


def test_a_job_is_told_in_the_language_of_who_looks(admin_client: Client) -> None:
    job = Job.objects.create(kind="images", parameters={"action": "warm"}, state_changed="2026-01-01T00:00Z", total=1)
    german = admin_client.get(f"/admin/images/job/{job.pk}/change/", headers=GERMAN).content.decode()
    assert "Alle Kacheln erzeugen" in german
    assert "Wartet" in german
    assert "Make all tiles" in admin_client.get(f"/admin/images/job/{job.pk}/change/").content.decode()


@pytest.mark.parametrize("path", IIIF)
def test_iiif_answers_know_no_language(client: Client, plate: Image, path: str) -> None:
    Collection.objects.create(name="maps")
    plain = client.get(path)
    assert client.get("/", headers=GERMAN)["Content-Language"] == "de"  # whoever came before on this thread
    german = client.get(path, headers=GERMAN)
    assert (german.status_code, german.getvalue()) == (plain.status_code, plain.getvalue())
    assert not varies(german)
    assert "Content-Language" not in german.headers


@pytest.mark.parametrize("path", IIIF[:3])
def test_iiif_answers_choose_none(client: Client, plate: Image, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a tile has nothing to do with languages: none is looked for, none is activated."""
    asked: list[str] = []
    for name in ("activate", "get_language_from_request"):
        monkeypatch.setattr(translation, name, lambda *_args, _name=name, **_kwargs: asked.append(_name))
    client.get(path, headers=GERMAN)
    assert asked == []


def test_the_language_ends_with_the_request(client: Client) -> None:
    before = translation.get_language()
    assert client.get("/", headers=GERMAN)["Content-Language"] == "de"
    assert translation.get_language() == before == "en"
    assert client.get("/no/such/page", headers=GERMAN).status_code == 404
    assert translation.get_language() == "en"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/v1/images/", {"identifier": "2/x", "source": {"store": "none", "key": "a"}}),
        ("/api/v1/images/", {}),
        ("/api/v1/collections/", {"name": "not a slug"}),
        ("/api/v1/nothing/", {}),
    ],
)
def test_the_api_stays_english(admin_client: Client, path: str, fields: dict[str, Any]) -> None:
    Store.objects.create(name="scans", root="/")
    headers = {"x-requested-with": "XMLHttpRequest"}
    plain = admin_client.post(path, fields, content_type="application/json", headers=headers)
    german = admin_client.post(path, fields, content_type="application/json", headers={**headers, **GERMAN})
    assert 400 <= german.status_code < 500
    assert german.json() == plain.json()
    assert not varies(german)


def test_readers_choose_with_a_button() -> None:
    client = Client(enforce_csrf_checks=True)
    text = client.get("/collections?page=1").content.decode()
    assert 'name="next" value="/collections?page=1"' in text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert token
    fields = {"language": "de", "next": "/collections?page=1"}
    assert client.post("/language", fields).status_code == 403
    chosen = client.post("/language", {**fields, "csrfmiddlewaretoken": token[1]})
    assert (chosen.status_code, chosen["Location"]) == (302, "/collections?page=1")
    german = client.get("/collections", headers={"accept-language": "en"}).content.decode()
    assert '<html lang="de">' in german
    assert re.search(r'value="de" lang="de" aria-current="true"', german)


def test_the_button_leads_nowhere_else(client: Client) -> None:
    assert client.post("/language", {"language": "de", "next": "https://example.org/"})["Location"] == "/"
    client.post("/language", {"language": "tlh", "next": "/"})  # is not offered: nothing changes
    assert client.get("/")["Content-Language"] == "de"
