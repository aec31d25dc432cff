"""A deleted image stays so while the database is down, whoever still knows it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError

from caching.last_known import LastKnown
from images.models import Image
from images.selectors import images as selected
from images.selectors.images import get_served_image
from images.selectors.last_known import recall_record
from tests.caching.shared import shared_server
from tests.support.redis import Redis

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[LastKnown]:
    known = LastKnown(shared_server(redis_server), 60)
    monkeypatch.setattr("images.selectors.last_known.get_last_known", lambda: known)
    selected._memo.clear()
    yield known
    selected._memo.clear()


def _down(*_arguments: Any) -> None:
    raise DatabaseError("down")


def test_a_record_that_a_slow_process_writes_after_the_deletion(
    known: LastKnown, picture: Image, django_capture_on_commit_callbacks: Any
) -> None:
    get_served_image("picture")
    assert known.wait()
    data = known.find("record", "picture")
    assert data is not None
    assert recall_record("picture") is not None
    with django_capture_on_commit_callbacks(execute=True):
        picture.delete()
    known.remember("record", "picture", lambda: data)
    assert known.wait()
    assert known.find("record", "picture") == data
    assert recall_record("picture") is None


def test_a_process_that_did_not_hear_of_the_deletion(
    known: LastKnown, picture: Image, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = get_served_image("picture")
    with django_capture_on_commit_callbacks(execute=True):
        picture.delete()
    selected._memo.put("picture", served, -1)  # as where the news was missed
    monkeypatch.setattr(selected, "read_record", _down)
    with pytest.raises(DatabaseError):
        get_served_image("picture")


def test_another_image_of_the_same_name_is_recalled(known: LastKnown, picture: Image) -> None:
    known.bury("record", "0" * 32)
    get_served_image("picture")
    assert known.wait()
    assert recall_record("picture") is not None
