"""What an index finds is what reading each row finds; and it stays so when records and tables change."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from images.models import Image, Store
from images.selectors import searching
from images.selectors.searching import SEARCH_TABLE, TRIGGERS, has_search_index, narrow_images, search_images
from images.services.search_index import search_index_ensure_after_migrate

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
needs_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="an index of SQLite's")

LETTERS = "abAB19 -_/%\"'\\*äÄßéΣσ"
FIELDS = ("identifier", "label", "key", "url")


@pytest.fixture
def store() -> Store:
    return Store.objects.create(name="shelf", kind="filesystem", root="/")


def _word(chance: random.Random, longest: int) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randint(1, longest)))


def _make(store: Store, number: int, chance: random.Random) -> None:
    Image.objects.bulk_create(
        Image(identifier=f"{place}/{_word(chance, 12)}", label=_word(chance, 12), store=store, key=_word(chance, 9))
        for place in range(number)
    )


def _plain(text: str, fields: tuple[str, ...] = FIELDS) -> QuerySet[Image]:
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    return Image.objects.filter(found)


def _keys(images: QuerySet[Image]) -> set[int]:
    return set(images.values_list("pk", flat=True))


def test_an_index_finds_what_reading_finds(store: Store) -> None:
    chance = random.Random(7)
    _make(store, 300, chance)
    found = 0
    for _ in range(300):
        text = _word(chance, 5)
        wanted = _keys(_plain(text))
        assert _keys(search_images(Image.objects.all(), text, FIELDS)) == wanted, text
        found += bool(wanted) and len(text) > 2
    assert found > 10


def test_the_admin_finds_what_django_finds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(11)
    _make(store, 300, chance)
    request: HttpRequest = RequestFactory().get("/")
    admin: Any = site._registry[Image]
    terms = [" ".join(_word(chance, 4) for _ in range(chance.randint(1, 4))) for _ in range(150)]
    terms += ['"1 a"', "'ab", '"', "\x00", "abc" * 100]
    found = [_keys(admin.get_search_results(request, Image.objects.all(), term)[0]) for term in terms[:-2]]
    monkeypatch.setattr("images.admin.images.narrow_images", lambda images, *_rest: images)
    plain = [_keys(admin.get_search_results(request, Image.objects.all(), term)[0]) for term in terms[:-2]]
    assert found == plain
    assert any(plain)


def test_what_changes_is_found_as_it_is_now(store: Store) -> None:
    image = Image.objects.create(identifier="one", label="Old words", store=store, key="k")
    assert _keys(search_images(Image.objects.all(), "WORDS")) == {image.pk}
    Image.objects.filter(pk=image.pk).update(label="Newer sayings")
    assert _keys(search_images(Image.objects.all(), "words")) == set()
    assert _keys(search_images(Image.objects.all(), "sayings")) == {image.pk}
    image.delete()
    assert _keys(search_images(Image.objects.all(), "sayings")) == set()


def test_what_some_have_is_looked_for_among_them_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(store, 30, random.Random(3))
    Image.objects.update(label="common")
    few = narrow_images(Image.objects.all(), "common", ("identifier", "label"))
    assert few.query.where
    assert few.count() == 30
    monkeypatch.setattr(searching, "_SOME", 20)
    assert not narrow_images(Image.objects.all(), "common", ("identifier", "label"), few=20).query.where


@pytest.mark.sqlite
@needs_sqlite
def test_few_are_looked_at_and_many_are_not_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(store, 30, random.Random(3))
    Image.objects.create(identifier="the only one", store=store, key="k")
    assert narrow_images(Image.objects.all(), "the only", FIELDS).count() == 1
    Image.objects.update(label="common")
    some = narrow_images(Image.objects.all(), "common", FIELDS, few=10)
    assert some.count() == 31
    assert SEARCH_TABLE in str(some.query)
    monkeypatch.setattr(searching, "_SOME", 20)
    everything = narrow_images(Image.objects.all(), "common", FIELDS, few=10)
    assert everything.count() == 31
    assert not everything.query.where


@pytest.mark.sqlite
@needs_sqlite
def test_an_index_whose_triggers_are_gone_is_made_anew(store: Store) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {TRIGGERS[0]}")
    Image.objects.create(identifier="unseen", store=store, key="k")
    searching.forget_search_index()
    assert not has_search_index(connection)
    assert search_images(Image.objects.all(), "unseen").count() == 1
    search_index_ensure_after_migrate("default")
    assert has_search_index(connection)
    assert narrow_images(Image.objects.all(), "unseen", FIELDS).query.where
    assert search_images(Image.objects.all(), "unseen").count() == 1
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {SEARCH_TABLE} ({SEARCH_TABLE}) VALUES ('integrity-check')")


@contextmanager
def _counting() -> Iterator[list[int]]:
    """Steps of SQLite's machine, in hundreds."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(count, 100)
    try:
        yield steps
    finally:
        connection.connection.set_progress_handler(None, 0)


