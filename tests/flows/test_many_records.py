"""Lists cost as much with many records as with few: as many queries, and none that sorts or joins them all."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.models import (
    Activity,
    ActivityKind,
    Batch,
    BatchRow,
    BatchState,
    Collection,
    Image,
    ImageState,
    Profile,
    RowState,
    Store,
    Tiling,
)
from images.selectors import counting
from images.selectors.ahead import count_ahead
from images.selectors.counting import CountMemo
from images.selectors.paging import KeysFirstPaginator
from tests.support.server import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

MOST_QUERIES = 12
FEW, MANY = 500, 5000
FEW_FIT_A_PAGE = 1
"""Query that is spared where the few that a filter lets through need not be counted."""
PAGES = [
    "/admin/images/image/",
    "/admin/images/image/?p=9",
    "/admin/images/image/?q=item-4",
    "/admin/images/image/?state__exact=failed",
    "/admin/images/image/?source_format=jp2",
    "/admin/images/image/?store__id__exact={store}",
    "/admin/images/image/?collection__id__exact={collection}",
    "/admin/images/image/?profile__id__exact={profile}",
    "/admin/images/image/?o=2",
    "/admin/images/image/?o=3",
    "/admin/images/image/?o=4",
    "/admin/images/image/?o=-6",
    "/admin/images/collection/",
    "/admin/images/store/",
    "/admin/images/profile/",
    "/admin/images/job/",
    "/admin/images/batch/",
    "/admin/images/apitoken/",
    "/admin/images/namedquery/",
    "/admin/cache/",
    "/",
    "/?page=9",
    "/?q=item-4",
    "/collections",
    "/collections/maps",
    "/gallery/state.json",
    "/api/v1/images/",
    "/api/v1/images/?page=9",
    "/api/v1/images/?search=item-4",
    "/api/v1/images/?state=failed&state=pending",
    "/api/v1/images/?ordering=modified",
    "/api/v1/images/?ordering=-label",
    "/api/v1/collections/",
    "/api/v1/stores/",
    "/api/v1/profiles/",
    "/api/v1/batches/",
    "/iiif/presentation/3/collections",
    "/iiif/presentation/3/collection/maps",
    "/iiif/presentation/3/collection/maps/pages/2",
    "/iiif/activity/all",
    "/iiif/activity/all/pages/1",
    "/iiif/activity/all/pages/3",
    "/iiif/activity/all/pages/5",
    "/admin/images/batch/{batch}/change/",
    "/admin/images/batch/{batch}/change/?p=5",
    "/admin/images/batch/{batch}/change/?state=failed",
    "/admin/images/batch/{batch}/change/?state=ready&p=3",
    "/admin/images/batch/{batch}/change/?state=pending",
    "/api/v1/batches/{batch}/",
    "/api/v1/batches/{batch}/rows/?page=5",
    "/api/v1/batches/{batch}/rows/?state=failed",
    "/api/v1/batches/{batch}/rows/?state=ready&page=3",
]
WITHOUT_ORDER = ("q=", "search=", "profile__id", "state=pending", "collection__id", "/collections")
"""What is looked for in texts is sorted after it was found; so is what only some images have."""


@pytest.fixture
def places() -> dict[str, Any]:
    store = Store.objects.create(name="shelf", kind="filesystem", root="/")
    collection = Collection.objects.create(name="maps", label="Maps")
    now = timezone.now()
    return {
        "store": store,
        "collection": collection,
        "profile": Profile.objects.create(name="narrow"),
        "batch": Batch.objects.create(label="All", state=BatchState.REGISTERED, state_changed=now, created=now),
    }


def _fill(first: int, last: int, places: dict[str, Any]) -> None:
    description = SourceDescription(SourceFormat.JP2, 5000, 3000, (Level(5000, 3000, 512, 512),)).to_json()
    images = Image.objects.bulk_create(
        Image(
            identifier=f"set/item-{number}",
            label=f"Plate {number}",
            store=places["store"],
            key=f"{number}.jp2",
            collection=places["collection"] if number % 2 else None,
            profile=places["profile"] if number % 5 == 0 else None,
            state=ImageState.FAILED if number % 4 == 0 else ImageState.READY,
            error_detail="It is a letter." if number % 4 == 0 else "",
            version=1,
            width=5000,
            height=3000,
            source_format="jp2",
        )
        for number in range(first, last)
    )
    facts = {"version": 1, "etag": '"1"', "tile_width": 512, "tile_height": 512, "description": description}
    Tiling.objects.bulk_create(
        Tiling(image=image, store=places["store"], key=image.key, created=timezone.now(), **facts) for image in images
    )
    Activity.objects.bulk_create(
        Activity(kind=ActivityKind.CREATE, identifier=image.identifier, uuid=image.uuid) for image in images
    )
    Activity.objects.update(moment=timezone.now() - timedelta(days=1))
    BatchRow.objects.bulk_create(
        BatchRow(batch=places["batch"], number=number, values={}, state=RowState.DONE, image=image)
        for number, image in enumerate(images, first + 1)
    )
    Batch.objects.update(total=last)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _queries(client: Client, page: str) -> list[str]:
    assert client.get(page).status_code == 200  # what a process asks once is asked
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def _sorts_all(statement: str) -> bool:
    """Whether SQLite sorts what is not the rows of one page."""
    if connection.vendor != "sqlite" or not statement.startswith('SELECT "images_image"'):
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = " ".join(row[3] for row in cursor.fetchall())
    return "USE TEMP B-TREE FOR ORDER BY" in plan and '"images_image"."id" IN (' not in statement


def test_lists_with_many_records(admin_client: Client, places: dict[str, Any]) -> None:
    addresses = [page.format(**{name: place.pk for name, place in places.items()}) for page in PAGES]
    _fill(0, FEW, places)
    few = {page: len(_queries(admin_client, page)) for page in addresses}
    _fill(FEW, MANY, places)
    for page in addresses:
        queries = _queries(admin_client, page)
        assert len(queries) <= few[page] + FEW_FIT_A_PAGE, page
        assert len(queries) <= MOST_QUERIES, page
        if not any(part in page for part in WITHOUT_ORDER):
            assert not [query for query in queries if _sorts_all(query)], page


@pytest.mark.parametrize("page", ["/iiif/presentation/3/collection/maps/pages/9", "/collections/maps?page=9"])
def test_far_pages_of_a_collection_read_an_index_alone(client: Client, places: dict[str, Any], page: str) -> None:
    _fill(0, 2000, places)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
        statements = [query["sql"] for query in captured.captured_queries if "OFFSET" in query["sql"]]
        assert len(statements) == 1
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # of so few rows; the others are in no index
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + statements[0])
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    wanted = "USING COVERING INDEX" if connection.vendor == "sqlite" else "Index Only Scan using"
    assert f"{wanted} image_in_collection " in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("page", ["/iiif/presentation/3/collection/maps", "/collections"])
def test_what_a_collection_shows_is_counted_in_an_index_alone(
    client: Client, places: dict[str, Any], page: str
) -> None:
    _fill(0, 2000, places)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
        statements = [
            query["sql"]
            for query in captured.captured_queries
            if "COUNT(" in query["sql"] and "images_image" in query["sql"]
        ]
        assert len(statements) == 1
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + statements[0])
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    wanted = "USING COVERING INDEX image_in_collection "
    if connection.vendor == "postgresql":
        wanted = "Index Only Scan using image_shown_in_collection "
    assert wanted in plan


def test_what_is_not_ready_is_listed_and_counted_while_it_has_a_picture(
    client: Client, places: dict[str, Any], settings: Any
) -> None:
    settings.IIIF_PRESENTATION_PAGE_SIZE = 1
    _fill(0, 6, places)
    Image.objects.filter(identifier__in=["set/item-1", "set/item-3"]).update(state=ImageState.FAILED)
    Image.objects.filter(identifier="set/item-3").update(width=None, height=None)  # as what has become something else
    assert client.get("/iiif/presentation/2/collection/maps").json()["total"] == 2
    pages = [client.get(f"/iiif/presentation/2/collection/maps/pages/{number}").json() for number in (1, 2)]
    assert [[manifest["label"] for manifest in page["manifests"]] for page in pages] == [["Plate 1"], ["Plate 5"]]


def test_pages_hold_each_record_once(admin_client: Client, places: dict[str, Any]) -> None:
    _fill(0, 130, places)
    seen: list[str] = []
    for number in (1, 2, 3):
        page = admin_client.get(f"/api/v1/images/?page_size=50&page={number}").json()
        assert page["count"] == 130
        seen += [image["identifier"] for image in page["results"]]
    assert sorted(seen) == sorted(Image.objects.values_list("identifier", flat=True))
    assert seen == list(Image.objects.values_list("identifier", flat=True))


@pytest.mark.parametrize("order", [("-created", "-pk"), ("identifier",), ("width", "pk"), ("-width", "-pk")])
def test_far_pages_are_read_from_the_nearer_end(
    monkeypatch: pytest.MonkeyPatch, places: dict[str, Any], order: tuple[str, ...]
) -> None:
    monkeypatch.setattr("images.selectors.paging.LARGE", 100)
    _fill(0, 337, places)
    Image.objects.filter(pk__in=Image.objects.values_list("pk")[:120]).update(width=None)
    images = Image.objects.filter(version=1).order_by(*order)
    paginator = KeysFirstPaginator(images, 25)
    seen: list[str] = []
    for number in paginator.page_range:
        with CaptureQueriesContext(connection) as captured:
            seen += [image.identifier for image in paginator.page(number)]
        skipped = [int(text) for query in captured for text in re.findall(r"OFFSET (\d+)", query["sql"])]
        assert all(rows <= 337 // 2 for rows in skipped)
    assert seen == [image.identifier for image in images]


@pytest.mark.sqlite
@pytest.mark.parametrize("page", ["/?q=plate", "/collections/maps?q=plate"])
def test_texts_are_looked_for_in_an_index_that_has_them(
    client: Client, places: dict[str, Any], monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr("images.selectors.searching._SOME", 10)
    _fill(0, 1500, places)
    statements = [sql for sql in _queries(client, page) if "LIKE" in sql and " IN (" not in sql]
    assert len(statements) == 2  # keys, and how many there are
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            assert "USING COVERING INDEX image_read_in_" in " ".join(row[3] for row in cursor.fetchall())


def test_the_list_says_what_failed_and_where_images_lie(admin_client: Client, places: dict[str, Any]) -> None:
    _fill(0, 2, places)
    Image.objects.filter(identifier="set/item-0").update(error_detail="<b>It</b> is a letter.", label="<i>x</i>")
    page = admin_client.get("/admin/images/image/").content.decode()
    assert "&lt;b&gt;It&lt;/b&gt; is a letter." in page
    assert "&lt;i&gt;x" in page
    assert "shelf" in page
    assert "Maps" in page
    assert "5,000 × 3,000" in page


def test_long_lists_are_counted_now_and_then(monkeypatch: pytest.MonkeyPatch, places: dict[str, Any]) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    now = [100.0]
    memo = CountMemo(lambda: now[0])
    images, of_one = Image.objects.order_by("-created"), Image.objects.filter(identifier="set/item-1")
    _fill(0, 4, places)
    assert (memo.count(images), memo.count(of_one), memo.count(Image.objects.none())) == (4, 1, 0)
    _fill(4, 6, places)
    Image.objects.filter(identifier="set/item-1").delete()
    assert (memo.count(images), memo.count(of_one)) == (4, 0)
    now[0] += 11
    assert memo.count(images) == 5


class _Jobs:
    """What is to be counted in the background, once for each key."""

    def __init__(self) -> None:
        self.waiting: dict[object, Callable[[], object]] = {}

    def add(self, key: object, job: Callable[[], object]) -> None:
        self.waiting.setdefault(key, job)

    def work(self) -> None:
        self.waiting.pop(next(iter(self.waiting)))()


def test_who_takes_an_old_count_does_not_wait_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch, places: dict[str, Any]
) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    now, jobs = [100.0], _Jobs()
    memo = CountMemo(lambda: now[0], jobs.add)
    images, keys = Image.objects.order_by("-created"), [places["collection"].pk]
    _fill(0, 12, places)
    assert memo.count(images, old=True) == 12
    assert memo.count_by(images, "collection", keys) == {keys[0]: 6}
    _fill(12, 20, places)
    now[0] += 11
    with CaptureQueriesContext(connection) as captured:
        assert [memo.count(images, old=True) for _ in range(3)] == [12] * 3
        assert [memo.count_by(images, "collection", keys) for _ in range(3)] == [{keys[0]: 6}] * 3
    assert not captured.captured_queries
    assert len(jobs.waiting) == 2
    jobs.work()
    jobs.work()
    assert memo.count(images) == 20  # counted now, so others need not
    assert memo.count_by(images, "collection", keys) == {keys[0]: 10}
    now[0] += 301  # nobody asked meanwhile: too old for all
    Image.objects.filter(identifier__lt="set/item-15").delete()
    left = Image.objects.count()
    assert memo.count(images, old=True) == left
    now[0] += 11
    Image.objects.all().delete()
    assert memo.count(images, old=True) == left
    jobs.work()
    assert memo.count(images, old=True) == 0
    assert not jobs.waiting


def test_an_old_count_holds_while_little_has_changed(monkeypatch: pytest.MonkeyPatch, places: dict[str, Any]) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    now, jobs, changed = [100.0], _Jobs(), [0]
    memo = CountMemo(lambda: now[0], jobs.add, lambda _since, _most: changed[0])
    images, keys = Image.objects.order_by("-created"), [places["collection"].pk]
    _fill(0, 200, places)
    assert (memo.count(images, old=True), memo.count_by(images, "collection", keys)) == (200, {keys[0]: 100})
    _fill(200, 210, places)
    now[0] += 80_000
    changed[0] = 2
    assert memo.count(images, old=True) == 200
    assert memo.count_by(images, "collection", keys) == {keys[0]: 105}  # two are too many for a hundred
    assert len(jobs.waiting) == 1
    changed[0] = 3
    assert memo.count(images, old=True) == 210
    _fill(210, 215, places)
    changed[0] = 0
    now[0] += 86_401  # not all that changes is seen
    assert memo.count(images, old=True) == 215


def test_what_has_changed_is_counted_up_to_what_is_little(places: dict[str, Any]) -> None:
    _fill(0, 40, places)
    at_some_time = timezone.now() - timedelta(seconds=500)
    Image.objects.update(modified=at_some_time)
    Activity.objects.update(moment=at_some_time)
    since = timezone.now() - timedelta(seconds=400)
    assert counting._count_changed(since, 10) == 0
    assert counting._count_changed(since - timedelta(seconds=200), 10) == 22
    Image.objects.filter(pk__in=Image.objects.values("pk")[:2]).delete()
    kept = Image.objects.order_by("pk")[0]
    kept.label = "Another"
    kept.save()
    assert counting._count_changed(since, 10) == 4  # the one that is there also as what the feed says of it
    assert counting._count_changed(since, 0) == 2


def test_however_many_counts_are_old_it_is_asked_once_what_has_changed(
    monkeypatch: pytest.MonkeyPatch, places: dict[str, Any]
) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 1)
    now = [100.0]
    memo = CountMemo(lambda: now[0], lambda _key, _job: None)
    _fill(0, 40, places)
    other = Collection.objects.create(name="other")
    Image.objects.filter(collection=None).update(collection=other)
    Image.objects.update(modified=timezone.now() - timedelta(days=1))
    keys = [places["collection"].pk, other.pk]
    assert memo.count_by(Image.objects.all(), "collection", keys) == dict.fromkeys(keys, 20)
    now[0] += 1000
    with CaptureQueriesContext(connection) as captured:
        assert memo.count_by(Image.objects.all(), "collection", keys) == dict.fromkeys(keys, 20)
    assert len(captured) == 1


def test_on_the_way_to_a_far_page_a_list_is_read_once(
    admin_client: Client, places: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    _fill(0, 950, places)
    for page in ("/?page=9", "/api/v1/images/?page=9", "/?q=plate&page=9"):
        limits = [re.search(r" LIMIT (\d+)( OFFSET \d+)?$", sql) for sql in _queries(admin_client, page)]
        far = [int(found[1]) for found in limits if found and found[2]]
        assert len(far) == 1, page
        assert far[0] + 1 not in [int(found[1]) for found in limits if found], page  # the first, and one more


def test_a_list_that_has_become_short_has_no_pages_that_are_gone(
    admin_client: Client, client: Client, places: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    _fill(0, 150, places)
    for who, page in ((client, "/"), (admin_client, "/api/v1/images/")):
        assert who.get(page).status_code == 200
    Image.objects.filter(pk__in=Image.objects.values("pk")[10:]).delete()
    assert client.get("/").context["gallery"].total == 10
    assert (admin_client.get("/api/v1/images/").json()["count"], client.get("/").context["gallery"].pages) == (10, 1)


def test_nobody_waits_until_all_that_a_search_finds_is_counted(
    client: Client, places: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = _Jobs()
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    monkeypatch.setattr("images.selectors.paging.ENOUGH", 100)
    monkeypatch.setattr(counting.counts, "_later", jobs.add)
    _fill(0, 300, places)
    for address, pages in (("/?q=plate", (1, 2)), ("/collections/maps?q=plate", (1, 2))):
        for number in pages:
            answer = client.get(f"{address}&page={number}")
            page = answer.content.decode()
            assert "More than 100 pictures" in page
            assert f"Page {number}<" in page
            assert f"page={number + 1}" in page
            assert [card.identifier for card in answer.context["gallery"].cards] == [
                card.identifier for card in client.get(f"{address}&page={number}").context["gallery"].cards
            ]
        assert "Mehr als 100 Bilder" in client.get(address, headers={"accept-language": "de"}).content.decode()
    # Who asks for more than is sure to be there waits.
    assert client.get("/?q=plate&page=7").context["gallery"].total == 300
    assert "Page 1 of 7" in client.get("/?q=plate").content.decode()
    while jobs.waiting:
        jobs.work()
    assert "150 pictures" in client.get("/collections/maps?q=plate").content.decode()
    few = client.get("/?q=item-29").context["gallery"]
    assert (few.total, few.has_more) == (11, False)


def test_pages_of_what_is_not_counted_follow_one_another(
    client: Client, places: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.selectors.paging.ENOUGH", 200)
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    monkeypatch.setattr(counting.counts, "_later", lambda _key, _job: None)
    _fill(0, 300, places)
    seen: list[str] = []
    for number in range(1, 5):
        gallery = client.get(f"/?q=plate&page={number}").context["gallery"]
        assert gallery.has_more
        seen += [card.identifier for card in gallery.cards]
    assert seen == list(Image.objects.values_list("identifier", flat=True)[: len(seen)])


@pytest.mark.django_db(transaction=True)
def test_a_list_is_counted_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    now = [100.0]
    memo = CountMemo(lambda: now[0])
    collections = Collection.objects.all()
    Collection.objects.bulk_create([Collection(name=f"c{number}") for number in range(4)])
    assert memo.count(collections) == 4
    Collection.objects.create(name="more")
    now[0] += 11
    assert memo.count(collections, old=True) == 4
    assert wait_until(lambda: memo.count(collections, old=True) == 5)


def test_visitors_take_old_counts_and_curators_do_not(
    admin_client: Client, client: Client, monkeypatch: pytest.MonkeyPatch, places: dict[str, Any]
) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    asked = set[bool]()
    known = CountMemo._known

    def note(memo: CountMemo, key: Any, rows: Any, *, old: bool) -> int | None:
        asked.add(old)
        return known(memo, key, rows, old=old)

    monkeypatch.setattr(CountMemo, "_known", note)
    _fill(0, 150, places)
    for page in ("/", "/collections/maps"):
        asked.clear()
        assert client.get(page).status_code == 200
        assert asked == {True}, page
    for page in ("/", "/collections/maps", "/admin/images/image/", "/api/v1/images/"):
        asked.clear()
        assert admin_client.get(page).status_code == 200
        assert asked == {False}, page


@pytest.mark.django_db(transaction=True)
def test_what_was_counted_ahead_is_not_counted_for_the_first_visitor(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.selectors.counting.LARGE", 3)
    collection = Collection.objects.create(name="maps")
    store = Store.objects.create(name="shelf", kind="filesystem", root="/")
    Image.objects.bulk_create(
        Image(
            identifier=f"a{number}",
            store=store,
            key=f"{number}",
            collection=collection,
            state="ready",
            version=1,
            width=9,
            height=9,
        )
        for number in range(60)
    )
    count_ahead()
    assert counting._queue.wait(30)
    for page in ("/", "/collections", "/iiif/presentation/3/collection/maps"):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page).status_code == 200
        asked = [query["sql"] for query in captured.captured_queries]
        assert not [sql for sql in asked if "COUNT(" in sql and 'FROM "images_image"' in sql], page
