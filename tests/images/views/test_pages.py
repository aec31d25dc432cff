import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.template.loader import get_template
from django.test import Client, override_settings
from django.urls import resolve

from images.iiif.geometry import Size
from images.models import Collection, ImageState
from images.selectors.gallery import ImageCard
from images.selectors.samples import SampleProgress
from images.templatetags import iiif_urls
from images.views import pages, viewer_context
from tests.images.views.conftest import Register

AWKWARD = ["a/b/c", "with space", "päth/ü", "100%", "a%2Fb", "why?", "no#1", "<b>&\"'", "a:b,c;d(e)"]

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


class Links(HTMLParser):
    """The addresses in a page, by attribute, and the tags that were left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src", "content"} and value and "/" in value:
                self.found.append(value)
            if name == "id" and value:
                self.ids.append(value)


def page(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return response.content.decode()


def viewer_data(text: str) -> dict[str, Any]:
    match = re.search(r'<script id="viewer-data" type="application/json">(.*?)</script>', text)
    assert match
    data: dict[str, Any] = json.loads(match[1])
    return data


class TestGallery:
    def test_empty_gallery_says_how_to_add_images(self, client: Client) -> None:
        text = page(client, "/")
        assert "./run --images" in text
        assert "manage.py ingest" in text
        assert "/admin/" in text

    def test_card_of_a_ready_image(self, client: Client, register: Register) -> None:
        register("map", label="Map of the harbour")
        text = page(client, "/")
        assert '/iiif/3/map/full/!400,400/0/default.jpg?v=1"' in text
        assert 'width="400" height="240"' in text
        assert 'alt="Preview of Map of the harbour"' in text
        assert "15 MP" in text
        assert "5,000 × 3,000" in text
        assert "JPEG 2000" in text

    @pytest.mark.parametrize(
        ("state", "words"), [(ImageState.PENDING, "Waiting"), (ImageState.PROCESSING, "Being read")]
    )
    def test_unfinished_cards_have_a_badge_and_make_the_page_ask_again(
        self, client: Client, register: Register, state: str, words: str
    ) -> None:
        register("map", state=state)
        text = page(client, "/")
        assert words in text
        assert 'data-unfinished="true"' in text

    def test_failed_card_says_why_to_curators_only(self, client: Client, register: Register) -> None:
        register("map", state=ImageState.FAILED, error_detail="This is a <PDF>.")
        assert "PDF" not in page(client, "/")
        client.force_login(get_user_model().objects.create_user("curator", is_staff=True))
        text = page(client, "/")
        assert "This is a &lt;PDF&gt;." in text
        assert 'data-unfinished="false"' in text

    def test_an_image_that_fails_when_it_is_read_again_stays_in_view(self, client: Client, register: Register) -> None:
        size = {"version": 2, "width": 50, "height": 30}
        register("map", state=ImageState.FAILED, error_detail="This is a <PDF>.", **size)
        assert "/view/map" in page(client, "/")

    @pytest.mark.parametrize(
        "fields",
        [{"version": 2}, {"version": 2, "width": 50, "height": 30, "error_code": "quarantined"}],
        ids=["became something else", "in quarantine"],
    )
    def test_an_image_that_has_no_picture_any_more_is_listed_and_counted_for_curators_only(
        self, client: Client, register: Register, fields: dict[str, Any]
    ) -> None:
        maps = Collection.objects.create(name="maps")
        register("chart", collection=maps)
        register("map", state=ImageState.FAILED, collection=maps, **fields)
        for path in ("/", "/?q=ma", "/collections/maps"):
            assert "/view/map" not in page(client, path)
        for path in ("/", "/collections/maps", "/collections"):
            assert re.search(r"\b1 picture\b", page(client, path))
        client.force_login(get_user_model().objects.create_user("curator", is_staff=True))
        for path in ("/", "/collections/maps"):
            text = page(client, path)
            assert "2 pictures" in text
            assert "/view/map" in text

    def test_search_finds_labels_and_says_when_there_is_nothing(self, client: Client, register: Register) -> None:
        register("one", label="Harbour")
        register("two", label="Bridge")
        found = page(client, "/?q=harb")
        assert "Harbour" in found
        assert "Bridge" not in found
        nothing = page(client, "/?q=%3Cscript%3E%00")
        assert "Nothing matches “&lt;script&gt;”" in nothing

    def test_pages_keep_the_search(self, client: Client, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pages, "CARDS_PER_PAGE", 2)
        for number in range(5):
            register(f"map-{number}", label=f"Map & {number}")
        text = page(client, "/?q=map+%26&page=2")
        assert "Page 2 of 3" in text
        assert "?q=map%20%26&amp;page=3" in text

    @pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 40, "٣", ""])
    def test_any_page_number_shows_a_page(self, client: Client, register: Register, number: str) -> None:
        register("map")
        assert "/view/map" in page(client, f"/?page={quote(number)}")

    @pytest.mark.parametrize("identifier", AWKWARD)
    def test_links_of_a_card_lead_back_to_the_identifier(
        self, client: Client, register: Register, identifier: str
    ) -> None:
        register(identifier)
        links = Links(page(client, "/")).found
        (view,) = [link for link in links if link.startswith("/view/")]
        assert resolve(unquote(urlsplit(view).path)).kwargs["identifier"] == identifier
        (thumbnail,) = [link for link in links if link.startswith("/iiif/3/")]
        rest = resolve(unquote(urlsplit(thumbnail).path)).kwargs["rest"]
        assert rest == f"{identifier}/full/!400,400/0/default.jpg"

    def test_only_reading_is_allowed(self, client: Client) -> None:
        assert client.post("/").status_code == 405


class TestGalleryState:
    def test_lists_what_is_under_way(self, client: Client, register: Register) -> None:
        register("done")
        register("map", state=ImageState.PROCESSING)
        state = client.get("/gallery/state.json").json()
        assert state["is_unfinished"] is True
        assert [card["identifier"] for card in state["unfinished"]] == ["map"]

    def test_fingerprint_changes_with_every_step(self, client: Client, register: Register) -> None:
        def fingerprint() -> str:
            return str(client.get("/gallery/state.json").json()["fingerprint"])

        seen = [fingerprint()]
        image = register("map", state=ImageState.PENDING)
        seen.append(fingerprint())
        for state in (ImageState.PROCESSING, ImageState.FAILED):
            image.state = state
            image.save()
            seen.append(fingerprint())
        assert len(set(seen[:-1])) == len(seen) - 1
        assert seen[-1] == seen[0]  # what cannot be read is gone from view
        client.force_login(get_user_model().objects.create_user("curator", is_staff=True))
        assert fingerprint() not in seen
        assert f'data-fingerprint="{fingerprint()}"' in page(client, "/")

    def test_page_and_state_agree(self, client: Client, register: Register) -> None:
        register("map", state=ImageState.PENDING)
        fingerprint = client.get("/gallery/state.json").json()["fingerprint"]
        assert f'data-fingerprint="{fingerprint}"' in page(client, "/")

    def test_samples_in_the_making_show_their_progress(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        samples = (
            SampleProgress("tiff", "Pyramidal TIFF", 40, "making"),
            SampleProgress("jpeg", "JPEG", 100, "ready"),
        )
        monkeypatch.setattr(pages, "get_sample_progress", lambda: samples)
        state = client.get("/gallery/state.json").json()
        assert [(row["identifier"], row["percent"]) for row in state["samples"]] == [("tiff", 40)]
        assert state["is_unfinished"] is True
        assert 'value="40"' in page(client, "/")

    def test_percent_alone_does_not_redraw_the_page(self) -> None:
        states = [pages.GalleryState((), (SampleProgress("a", "A", percent, "making"),), 0) for percent in (1, 99)]
        assert states[0].fingerprint == states[1].fingerprint

    def test_state_of_one_image(self, client: Client, register: Register) -> None:
        register("a/b ü", state=ImageState.PENDING)
        answer = client.get("/gallery/state.json", {"id": "a/b ü"}).json()
        assert answer["image"]["state"] == "pending"
        assert client.get("/gallery/state.json", {"id": "nope"}).json() == {"image": None}
        assert client.get("/gallery/state.json", {"id": "a\x00b"}).json() == {"image": None}

    def test_is_never_cached(self, client: Client) -> None:
        assert "no-store" in client.get("/gallery/state.json")["Cache-Control"]


class TestViewerPage:
    def test_facts(self, client: Client, register: Register) -> None:
        register(
            "map",
            label="Map <1>",
            rights="http://rightsstatements.org/vocab/NoC-US/1.0/",
            attribution="<b>City Archive</b>",
            metadata=[{"label": "Date", "value": "1898"}],
        )
        text = page(client, "/view/map")
        assert '<h1 title="Map &lt;1&gt;">' in text
        assert "5,000 × 3,000" in text
        assert "No copyright – United States" in text
        assert "City Archive" in text
        assert "<b>City" not in text
        assert "1898" in text

    def test_rights_that_are_no_web_address_are_no_link(self, client: Client, register: Register) -> None:
        register("map", rights="javascript:alert(1)")
        assert 'href="javascript' not in page(client, "/view/map")

    @pytest.mark.parametrize(("query", "api"), [("", 3), ("?api=2", 2), ("?api=x", 3)])
    def test_version_of_the_image_information(self, client: Client, register: Register, query: str, api: int) -> None:
        register("map")
        data = viewer_data(page(client, f"/view/map{query}"))
        assert data["api"] == api
        assert data["service"] == f"http://testserver/iiif/{api}/map"
        assert data["localService"] == f"/iiif/{api}/map"

    @override_settings(IIIF_BASE_URL="https://images.example.org")
    def test_links_are_public_and_the_viewer_stays_on_its_host(self, client: Client, register: Register) -> None:
        register("map")
        text = page(client, "/view/map")
        assert "https://images.example.org/iiif/presentation/3/map/manifest" in text
        assert viewer_data(text)["service"] == "https://images.example.org/iiif/3/map"
        assert viewer_data(text)["localService"] == "/iiif/3/map"

    @pytest.mark.parametrize("identifier", AWKWARD)
    def test_every_link_leads_back_to_the_identifier(self, client: Client, register: Register, identifier: str) -> None:
        register(identifier)
        text = page(client, f"/view/{quote(identifier, safe='')}")
        encoded = [urlsplit(link) for link in Links(text).found if "/iiif/" in link or "/view/" in link]
        assert len(encoded) > 8
        for link in encoded:
            assert not link.fragment
            kwargs = resolve(unquote(link.path)).kwargs
            assert kwargs.get("identifier", kwargs.get("rest", "")).startswith(identifier)
        assert viewer_data(text)["identifier"] == identifier

    def test_no_inline_scripts_or_styles(self, client: Client, register: Register) -> None:
        register("map")
        for path in ("/", "/view/map", "/view/nope"):
            text = client.get(path).content.decode()
            assert "<style" not in text
            assert not re.search(r"\s(style|on[a-z]+)=", text)
            scripts = re.findall(r"<script([^>]*)>", text)
            assert all("src=" in tag or "application/json" in tag for tag in scripts)

    def test_ids_are_unique(self, client: Client, register: Register) -> None:
        register("map")
        for path in ("/", "/view/map"):
            ids = Links(page(client, path)).ids
            assert len(ids) == len(set(ids))

    def test_without_the_viewer_a_plain_picture_is_shown(
        self, client: Client, register: Register, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        register("map")
        monkeypatch.setattr(viewer_context, "find_viewer_script", lambda: None)
        text = page(client, "/view/map")
        assert "/iiif/3/map/full/!1200,1200/0/default.jpg" in text
        assert 'width="1200" height="720"' in text
        assert "openseadragon" not in text

    def test_missing_viewer_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(viewer_context, "VIEWER_SCRIPT", "openseadragon/there-is-none.js")
        assert viewer_context.find_viewer_script() is None

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (ImageState.PENDING, "waits for its turn"),
            (ImageState.PROCESSING, "is being read"),
            (ImageState.FAILED, "This is a PDF document."),
        ],
    )
    def test_image_that_cannot_be_shown_yet(self, client: Client, register: Register, state: str, words: str) -> None:
        register("a?b", state=state, error_detail="This is a PDF document.")
        response = client.get("/view/a%3Fb")
        assert words in response.content.decode()
        assert "no-cache" in response["Cache-Control"]

    def test_unknown_image(self, client: Client) -> None:
        assert "There is no picture with the identifier “nope”." in page(client, "/view/nope", 404)

    def test_malformed_identifier(self, client: Client) -> None:
        assert "cannot be understood" in page(client, "/view/a%00b", 400)


class TestErrors:
    def test_unknown_page(self, client: Client) -> None:
        text = page(client, "/nowhere", 404)
        assert "This page does not exist" in text
        assert "Resolver404" not in text

    def test_fault(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_args: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(pages, "list_gallery", fail)
        client.raise_request_exception = False
        text = page(client, "/", 500)
        assert "Something went wrong here" in text
        assert "secret" not in text

    @pytest.mark.parametrize("status", [400, 403, 404, 500])
    def test_page_of_a_failure_is_like_the_others_without_any_context(self, status: int) -> None:
        text = get_template(f"{status}.html").render()
        links = Links(text).found
        assert {"/", "/admin/"} <= set(links)
        assert sum(link.endswith("images/icon.svg") for link in links) == 2

    def test_page_of_a_failure_needs_no_static_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_path: str) -> str:
            raise ValueError("Missing staticfiles manifest entry")

        monkeypatch.setattr(iiif_urls, "static", fail)
        assert "Something went wrong here" in get_template("500.html").render()


class TestManifest:
    path = "/iiif/presentation/3/a%2Fb/manifest"

    def test_answer(self, client: Client, register: Register) -> None:
        register("a/b", label="Map", attribution="City Archive", metadata=[{"label": "L", "value": "V"}])
        response = client.get(self.path)
        assert response["Content-Type"] == (
            'application/ld+json;profile="http://iiif.io/api/presentation/3/context.json"'
        )
        assert response["Access-Control-Allow-Origin"] == "*"
        manifest = response.json()
        assert manifest["id"] == f"http://testserver{self.path}"
        assert manifest["label"] == {"none": ["Map"]}
        body = manifest["items"][0]["items"][0]["items"][0]["body"]
        assert body["service"][0]["id"] == "http://testserver/iiif/3/a%2Fb"
        assert body["service"][1]["@id"] == "http://testserver/iiif/2/a%2Fb"

    def test_body_is_fitted_to_the_limits_of_the_image(self, client: Client, register: Register) -> None:
        register("a/b", max_width=1000)
        canvas = client.get(self.path).json()["items"][0]
        body = canvas["items"][0]["items"][0]["body"]
        assert (canvas["width"], canvas["height"]) == (5000, 3000)
        assert (body["width"], body["height"]) == (1000, 600)

    def test_unchanged_manifest_is_not_sent_again(self, client: Client, register: Register) -> None:
        register("a/b")
        etag = client.get(self.path)["ETag"]
        again = client.get(self.path, headers={"If-None-Match": etag})
        assert again.status_code == 304
        assert again["ETag"] == etag
        assert again["Access-Control-Allow-Origin"] == "*"
        assert not again.content

    def test_changed_label_changes_the_etag(self, client: Client, register: Register) -> None:
        image = register("a/b")
        etag = client.get(self.path)["ETag"]
        image.label = "Another"
        image.save()
        assert client.get(self.path)["ETag"] != etag

    def test_raw_slashes_are_accepted(self, client: Client, register: Register) -> None:
        register("a/b")
        raw = client.get("/iiif/presentation/3/a/b/manifest")
        assert raw.json()["id"] == f"http://testserver{self.path}"

    def test_head_and_options(self, client: Client, register: Register) -> None:
        register("a/b")
        assert not client.head(self.path).content
        options = client.options(self.path)
        assert options.status_code == 204
        assert "GET" in options["Access-Control-Allow-Methods"]
        assert options["Access-Control-Allow-Origin"] == "*"

    def test_other_methods(self, client: Client) -> None:
        response = client.post(self.path)
        assert response.status_code == 405
        assert response["Allow"] == "GET, HEAD, OPTIONS"

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/iiif/presentation/3/nope/manifest", 404),
            ("/iiif/presentation/3/a%2F..%2Fb/manifest", 400),
        ],
    )
    def test_errors_are_json_with_cors(self, client: Client, path: str, status: int) -> None:
        response = client.get(path)
        assert response.status_code == status
        assert set(response.json()) == {"error", "detail"}
        assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("card", "thumbnail"),
    [
        (ImageCard("a", "a", "ready", 5000, 3000, "tiff", "", 1), Size(400, 240)),
        (ImageCard("a", "a", "ready", 80, 60, "tiff", "", 1), Size(80, 60)),
        (ImageCard("a", "a", "processing", 5000, 3000, "tiff", "", 2), Size(400, 240)),
        (ImageCard("a", "a", "processing", None, None, "", "", 0), None),
    ],
)
def test_gallery_card(card: ImageCard, thumbnail: Size | None) -> None:
    assert pages.gallery_card(card).thumbnail == thumbnail


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC BY-SA 4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0 – public domain"),
        ("http://rightsstatements.org/vocab/InC/1.0/", "In copyright"),
        ("https://example.org/terms", "https://example.org/terms"),
        ("https://creativecommons.org/about", "https://creativecommons.org/about"),
    ],
)
def test_rights_name(uri: str, name: str) -> None:
    assert iiif_urls.rights_name(uri) == name


@pytest.mark.parametrize(
    ("width", "height", "text"),
    [(10, 10, "under 0.1 MP"), (1000, 1500, "1.5 MP"), (12_288, 8_704, "107 MP"), (50_000, 40_000, "2,000 MP")],
)
def test_megapixels(width: int, height: int, text: str) -> None:
    assert iiif_urls.megapixels(width, height) == text


def test_region_arithmetic_of_the_viewer() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = Path(__file__).with_name("region.test.mjs")
    run = subprocess.run([node, "--test", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