@pytest.mark.sqlite
@needs_sqlite
def test_a_search_reads_as_little_among_many(store: Store) -> None:
    def cost(text: str) -> int:
        with connection.cursor() as cursor:  # in one piece, whatever other tests have left in it
            cursor.execute(f"INSERT INTO {SEARCH_TABLE} ({SEARCH_TABLE}) VALUES ('optimize')")
        with _counting() as steps:
            list(search_images(Image.objects.order_by("-created", "-pk"), text)[:50])
        return steps[0]

    def fill(first: int, last: int) -> None:
        Image.objects.bulk_create(
            Image(identifier=f"set/item-{number:05}", store=store, key=str(number)) for number in range(first, last)
        )

    fill(0, 400)
    few = {text: cost(text) for text in ("item-00377", "nowhere")}
    fill(400, 6000)
    for text, before in few.items():
        assert cost(text) <= before * 1.5 + 5, text


def test_what_very_many_have_is_not_looked_for_twice_and_found_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_SOME", 5)
    Image.objects.bulk_create(Image(identifier=f"common {n}", store=store, key="k") for n in range(8))
    if connection.vendor == "sqlite":
        assert has_search_index(connection)  # asked once
    for expected in (1, 0):
        with CaptureQueriesContext(connection) as captured:
            found = narrow_images(Image.objects.order_by(), "common", FIELDS, few=3)
        assert len(captured) == expected
        assert found.count() == 8
    Image.objects.filter(pk__in=list(Image.objects.values_list("pk", flat=True)[:6])).delete()
    left = narrow_images(Image.objects.all(), "common", FIELDS, few=3)
    assert left.count() == search_images(Image.objects.all(), "common").count() == 2


def _fill_unevenly(store: Store) -> None:
    """What is common is what is oldest, but for five."""
    Image.objects.bulk_create(
        Image(identifier=f"{'common' if number < 800 or number > 3994 else 'other'}-{number}", store=store, key="k")
        for number in range(4000)
    )


def test_a_list_that_begins_with_others_is_not_read_row_by_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_SOME", 50)
    _fill_unevenly(store)
    newest, oldest = Image.objects.order_by("-created", "-pk"), Image.objects.order_by("created", "pk")
    for images, begins_with_others in ((newest, True), (oldest, False)):
        found = search_images(images, "common")
        assert list(found[:50]) == list(images.filter(identifier__startswith="common")[:50])
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE images_image")
                cursor.execute("SELECT gin_clean_pending_list('image_by_parts')")  # as vacuuming does
                cursor.execute("SET LOCAL enable_seqscan = off")  # of so few rows
            plan = found.values("pk")[:50].explain()
            assert ("image_by_parts" in plan and "Sort" in plan) == begins_with_others, plan
            with CaptureQueriesContext(connection) as captured:
                search_images(images, "common")
            assert not captured.captured_queries  # how it begins is known for a while


def test_what_lies_far_behind_is_set_aside_once_however_many_words_and_in_an_empty_list_never(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_SOME", 50)
    monkeypatch.setattr(searching, "_FIRST", 500)
    _fill_unevenly(store)
    request: HttpRequest = RequestFactory().get("/")
    admin: Any = site._registry[Image]
    newest = Image.objects.order_by("-created", "-pk")
    found, _duplicates = admin.get_search_results(request, newest, "common mmon-")
    assert found.count() == 805
    if connection.vendor == "postgresql":
        assert str(found.query).count(" + 0 = ") == 1
    assert not list(search_images(newest.filter(collection__in=[]), "common"))
