"""Collections, named queries and the feed of changes, as clients ask for them."""

from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from redis.exceptions import ConnectionError as RedisConnectionError

from images.models import Activity, Collection, Image, ImageState, NamedQuery
from images.selectors.searching import has_search_index
from tests.images.views.conftest import Register

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ROOT = "http://testserver/iiif/presentation"


def ask(client: Client, path: str, status: int = 200, **headers: str) -> Any:
    response = client.get(path, headers=headers)
    assert response.status_code == status, response.content
    assert response["Access-Control-Allow-Origin"] == "*"
    return response.json()


@pytest.fixture(name="maps")
def fixture_maps(register: Register) -> Collection:
    maps = Collection.objects.create(name="maps", label="Maps of the harbour")
    for page in (2, 10, 1):
        rows = [{"label": "Page", "value": f"page {page}"}, {"label": "Shelfmark", "value": "Ä 1"}]
        register(f"map/{page:02}", label=f"Map {page}", collection=maps, metadata=rows)
    register("letter", label="A letter", metadata=[{"label": "Shelfmark", "value": "Ä 12"}])
    register("later", state=ImageState.PENDING, collection=maps)
    return maps


class TestCollections:
    @pytest.mark.usefixtures("maps")
    def test_a_collection_lists_the_manifests_of_its_images(self, client: Client) -> None:
        collection = ask(client, "/iiif/presentation/3/collection/maps")
        assert collection["id"] == f"{ROOT}/3/collection/maps"
        assert collection["type"] == "Collection"
        assert collection["label"] == {"none": ["Maps of the harbour"]}
        assert collection["partOf"] == [{"id": f"{ROOT}/3/collections", "type": "Collection"}]
        assert [item["id"] for item in collection["items"]] == [
            f"{ROOT}/3/map%2F{page:02}/manifest" for page in (1, 2, 10)
        ]
        for item in collection["items"]:
            assert ask(client, item["id"])["type"] == "Manifest"

    @pytest.mark.usefixtures("maps")
    def test_version_2(self, client: Client) -> None:
        collection = ask(client, "/iiif/presentation/2/collection/maps")
        assert (collection["@type"], collection["label"]) == ("sc:Collection", "Maps of the harbour")
        manifest = ask(client, collection["manifests"][0]["@id"])
        assert manifest["@type"] == "sc:Manifest"
        assert manifest["@id"] == collection["manifests"][0]["@id"]

    @pytest.mark.parametrize("version", [2, 3])
    def test_long_ones_have_pages(
        self,
        client: Client,
        register: Register,
        settings: Any,
        version: int,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        settings.IIIF_PRESENTATION_PAGE_SIZE = 2
        collection = Collection.objects.create(name="long")
        for number in range(5):
            register(f"image-{number}", collection=collection)
        with django_assert_num_queries(2):
            first = ask(client, f"/iiif/presentation/{version}/collection/long")
        pages = [f"{ROOT}/{version}/collection/long/pages/{number}" for number in (1, 2, 3)]
        if version == 3:
            assert [item["id"] for item in first["items"]] == pages
        else:
            assert (first["first"], first["last"], first["total"]) == (pages[0], pages[2], 5)
        seen = []
        with django_assert_num_queries(15):
            for page in pages:
                document = ask(client, page)
                seen += [item.get("id") or item["@id"] for item in document.get("items") or document["manifests"]]
        assert seen == [f"{ROOT}/{version}/image-{number}/manifest" for number in range(5)]
        ask(client, f"/iiif/presentation/{version}/collection/long/pages/4", 404)
        ask(client, f"/iiif/presentation/{version}/collection/long/pages/0", 404)

    @pytest.mark.usefixtures("maps")
    def test_the_root_lists_every_collection(self, client: Client) -> None:
        root = ask(client, "/iiif/presentation/3/collections")
        assert [(item["id"], item["type"]) for item in root["items"]] == [(f"{ROOT}/3/collection/maps", "Collection")]
        assert ask(client, "/iiif/presentation/2/collections")["collections"][0]["@id"] == f"{ROOT}/2/collection/maps"

    def test_unknown_ones_are_404_and_other_methods_405(self, client: Client) -> None:
        assert ask(client, "/iiif/presentation/3/collection/none", 404)["error"] == "not_found"
        assert client.post("/iiif/presentation/3/collection/none").status_code == 405
        assert client.options("/iiif/presentation/3/collections").status_code == 204

    def test_an_image_may_be_called_like_a_collection(self, client: Client, register: Register) -> None:
        Collection.objects.create(name="x")
        register("collection/x")
        assert ask(client, "/iiif/presentation/3/collection/x/manifest")["type"] == "Manifest"
        assert ask(client, "/iiif/presentation/3/collection/x")["type"] == "Collection"

    @pytest.mark.usefixtures("maps")
    def test_what_has_not_changed_is_304(self, client: Client) -> None:
        etag = client.get("/iiif/presentation/3/collection/maps")["ETag"]
        assert client.get("/iiif/presentation/3/collection/maps", headers={"if-none-match": etag}).status_code == 304


class TestNamedQueries:
    @pytest.mark.usefixtures("maps")
    def test_a_set_in_the_order_of_its_pages(
        self, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        template = "collection=p1&metadata.Shelfmark=p2&order=metadata.Page desc"
        NamedQuery.objects.create(name="book", label="The book {2} in {1}", template=template)
        if connection.vendor == "sqlite":
            has_search_index(connection)  # asked of the database once a process
        with django_assert_max_num_queries(8):
            manifest = ask(client, "/iiif/presentation/3/query/book/maps/%C3%84%201")
        assert manifest["label"] == {"none": ["The book Ä 1 in maps"]}
        assert [canvas["label"]["none"] for canvas in manifest["items"]] == [["Map 10"], ["Map 2"], ["Map 1"]]
        assert ask(client, manifest["id"]) == manifest
        older = ask(client, "/iiif/presentation/2/query/book/maps/%C3%84%201")
        assert [canvas["label"] for canvas in older["sequences"][0]["canvases"]] == ["Map 10", "Map 2", "Map 1"]

    @pytest.mark.usefixtures("maps")
    def test_beginnings_of_identifiers(self, client: Client) -> None:
        NamedQuery.objects.create(name="all", label="Maps", template="identifier=map/*")
        assert len(ask(client, "/iiif/presentation/3/query/all")["items"]) == 3

    @pytest.mark.usefixtures("maps")
    def test_errors(self, client: Client, settings: Any) -> None:
        NamedQuery.objects.create(name="of", label="Of", template="collection=p1")
        assert "1 argument" in ask(client, "/iiif/presentation/3/query/of", 400)["detail"]
        ask(client, "/iiif/presentation/3/query/of/a/b", 400)
        ask(client, "/iiif/presentation/3/query/of/nothing", 404)
        ask(client, "/iiif/presentation/3/query/nothing/maps", 404)
        settings.IIIF_QUERY_MAX_IMAGES = 2
        assert "2 at most" in ask(client, "/iiif/presentation/3/query/of/maps", 400)["detail"]

    @pytest.mark.usefixtures("maps")
    @pytest.mark.parametrize("version", [2, 3])
    def test_a_large_set_is_a_collection_of_manifests(self, client: Client, settings: Any, version: int) -> None:
        settings.IIIF_MANIFEST_MAX_IMAGES = 2
        NamedQuery.objects.create(name="of", label="Of {1}", template="collection=p1&order=metadata.Page desc")
        uri = f"{ROOT}/{version}/query/of/maps"
        collection = ask(client, uri)
        members = collection["items"] if version == 3 else collection["manifests"]
        assert [member.get("id") or member["@id"] for member in members] == [f"{uri}/pages/1", f"{uri}/pages/2"]
        labels = []
        for number in (1, 2):
            page = ask(client, f"{uri}/pages/{number}")
            assert (page.get("id") or page["@id"]) == f"{uri}/pages/{number}"
            canvases = page["items"] if version == 3 else page["sequences"][0]["canvases"]
            labels.append([canvas["label"]["none"][0] if version == 3 else canvas["label"] for canvas in canvases])
        assert labels == [["Map 10", "Map 2"], ["Map 1"]]
        for wrong in ("0", "3", "9" * 30):
            ask(client, f"{uri}/pages/{wrong}", 404)
        ask(client, f"{uri}/pages/first", 400)

    def test_arguments_may_be_called_like_pages(self, client: Client, register: Register) -> None:
        register("a", label="2", rights="https://rights.example/", metadata=[{"label": "Kind", "value": "pages"}])
        NamedQuery.objects.create(name="of", label="Of", template="metadata.Kind=p1&label=p2")
        assert ask(client, "/iiif/presentation/3/query/of/pages/2")["id"] == f"{ROOT}/3/query/of/pages/2"

    @pytest.mark.usefixtures("maps")
    def test_an_address_has_so_many_sets_looked_for_a_minute(
        self, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.IIIF_QUERIES_PER_MINUTE = 2
        cache.clear()
        now = [1_000_050.0]
        monkeypatch.setattr("images.views.query_rate.time", lambda: now[0])
        NamedQuery.objects.create(name="of", label="Of", template="identifier=p1")
        ask(client, "/iiif/presentation/3/query/of/letter")
        ask(client, "/iiif/presentation/3/query/of/none", 404)
        refused = client.get("/iiif/presentation/3/query/of/map*")
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
        assert (refused["Retry-After"], refused["Cache-Control"]) == ("30", "no-store")
        ask(client, "/iiif/presentation/3/query/of/letter")
        other = client.get("/iiif/presentation/3/query/of/map*", REMOTE_ADDR="192.0.2.1")
        assert other.status_code == 200
        now[0] += 30
        ask(client, "/iiif/presentation/3/query/of/map*")

    @pytest.mark.usefixtures("maps")
    def test_while_the_cache_is_away_nobody_waits(self, client: Client, settings: Any, monkeypatch: Any) -> None:
        settings.IIIF_QUERIES_PER_MINUTE = 1
        monkeypatch.setattr("images.views.query_rate.cache.incr", Mock(side_effect=RedisConnectionError))
        NamedQuery.objects.create(name="of", label="Of", template="identifier=p1")
        for name in ("letter", "map*"):
            ask(client, f"/iiif/presentation/3/query/of/{name}")

    def test_a_template_is_checked_when_it_is_saved(self) -> None:
        with pytest.raises(ValidationError, match="no field"):
            NamedQuery(name="x", label="X", template="colour=red").full_clean()


class TestChanges:
    def test_each_change_that_the_public_sees_is_told_once(self, client: Client, register: Register) -> None:
        image = register("map", label="Map")
        image.save()
        image.label = "Map of the harbour"
        image.save()
        image.error_technical = "nobody's business"
        image.save()
        image.delete()
        feed = ask(client, "/iiif/activity/all")
        assert (feed["type"], feed["totalItems"]) == ("OrderedCollection", 3)
        page = ask(client, feed["last"]["id"])
        assert [item["type"] for item in page["orderedItems"]] == ["Create", "Update", "Delete"]
        assert {item["object"]["id"] for item in page["orderedItems"]} == {f"{ROOT}/3/map/manifest"}
        times = [item["endTime"] for item in page["orderedItems"]]
        assert times == sorted(times)
        assert times[0].endswith("Z")

    def test_another_identifier_is_an_end_and_a_beginning(self, register: Register) -> None:
        image = register("map")
        image.identifier = "chart"
        image.save()
        told = list(Activity.objects.values_list("kind", "identifier"))
        assert told == [("Create", "map"), ("Delete", "map"), ("Create", "chart")]

    def test_what_nobody_has_seen_is_not_told(self, register: Register) -> None:
        register("later", state=ImageState.PENDING).delete()
        assert not Activity.objects.exists()

    def test_pages(self, client: Client, register: Register, settings: Any) -> None:
        settings.IIIF_PRESENTATION_PAGE_SIZE = 2
        for number in range(5):
            register(f"image-{number}")
        page = ask(client, ask(client, "/iiif/activity/all")["last"]["id"])
        seen = page["orderedItems"]
        assert page["startIndex"] == 4
        while "prev" in page:
            page = ask(client, page["prev"]["id"])
            seen = page["orderedItems"] + seen
        assert [item["object"]["id"] for item in seen] == [f"{ROOT}/3/image-{number}/manifest" for number in range(5)]
        assert ask(client, page["next"]["id"])["startIndex"] == 2
        ask(client, "/iiif/activity/all/pages/4", 404)

    def test_an_empty_feed_has_one_empty_page(self, client: Client) -> None:
        feed = ask(client, "/iiif/activity/all")
        assert feed["totalItems"] == 0
        assert ask(client, feed["last"]["id"])["orderedItems"] == []


class TestPages:
    @pytest.mark.usefixtures("maps")
    def test_collections_and_their_pictures(self, client: Client) -> None:
        text = client.get("/collections").content.decode()
        assert 'href="/collections/maps"' in text
        assert "3 pictures" in text
        text = client.get("/collections/maps").content.decode()
        assert "Maps of the harbour" in text
        assert text.index("Map 1<") < text.index("Map 2<") < text.index("Map 10<")
        assert f"{ROOT}/3/collection/maps" in text
        assert client.get("/collections/none").status_code == 404

    def test_labels_are_text(self, client: Client, register: Register) -> None:
        collection = Collection.objects.create(name="x", label="<script>alert(1)</script>")
        register("one", label="<img src=x>", collection=collection)
        for path in ("/collections", "/collections/x"):
            text = client.get(path).content.decode()
            assert "<script>alert" not in text
            assert "<img src=x>" not in text

    @pytest.mark.usefixtures("maps")
    def test_curators_see_what_failed(self, client: Client, maps: Collection) -> None:
        Image.objects.filter(identifier="later").update(state=ImageState.FAILED)
        assert "later" not in client.get("/collections/maps").content.decode()
        client.force_login(get_user_model().objects.create_user("curator", is_staff=True))
        assert "later" in client.get("/collections/maps").content.decode()
