"""Another source for an image that is served: until it is read, the one before is shown, and there is a way back."""

import os
import time
from datetime import timedelta
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.utils import timezone
from PIL import Image as Pillow
from pytest_django import DjangoAssertNumQueries

from caching.last_known import LastKnown
from images.conf import conf
from images.decoders.errors import DecoderDiedError, OverloadedError
from images.models import Image, ImageState, Store, Tiling
from images.selectors import images as selected
from images.selectors.last_known import recall_record, remember_record
from images.selectors.record import read_record
from images.services import ingest
from images.services.bulk_actions import bulk_action_create
from images.services.ingest import IngestRetryError, image_ingest, image_refresh
from images.services.ingest_sweeps import images_requeue_stalled
from images.services.job_running import job_run
from images.services.registration import (
    NothingToRestoreError,
    SourceReference,
    earlier_source_withdraw,
    image_register,
    image_restore_source,
    upload_store,
    uploads_sweep,
)
from images.services.stores import store_for_folder
from images.services.suspects import count_deaths
from tests.caching.shared import shared_server
from tests.flows.conftest import gradient, png_bytes
from tests.images.api.conftest import MakeCaller
from tests.images.api.conftest import as_token as as_token  # noqa: PLC0414 - a fixture
from tests.images.api.conftest import roles as roles  # noqa: PLC0414 - a fixture
from tests.support.redis import Redis

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

LETTER = b"Dear colleague, this is no picture."


@pytest.fixture
def other(tmp_path: Path) -> Store:
    folder = tmp_path / "other"
    folder.mkdir()
    return store_for_folder(folder)


