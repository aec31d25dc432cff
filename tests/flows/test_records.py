"""What must hold of records whoever touches them at the same moment: versions, limits, uploads, requeueing."""

import io
import logging
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from iiifserver.logs import console_formatter, redact
from images.decoders.errors import DecoderDiedError
from images.models import Image, ImageState, Store, Tiling
from images.services.ingest import IngestRetryError, image_ingest, image_refresh
from images.services.ingest_sweeps import images_requeue_stalled
from images.services.registration import SourceReference, image_register, image_reingest, image_save, uploads_sweep
from images.services.stores import store_for_folder, store_for_uploads
from images.sources.errors import SourceUnreachableError
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def test_saving_an_old_instance_does_not_put_back_its_version(picture: Image) -> None:
    """A worker commits version 2 between the reading and the saving of the record; 2 must never be used again."""
    old = Image.objects.get(pk=picture.pk)
    image_reingest(picture.pk, queue=False)
    image_ingest(picture.pk)
    old.label = "renamed"
    image_save(old, {"label"})
    picture.refresh_from_db()
    assert (picture.version, picture.label, picture.state) == (2, "renamed", ImageState.READY)
    image_save(old, {"key"}, queue=False)
    image_ingest(picture.pk)
    picture.refresh_from_db()
    assert picture.version == 3


def test_two_who_register_the_same_at_once_both_succeed(tmp_path: Path, monkeypatch: Any) -> None:
    source = SourceReference(store=store_for_folder(tmp_path), key="a.png")
    real = Image.save
    calls: list[int] = []

    def collide(self: Image, *args: Any, **kwargs: Any) -> None:
        if not calls:
            calls.append(1)
            Image.objects.bulk_create([Image(identifier="same", store=source.store, key=source.key)])
            raise IntegrityError("somebody was faster")
        real(self, *args, **kwargs)

    monkeypatch.setattr(Image, "save", collide)
    with pytest.raises(IntegrityError):
        Image(identifier="x", store=source.store, key="x").save()
    calls.clear()
    Image.objects.all().delete()
    assert image_register("same", source, queue=False).image.identifier == "same"


def test_a_source_that_is_away_for_a_while_comes_back_by_itself(
    client: Client, picture: Image, monkeypatch: Any
) -> None:
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda *_args: None)
    assert picture.store is not None
    path = Path(picture.store.root) / picture.key
    path.rename(path.with_suffix(".away"))
    assert not image_refresh(picture.pk)
    picture.refresh_from_db()
    assert picture.state == ImageState.READY
    assert client.get("/iiif/3/picture/full/77,/0/default.png").status_code == 404
    path.with_suffix(".away").rename(path)
    image_refresh(picture.pk)
    assert client.get("/iiif/3/picture/full/77,/0/default.png").status_code == 200


def test_an_unreachable_store_changes_nothing(picture: Image, monkeypatch: Any) -> None:
    monkeypatch.setattr("images.services.ingest.open_source", _unreachable)
    with pytest.raises(IngestRetryError):
        image_refresh(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.version) == (ImageState.READY, 1)
    image_reingest(picture.pk, queue=False)
    for _ in range(2):
        with pytest.raises(IngestRetryError):
            image_ingest(picture.pk)
    image_ingest(picture.pk)
    picture.refresh_from_db()
    assert picture.state == ImageState.FAILED
    assert Tiling.objects.filter(image=picture).exists(), "what is known of the source is kept"


def test_a_decoder_that_died_is_not_the_sources_fault(picture: Image, monkeypatch: Any) -> None:
    def die(*_args: object) -> None:
        raise DecoderDiedError("The decoder ended in the middle of its work.")

    image_reingest(picture.pk, queue=False)
    monkeypatch.setattr("images.services.ingest.prove", die)
    with pytest.raises(IngestRetryError):
        image_ingest(picture.pk)
    assert Tiling.objects.filter(image=picture).exists()


