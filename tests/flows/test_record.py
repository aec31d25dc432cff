"""The record that answers hang on: the values that Django's own way gives, at a fraction of its work."""

from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, models
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

from images.models import Collection, Image, Profile, Tiling
from images.selectors import counting, record
from images.selectors.ahead import prepare_questions
from images.selectors.asking import ask
from images.selectors.record import read_record

pytestmark = pytest.mark.django_db
_RELATIONS = ("tiling", "store", "collection", "service_copy")


@pytest.fixture
def profile() -> Profile:
    return Profile.objects.create(name="narrow", formats=["jpg"], max_width=300, information={"note": [1, "ä"]})


def test_the_same_as_django_reads(picture: Image, profile: Profile) -> None:
    collection = Collection.objects.create(name="maps", label="Maps", profile=profile)
    Image.objects.filter(pk=picture.pk).update(collection=collection, metadata=[{"label": "a", "value": "ü"}])
    expected = Image.objects.select_related(*_RELATIONS, "collection__profile").get(pk=picture.pk)
    wanted = [_values(expected), *(_values(getattr(expected, name, None)) for name in _RELATIONS)]
    with CaptureQueriesContext(connection) as queries:
        record = _read("picture")
        found = [_values(record), *(_values(getattr(record, name, None)) for name in _RELATIONS)]
        assert record.collection is not None
        assert record.collection.profile == profile == record.profile
    assert len([query for query in queries if "images_image" in query["sql"]]) == 1
    assert found == wanted
    assert _values(record.profile) == _values(profile)
    assert record.tiling.get_deferred_fields() == {"index"}
    assert bytes(record.tiling.index or b"") == bytes(Tiling.objects.get(image=picture).index or b"")


@pytest.mark.parametrize("holds", ["own", "of the collection", "default", "none"])
def test_the_profile_that_holds(picture: Image, profile: Profile, holds: str) -> None:
    other = Profile.objects.create(name="other", is_default=holds in {"own", "of the collection"})
    collection = Collection.objects.create(name="maps", profile={"of the collection": profile, "own": other}.get(holds))
    Profile.objects.filter(pk=profile.pk).update(is_default=holds == "default")
    Image.objects.filter(pk=picture.pk).update(collection=collection, profile=profile if holds == "own" else None)
    found = _read("picture").profile
    if holds == "none":
        assert found is None
    else:
        assert found is not None
        assert (found.name, found.formats, found.information) == (profile.name, ["jpg"], {"note": [1, "ä"]})


@pytest.mark.django_db(transaction=True)
def test_the_statement_is_made_before_anybody_asks(picture: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record._query, "_statements", {})
    prepare_questions()
    assert counting._queue.wait(30)
    monkeypatch.setattr(SQLCompiler, "as_sql", None)
    assert _read("picture") == picture


def test_a_database_that_is_down_then_is_asked_by_the_first_request_all_the_same(
    picture: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_text: str) -> None:
        raise OperationalError("the server is starting up")

    with monkeypatch.context() as patched:
        patched.setattr(record._query, "find", fails)
        prepare_questions()
        assert counting._queue.wait(30)
    assert ask(partial(read_record, "picture")) == picture


def test_the_statement_is_made_once(picture: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    read_record("picture")
    monkeypatch.setattr(SQLCompiler, "as_sql", None)
    assert _read("picture") == picture
    assert read_record("nothing") is None
    assert read_record("it's \x01 %s {}") is None


def _read(identifier: str) -> Image:
    record = read_record(identifier)
    assert record is not None
    return record


def _values(record: models.Model | None) -> dict[str, Any]:
    if record is None:
        return {}
    deferred = record.get_deferred_fields() | {"index"}
    return {
        field.attname: getattr(record, field.attname)
        for field in record._meta.concrete_fields
        if field.attname not in deferred
    }