@pytest.fixture(autouse=True)
def fixture_own_uploads(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "uploads"


def replace(store: Store, key: str, data: bytes | None) -> Image:
    """With what lies in `store` under `key`, where there is to be something; read at once."""
    if data is not None:
        (Path(store.root) / key).write_bytes(data)
    image = image_register("picture", SourceReference(store, key), replace=True, queue=False).image
    image_ingest(image.pk)
    image.refresh_from_db()
    return image


def pixels(client: Client, width: int) -> Pillow.Image:
    """Of a size that nobody has asked for before, so that the source is read."""
    response = client.get(f"/iiif/3/picture/full/{width},/0/default.png")
    assert response.status_code == 200, response.content
    return Pillow.open(BytesIO(response.content))


def blue(client: Client) -> int:
    return int(np.asarray(pixels(client, 77))[3, 3, 2])


@pytest.mark.parametrize(
    ("data", "code"),
    [(LETTER, "not_an_image"), (png_bytes(gradient(300, 300))[:700], "damaged"), (None, "source_not_found")],
)
def test_what_cannot_be_read_takes_nothing_away(
    client: Client, picture: Image, other: Store, data: bytes | None, code: str
) -> None:
    image = replace(other, "new.png", data)
    assert (image.state, image.error_code, image.version) == (ImageState.FAILED, code, 1)
    assert (image.store, image.key, image.width) == (other, "new.png", 600)
    assert image.shows_earlier_source
    assert pixels(client, 123).size == (123, 82)
    assert client.get("/iiif/3/picture/info.json").json()["width"] == 600
    assert "/view/picture" in client.get("/").content.decode()


def test_while_it_waits_the_one_before_is_read(client: Client, picture: Image, other: Store) -> None:
    (Path(other.root) / "new.png").write_bytes(png_bytes(gradient(600, 400, seed=200)))
    image = image_register("picture", SourceReference(other, "new.png"), replace=True, queue=False).image
    assert blue(client) == 0
    image_ingest(image.pk)
    assert blue(client) == 200
    image.refresh_from_db()
    assert (image.version, image.shows_earlier_source) == (2, False)


def test_the_way_back_reads_nothing_and_keeps_the_version(
    client: Client, picture: Image, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.get("/iiif/3/picture/full/50,/0/default.png")["ETag"]
    replace(other, "new.png", LETTER)
    monkeypatch.setattr(ingest, "_read_source", _fail)
    restored = image_restore_source(picture.pk)
    restored.refresh_from_db()
    assert (restored.store, restored.key) == (picture.store, picture.key)
    assert (restored.state, restored.version, restored.error_code) == (ImageState.READY, 1, "")
    assert client.get("/iiif/3/picture/full/50,/0/default.png")["ETag"] == before
    with pytest.raises(NothingToRestoreError):
        image_restore_source(picture.pk)


def test_a_worker_that_reads_the_replacement_meanwhile_changes_nothing_any_more(
    picture: Image, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(image: Image) -> Any:
        image_restore_source(image.pk)
        return facts(image)

    facts = ingest._read_source
    monkeypatch.setattr(ingest, "_read_source", read)
    image = replace(other, "new.png", png_bytes(gradient(90, 60)))
    assert (image.state, image.version, image.width, image.key) == (ImageState.READY, 1, 600, picture.key)


def test_the_replacement_may_be_mended(client: Client, picture: Image, other: Store) -> None:
    replace(other, "new.png", LETTER)
    (Path(other.root) / "new.png").write_bytes(png_bytes(gradient(90, 60)))
    assert image_refresh(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.version, picture.width) == (ImageState.READY, 2, 90)
    assert pixels(client, 45).size == (45, 30)


def test_a_replacement_that_ends_decoders_does_not_quarantine_what_is_shown(
    client: Client, picture: Image, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: Any) -> None:
        raise DecoderDiedError("It ended.")

    monkeypatch.setattr(ingest, "prove", die)
    with pytest.raises(IngestRetryError):
        replace(other, "new.png", png_bytes(gradient(90, 60)))
    image_ingest(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.error_code, picture.decoder_deaths) == (ImageState.FAILED, "poison", 0)
    assert pixels(client, 61).size == (61, 41)
    assert not image_refresh(picture.pk)  # the same bytes would do it again


def test_the_bytes_that_failed_are_not_read_again(
    client: Client, picture: Image, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every reader of an earlier source that has changed has the image looked at."""
    replace(other, "new.png", LETTER)
    assert picture.store is not None
    (Path(picture.store.root) / picture.key).write_bytes(png_bytes(gradient(600, 400, seed=99)))
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda _name, pk: image_refresh(pk))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "_read_source", _fail)
        assert client.get("/iiif/3/picture/full/88,/0/default.png").status_code == 503
        assert not image_refresh(picture.pk)
    image_restore_source(picture.pk)  # and what is there now is read
    picture.refresh_from_db()
    assert (picture.state, picture.version) == (ImageState.READY, 2)
    assert pixels(client, 88).size == (88, 59)


@pytest.mark.parametrize("state", [ImageState.PENDING, ImageState.PROCESSING])
def test_an_earlier_source_that_ends_decoders_does_not_harm_the_new_one(
    client: Client, picture: Image, other: Store, state: ImageState
) -> None:
    (Path(other.root) / "new.png").write_bytes(png_bytes(gradient(90, 60)))
    image_register("picture", SourceReference(other, "new.png"), replace=True, queue=False)
    served = selected.get_served_image("picture")
    claimed = ingest._claim(picture.pk) if state == ImageState.PROCESSING else None
    count_deaths(served)
    assert client.get("/iiif/3/picture/info.json").status_code == 200
    for _time in range(conf.quarantine_deaths - 2):
        count_deaths(served)
    assert client.get("/iiif/3/picture/info.json").status_code == 503
    if claimed is not None:
        ingest._commit(claimed, ingest._read_source(claimed))
    else:
        image_ingest(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.error_code, picture.decoder_deaths) == (ImageState.READY, "", 0)
    assert (picture.version, picture.width) == (2, 90)


def test_what_was_restored_meanwhile_is_not_withdrawn(picture: Image, other: Store) -> None:
    replace(other, "new.png", LETTER)
    image_restore_source(picture.pk)
    assert not earlier_source_withdraw(picture.pk, 1)
    assert Tiling.objects.filter(image=picture).exists()


def test_a_new_source_that_only_could_not_be_read_just_then_is_read_again(
    picture: Image, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise OverloadedError("Too much to do.")

    monkeypatch.setattr(type(conf), "ingest_attempts", 1)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "prove", refuse)
        image = replace(other, "new.png", png_bytes(gradient(90, 60)))
    assert (image.state, image.shows_earlier_source) == (ImageState.FAILED, True)
    assert image_refresh(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.width) == (ImageState.READY, 90)


def test_a_sweep_looks_at_replacements_that_failed_and_does_not_read_the_same_again(
    picture: Image, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(other, "new.png", LETTER)
    long_ago = timezone.now() - timedelta(hours=2)
    for number in range(2):  # the second sweep comes too early to look again
        Image.objects.update(state_changed=long_ago)
        with monkeypatch.context() as patch:
            patch.setattr(ingest, "_read_source", _fail)
            swept = images_requeue_stalled()
        assert swept == 1 - number
    picture.refresh_from_db()
    assert (picture.state, picture.shows_earlier_source) == (ImageState.FAILED, True)
    (Path(other.root) / "new.png").write_bytes(png_bytes(gradient(90, 60)))
    Image.objects.update(checked=long_ago, state_changed=long_ago)
    assert images_requeue_stalled() == 1
    picture.refresh_from_db()
    assert (picture.state, picture.width) == (ImageState.READY, 90)


def test_what_is_in_quarantine_does_not_come_back(client: Client, picture: Image, other: Store) -> None:
    served = selected.get_served_image("picture")
    for _time in range(conf.quarantine_deaths):
        count_deaths(served)
    image = replace(other, "new.png", LETTER)
    assert (image.error_code, image.width, image.shows_earlier_source) == ("not_an_image", None, False)
    assert client.get("/iiif/3/picture/info.json").status_code == 404
    with pytest.raises(NothingToRestoreError):
        image_restore_source(picture.pk)


def test_the_record_is_one_query_also_then(
    picture: Image, other: Store, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    replace(other, "new.png", LETTER)
    selected._memo.clear()
    with django_assert_num_queries(1):
        served = selected.get_served_image("picture")
    assert served.location.key == picture.key


def test_an_upload_that_is_still_shown_is_kept(client: Client, picture: Image) -> None:
    root, old = Path(django_settings.MEDIA_ROOT), time.time() - 100_000
    keys = []
    for data in (png_bytes(gradient(64, 32)), LETTER):
        source = upload_store([data], "a.png")
        assert source.store is not None
        os.utime(root / source.key, (old, old))
        replace(source.store, source.key, None)
        keys.append(source.key)
    uploads_sweep()
    assert pixels(client, 32).size == (32, 16)
    image_restore_source(picture.pk)
    uploads_sweep()
    assert [path.name for path in root.iterdir() if path.is_file()] == keys[:1]


def test_the_store_of_what_is_shown_cannot_be_removed(
    admin_client: Client, picture: Image, other: Store, as_token: MakeCaller
) -> None:
    replace(other, "new.png", LETTER)
    assert picture.store is not None
    with pytest.raises(ProtectedError):
        picture.store.delete()
    answer = as_token("admin")("DELETE", f"stores/{picture.store.name}/")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert "what they had there before: 1." in answer.json()["detail"]
    page = admin_client.get(f"/admin/images/store/{picture.store.pk}/delete/").content.decode()
    assert "1 image, whose source lies or lay there" in page
    image_restore_source(picture.pk)
    assert "whose source" not in admin_client.get(f"/admin/images/store/{other.pk}/delete/").content.decode()
    assert as_token("admin")("DELETE", f"stores/{other.name}/").status_code == 204


@pytest.mark.parametrize("names_a_url", [False, True])
def test_while_the_database_is_down_the_one_before_is_recalled(
    client: Client,
    picture: Image,
    other: Store,
    redis_server: Redis,
    monkeypatch: pytest.MonkeyPatch,
    *,
    names_a_url: bool,
) -> None:
    known = LastKnown(shared_server(redis_server), 60)
    monkeypatch.setattr("images.selectors.last_known.get_last_known", lambda: known)
    replace(other, "new.png", LETTER)
    if names_a_url:
        Image.objects.update(store=None, key="", url="https://example.org/a.png")
    served = selected.get_served_image("picture")
    assert known.wait()
    selected._memo.clear()
    monkeypatch.setattr(selected, "read_record", _down)
    assert selected.get_served_image("picture").location == served.location
    assert served.location.key == picture.key


def test_an_older_record_that_does_not_name_the_source_is_not_recalled(
    picture: Image, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = LastKnown(shared_server(redis_server), 60)
    monkeypatch.setattr("images.selectors.last_known.get_last_known", lambda: known)
    image = read_record("picture")
    assert image is not None
    image.tiling.store, image.tiling.key = None, ""
    remember_record(image)
    assert known.wait()
    assert recall_record("picture") is None


def test_curators_are_told_and_go_back(admin_client: Client, picture: Image) -> None:
    page = f"/admin/images/image/{picture.pk}/change/"
    form = {"identifier": "picture", "metadata": "[]", "information": "{}"}
    upload = SimpleUploadedFile("scan.png", png_bytes(gradient(300, 300))[:700])
    assert admin_client.post(page, {**form, "upload": upload}).status_code == 302
    image_ingest(picture.pk)
    shown = admin_client.get(page).content.decode()
    assert "Failed" in shown
    assert f"the earlier source, {picture.store.name if picture.store else ''}: {picture.key}" in shown
    assert "image-preview" in shown
    assert f"/admin/images/image/{picture.pk}/restore/" in shown
    assert "The earlier source is still shown." in admin_client.get("/admin/images/image/").content.decode()
    assert admin_client.get(f"/admin/images/image/{picture.pk}/restore/").status_code == 405
    answer = admin_client.post(f"/admin/images/image/{picture.pk}/restore/", follow=True)
    assert "has its earlier source again" in answer.content.decode()
    assert f"/admin/images/image/{picture.pk}/restore/" not in answer.content.decode()
    assert LogEntry.objects.filter(object_id=picture.pk, change_message="restore").count() == 1
    again = admin_client.post(f"/admin/images/image/{picture.pk}/restore/", follow=True)
    assert "There is no earlier source to go back to" in again.content.decode()
    assert LogEntry.objects.filter(object_id=picture.pk, change_message="restore").count() == 1


def test_visitors_see_the_picture_and_not_what_failed(
    client: Client, admin_client: Client, picture: Image, other: Store
) -> None:
    replace(other, "new.png", LETTER)
    for caller, words in ((client, False), (admin_client, True)):
        page = caller.get("/").content.decode()
        assert "/view/picture" in page
        assert ("Could not be read" in page, "This is a text file" in page) == (words, words)
        state = caller.get("/gallery/state.json?id=picture").json()["image"]
        assert ("This is a text file" in state["reason"]) == words


def test_many_go_back_at_once(picture: Image, ingest_more: Image, other: Store) -> None:
    replace(other, "new.png", LETTER)
    job = bulk_action_create("restore", [picture.pk, ingest_more.pk])
    job_run(job.pk)
    job.refresh_from_db()
    assert (job.done, job.failed, job.detail["failures"]) == (
        2,
        1,
        [{"identifier": "more", "reason": "There is no earlier source to go back to."}],
    )
    picture.refresh_from_db()
    assert (picture.state, picture.shows_earlier_source) == (ImageState.READY, False)


@pytest.fixture
def ingest_more(picture: Image) -> Image:
    """A second image of the same source."""
    image = image_register("more", SourceReference(picture.store, picture.key), queue=False).image
    image_ingest(image.pk)
    return image


def test_programs_are_told_and_go_back(picture: Image, other: Store, as_token: MakeCaller) -> None:
    replace(other, "new.png", LETTER)
    reader, writer = as_token("read"), as_token("write")
    record = writer("GET", "images/picture/").json()
    assert (record["state"], record["shows_earlier_source"]) == ("failed", True)
    assert (record["width"], record["source"]["key"]) == (600, "new.png")
    assert reader("POST", "images/picture/restore/").status_code == 403
    answer = writer("POST", "images/picture/restore/")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["state"], answer.json()["shows_earlier_source"]) == ("ready", False)
    assert answer.json()["source"]["key"] == picture.key
    again = writer("POST", "images/picture/restore/")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_restore")
    assert writer("POST", "images/nothing/restore/").status_code == 404


def test_an_upload_that_is_refused_leaves_no_earlier_source(admin_client: Client, picture: Image) -> None:
    page = f"/admin/images/image/{picture.pk}/change/"
    form = {"identifier": "picture", "metadata": "[]", "information": "{}"}
    answer = admin_client.post(page, {**form, "upload": SimpleUploadedFile("letter.png", LETTER)})
    text = answer.content.decode()
    assert (answer.status_code, "This is a text file" in text) == (200, True)
    assert "earlier source" not in text.lower().replace("back to the earlier source</option>", "")


def test_those_who_may_only_look_cannot_go_back(client: Client, picture: Image, other: Store, viewer: Any) -> None:
    replace(other, "new.png", LETTER)
    client.force_login(viewer)
    assert client.post(f"/admin/images/image/{picture.pk}/restore/").status_code == 403
    assert "Back to the earlier" not in client.get(f"/admin/images/image/{picture.pk}/change/").content.decode()


@pytest.fixture
def viewer(django_user_model: Any) -> Any:
    user = django_user_model.objects.create_user("guest", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_image"))
    return user


def test_a_tiling_names_one_source(picture: Image) -> None:
    for wrong in ({"key": ""}, {"url": "https://example.org/a.png"}, {"store": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Tiling.objects.update(**wrong)


def test_the_upgrade_takes_the_source_from_the_record(picture: Image) -> None:
    far = Image.objects.create(identifier="far", url="https://example.org/a.png")
    tiling = Tiling.objects.get()
    Tiling.objects.create(
        image=far, url="https://example.org/b.png", **{name: getattr(tiling, name) for name in _FACTS}
    )
    Tiling.objects.filter(image=picture).update(key="other")
    import_module("images.migrations.0016_tilings_name_their_source").name_sources(apps, None)
    for image in (picture, far):
        found = Tiling.objects.get(image=image)
        assert (found.store_id, found.key, found.url) == (image.store_id, image.key, image.url)


_FACTS = ("version", "etag", "tile_width", "tile_height", "description", "created")


def _fail(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("this must not be called")


def _down(*_arguments: Any) -> None:
    raise DatabaseError("down")