def test_images_are_requeued_once_and_failed_sources_are_looked_at_again(tmp_path: Path, monkeypatch: Any) -> None:
    queued: list[int] = []
    monkeypatch.setattr(
        "images.services.ingest_sweeps.enqueue_many",
        lambda _name, calls, **_queue: queued.extend(pk for (pk,) in calls),
    )
    source = SourceReference(store=store_for_folder(tmp_path), key="a.png")
    image = image_register("a", source, queue=False).image
    long_ago = timezone.now() - timedelta(hours=2)
    Image.objects.filter(pk=image.pk).update(state_changed=long_ago)
    for _tick in range(3):
        images_requeue_stalled()
    assert queued == [image.pk]
    Image.objects.filter(pk=image.pk).update(
        state=ImageState.FAILED, error_code="source_not_found", state_changed=long_ago
    )
    images_requeue_stalled()
    assert queued == [image.pk, image.pk]


def test_an_index_of_an_older_schema_is_not_misread(client: Client, picture: Image, monkeypatch: Any) -> None:
    Tiling.objects.update(schema=Tiling.SCHEMA - 1, description={"not": "understood"})
    assert client.get("/iiif/3/picture/info.json").status_code == 503
    assert images_requeue_stalled() == 1
    picture.refresh_from_db()
    assert (picture.state, picture.version) == (ImageState.READY, 2)
    assert client.get("/iiif/3/picture/info.json").status_code == 200


def test_an_image_that_is_deleted_while_it_is_read(picture: Image, monkeypatch: Any) -> None:
    image_reingest(picture.pk, queue=False)
    monkeypatch.setattr("images.services.ingest.prove", lambda *_args: Image.objects.all().delete())
    assert image_ingest(picture.pk) is None


@pytest.mark.parametrize("field", ["max_width", "max_area"])
def test_a_limit_of_zero_is_refused(picture: Image, field: str) -> None:
    setattr(picture, field, 0)
    with pytest.raises(ValidationError) as caught:
        picture.full_clean()
    assert field in caught.value.message_dict


def test_an_images_limits_narrow_and_never_widen(client: Client, ingest: Ingest, settings: Any) -> None:
    settings.IIIF_MAX_WIDTH, settings.IIIF_MAX_HEIGHT, settings.IIIF_MAX_AREA = 300, None, None
    ingest(png_bytes(gradient(600, 400)), max_width=500, max_height=900)
    info = client.get("/iiif/3/picture/info.json").json()
    assert (info["maxWidth"], info.get("maxHeight", 300)) == (300, 300)


@pytest.mark.parametrize("identifier", ["2/x", "3/x", "presentation/x", "x/info.json", "info.json"])
def test_identifiers_that_an_address_cannot_name_are_refused(identifier: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        image_register(identifier, SourceReference(store=store_for_folder(tmp_path), key="a.png"))


@pytest.mark.parametrize("metadata", ["text", [1], [{"label": "a"}], [{"label": "a", "value": 1}], {"a": "b"}])
def test_metadata_is_rows_of_texts(tmp_path: Path, metadata: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        image_register("a", SourceReference(store=store_for_folder(tmp_path), key="a.png"), metadata=metadata)
    assert "metadata" in caught.value.message_dict


def test_a_folder_named_uploads_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    store = store_for_folder(tmp_path / "uploads")
    assert store_for_uploads().pk != store.pk
    assert Store.objects.get(pk=store.pk).root == str(tmp_path / "uploads")


def test_the_admin_keeps_no_upload_of_a_refused_form(client: Client, picture: Image, settings: Any) -> None:
    user = get_user_model().objects.create_superuser("boss", password="x")
    client.force_login(user)
    folder = Path(settings.MEDIA_ROOT)
    before = set(folder.iterdir()) if folder.is_dir() else set()
    upload = SimpleUploadedFile("a.png", png_bytes(gradient(30, 20)), "image/png")
    form = {"identifier": "picture", "label": "", "upload": upload, "metadata": "[]"}
    assert client.post(reverse("admin:images_image_add"), form).status_code == 200
    assert (set(folder.iterdir()) if folder.is_dir() else set()) == before
    upload.seek(0)
    answer = client.post(reverse("admin:images_image_add"), {**form, "identifier": "fresh"})
    assert answer.status_code == 302
    assert Image.objects.get(identifier="fresh").state == ImageState.READY
    assert len(set(folder.iterdir()) - before) == 1


def test_uploads_that_no_record_names_are_swept_after_a_day(settings: Any) -> None:
    folder = Path(store_for_uploads().root)
    old, young = folder / "old.png", folder / "young.png"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 100_000,) * 2)
    assert uploads_sweep() >= 1
    assert not old.exists()
    assert young.exists()
    young.unlink()


