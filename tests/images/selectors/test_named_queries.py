"""Named queries find exactly their images, with as little work among many as among few."""

import random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.iiif.queries import Condition, QueryArgumentsError, parse_query_template
from images.indexes.description import Level, SourceDescription, SourceFormat
from images.models import Image, Store, Tiling
from images.selectors.named_queries import TooManyImagesError, find_keys, find_query

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

VALUES = ("1", "12", "a", 'say "so"', "Ä", "back\\slash", "50%", "Σίγμα", "a long value with many words " * 4)


@pytest.fixture
def store() -> Store:
    return Store.objects.create(name="shelf", kind="filesystem", root="/")


def _fill(store: Store, rows: list[Any]) -> list[Image]:
    description = SourceDescription(SourceFormat.JP2, 50, 30, (Level(50, 30, 512, 512),)).to_json()
    begin = Image.objects.count()
    images = Image.objects.bulk_create(
        Image(identifier=f"set/{number}", metadata=row, store=store, key="k", version=1, width=50, height=30)
        for number, row in enumerate(rows, begin)
    )
    facts = {"version": 1, "etag": '"1"', "tile_width": 512, "tile_height": 512, "description": description}
    Tiling.objects.bulk_create(
        Tiling(image=image, store=store, key="k", created=timezone.now(), **facts) for image in images
    )
    return images


def test_rows_of_metadata_are_found_exactly(store: Store) -> None:
    chance = random.Random(5)
    rows = [
        [{"label": chance.choice("AB"), "value": chance.choice(VALUES)} for _ in range(chance.randint(0, 3))]
        for _ in range(150)
    ]
    images = _fill(store, rows)
    for value in (*VALUES, "nothing", "2"):
        wanted = {image.pk for image in images if {"label": "A", "value": value} in image.metadata}
        assert set(find_keys([Condition("metadata.A", value)], 1000)) == wanted, value


@pytest.mark.parametrize("beginning", ["set/1", "set/", "set/\ud7ff", "set/Ü", "set/\U0010ffff", "SET/1", "s%"])
def test_beginnings(store: Store, beginning: str) -> None:
    _fill(store, [[]] * 12)
    Image.objects.filter(identifier="set/2").update(identifier="set/Über")
    Image.objects.filter(identifier="set/3").update(identifier="set/\U0010ffffa")
    wanted = {pk for pk, name in Image.objects.values_list("pk", "identifier") if name.startswith(beginning)}
    found = find_keys([Condition("identifier", f"{beginning}*")], 100)
    assert set(found) == wanted


def test_everything_is_no_argument(store: Store) -> None:
    template = parse_query_template("identifier=p1")
    with pytest.raises(QueryArgumentsError, match="not alone"):
        find_query(template, ["*"], 10)
    _fill(store, [[]] * 3)
    with pytest.raises(TooManyImagesError, match="2 at most"):
        find_query(template, ["set/*"], 2)


def test_a_set_is_looked_for_once_until_a_record_changes(store: Store) -> None:
    image = _fill(store, [[{"label": "Page", "value": "7"}]])[0]
    template = parse_query_template("metadata.Page=p1")

    def ask() -> tuple[int, bool]:
        with CaptureQueriesContext(connection) as captured:
            found = len(find_query(template, ["7"], 10))
        return found, any("json_each" in query["sql"] or "@>" in query["sql"] for query in captured.captured_queries)

    assert ask() == (1, True)
    assert ask() == (1, False)
    image.metadata = []
    image.save()
    assert ask()[0] == 0


@pytest.mark.sqlite
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="counts steps of SQLite's machine")
def test_a_set_costs_as_little_among_many(store: Store) -> None:
    conditions = {
        "value": [Condition("metadata.Page", "number 77")],
        "no value": [Condition("metadata.Page", "nowhere")],
        "rights": [Condition("rights", "https://rights.example/none")],
        "beginning": [Condition("identifier", "set/77*")],
        "all": [Condition("identifier", "set/*")],
    }

    def cost() -> dict[str, int]:
        steps = {}
        for name, each in conditions.items():
            counted = [0]

            def count(counted: list[int] = counted) -> int:
                counted[0] += 1
                return 0

            connection.connection.set_progress_handler(count, 100)
            find_keys(each, 50)
            connection.connection.set_progress_handler(None, 0)
            steps[name] = counted[0]
        return steps

    _fill(store, [[{"label": "Page", "value": f"number {number}"}] for number in range(400)])
    few = cost()
    _fill(store, [[{"label": "Page", "value": f"number {number}"}] for number in range(400, 6000)])
    for name, steps in cost().items():
        assert steps <= few[name] * 1.5 + 40, name