def test_ingesting_again_reads_again(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "a.png"
    whole = png_bytes(gradient(300, 200))
    path.write_bytes(whole[:500])
    with pytest.raises(SystemExit):
        call_command("ingest", str(path), "--wait")
    path.write_bytes(whole)
    call_command("ingest", str(path), "--wait", "--collection", "mended")
    image = Image.objects.get(identifier="a.png")
    assert image.state == ImageState.READY
    assert image.collection is not None


def test_files_of_one_name_are_not_silently_merged(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(png_bytes(gradient(30, 20)))
    with pytest.raises(CommandError, match=r"both be 'a\.png'"):
        call_command("ingest", str(tmp_path / "x" / "a.png"), str(tmp_path / "y" / "a.png"))
    assert not Image.objects.exists()


def test_no_secret_of_a_url_becomes_an_identifier(monkeypatch: Any) -> None:
    call_command("ingest", "http://127.0.0.1:1/scans/a%20b.tif?X-Amz-Signature=hunter2")
    assert Image.objects.get().identifier == "a b.tif"


def test_a_streamed_answer_cannot_be_kept_by_a_cache(client: Client, picture: Image, settings: Any) -> None:
    settings.IIIF_STREAM_AREA = 1000
    url = "/iiif/3/picture/full/max/0/default.png"
    first = client.get(url)
    assert first.streaming
    assert first["Cache-Control"] == "no-store"
    assert "ETag" not in first
    streamed = b"".join(getattr(first, "streaming_content", []))
    second = client.get(url)
    assert second["ETag"]
    assert second["Content-Length"] == str(len(streamed))
    assert "no-store" not in second["Cache-Control"]


def test_secrets_in_tracebacks_are_redacted() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(console_formatter())
    logger = logging.getLogger("tests.redaction")
    logger.propagate = False
    logger.addHandler(handler)
    error = ValueError("redis://:hunter2@db/0 and https://h/p?sig=hunter3")
    logger.error("failed", exc_info=error)
    assert "hunter" not in out.getvalue()
    assert "ValueError" in out.getvalue()


def test_too_many_arguments_are_no_server_error(client: Client, picture: Image) -> None:
    response = client.get("/iiif/3/picture/full/60,/0/default.png?" + "&a" * 1100)
    assert response.status_code == 200


def _unreachable(*_args: object, **_kwargs: object) -> None:
    raise SourceUnreachableError("The storage does not answer.")


def test_another_source_takes_an_identifier_only_when_told(tmp_path: Path, capsys: Any) -> None:
    for folder, size in (("a", 30), ("b", 40)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0001.png").write_bytes(png_bytes(gradient(size, 20)))
    call_command("ingest", str(tmp_path / "a"), "--wait")
    with pytest.raises(SystemExit):
        call_command("ingest", str(tmp_path / "b"), "--wait")
    assert "--replace" in capsys.readouterr().err
    assert Image.objects.get().width == 30
    call_command("ingest", str(tmp_path / "b"), "--wait", "--replace")
    assert (Image.objects.get().width, Image.objects.get().version) == (40, 2)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_answered_under_any_name(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3"}).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "https://anna:SECRET@host/a.tif",
        "https://anna:p@SECRET@host/a.tif",
        "redis://:SECRET@host:6379/0",
        "https://host/a?X-Amz-Signature=SECRET&b=1",
        "https://host/a?X-Goog-Signature=SECRET",
        "https://host/a?b=1&X-Goog-Credential=SECRET",
        "https://host/a?sv=1&sig=SECRET",
        "https://host/a?access_token=SECRET",
        "https://host/a?api_key=SECRET&b=1",
        "https://host/a?apikey=SECRET",
        "https://host/a?AWSAccessKeyId=SECRET&Signature=SECRET",
        "{'Authorization': 'Bearer SECRET'}",
        "{'X-Api-Key': 'SECRET', 'a': 1}",
        "Cookie: sessionid=SECRET",
    ],
)
def test_no_credential_stays_in_a_line_of_a_log(text: str) -> None:
    assert "SECRET" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text", ["https://host/a?mail=a@b.example", "https://host/keys/a?page=3&monkey_bars=1", "a key: b", "//a@b/"]
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redact(text) == text
