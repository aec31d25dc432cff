"""Registering and reading sources: idempotent, versioned, and failures that say what was wrong."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from PIL import Image as Pillow

from images.models import Image, ImageState, Store, Tiling
from images.services.ingest import image_ingest, image_refresh
from images.services.ingest_sweeps import images_requeue_stalled
from images.services.registration import IdentifierTakenError, SourceReference, image_register, image_reingest
from images.services.stores import store_for_folder
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def test_a_file_becomes_ready(picture: Image) -> None:
    assert (picture.state, picture.version) == (ImageState.READY, 1)
    assert (picture.width, picture.height, picture.source_format) == (600, 400, "png")
    assert picture.tiling.version == 1


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "not_an_image", "empty"),
        (b"%PDF-1.7\n" + b"x" * 100, "not_an_image", "PDF"),
        (b"<html>not here</html>" * 10, "not_an_image", ""),
        (b"just some text that is no image at all", "not_an_image", ""),
        (png_bytes(gradient(300, 300))[:700], "damaged", ""),
    ],
)
def test_what_is_no_image_fails_with_a_reason(ingest: Ingest, data: bytes, code: str, words: str) -> None:
    image = ingest(data, name="file.bin")
    assert image.state == ImageState.FAILED
    assert image.error_code == code, image.error_detail
    assert words in image.error_detail
    assert image.error_detail.endswith(".")
    assert not Tiling.objects.filter(image=image).exists()


def test_a_failed_image_says_why_to_viewers(client: Client, ingest: Ingest) -> None:
    ingest(b"no image", name="file.bin", identifier="broken")
    response = client.get("/iiif/3/broken/info.json")
    assert response.status_code == 404
    assert "could not be read" in response.json()["detail"]


def test_a_pending_image_asks_to_come_back(client: Client, tmp_path: Path) -> None:
    source = SourceReference(store=store_for_folder(tmp_path), key="a.png")
    image_register("waiting", source, queue=False)
    response = client.get("/iiif/3/waiting/full/max/0/default.jpg")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0


def test_a_missing_file_fails(tmp_path: Path) -> None:
    source = SourceReference(store=store_for_folder(tmp_path), key="missing.png")
    image = image_register("missing", source, queue=False).image
    image_ingest(image.pk)
    image.refresh_from_db()
    assert (image.state, image.error_code) == (ImageState.FAILED, "source_not_found")
    assert str(tmp_path) not in image.error_detail


def test_registering_again_changes_nothing_and_another_source_is_refused(picture: Image, tmp_path: Path) -> None:
    same = SourceReference(store=picture.store, key=picture.key)
    assert not image_register("picture", same).changed
    other = SourceReference(store=picture.store, key="other.png")
    with pytest.raises(IdentifierTakenError):
        image_register("picture", other)
    picture.refresh_from_db()
    assert picture.state == ImageState.READY


@pytest.mark.parametrize("identifier", ["", "..", "a/../b", "a\x00b", "a\nb", "x" * 501])
def test_identifiers_that_no_url_can_name_are_refused(identifier: str, tmp_path: Path) -> None:
    source = SourceReference(store=store_for_folder(tmp_path), key="a.png")
    with pytest.raises(ValidationError) as caught:
        image_register(identifier, source)
    assert "identifier" in caught.value.message_dict


def test_ingest_twice_reads_once(picture: Image, monkeypatch: Any) -> None:
    monkeypatch.setattr("images.services.ingest.open_source", _fail)
    assert image_ingest(picture.pk) is None
    picture.refresh_from_db()
    assert picture.version == 1


def test_what_has_become_something_else_has_no_facts_until_it_is_an_image_again(client: Client, picture: Image) -> None:
    assert picture.store is not None
    source = Path(picture.store.root) / picture.key
    pixels = source.read_bytes()
    source.write_bytes(b"Dear colleague, this is no picture.")
    assert image_refresh(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.version) == (ImageState.FAILED, 1)
    assert not Tiling.objects.filter(image=picture).exists()
    facts = (picture.width, picture.height, picture.source_format, picture.source_byte_size)
    assert facts == (None, None, "", None)
    assert "/view/picture" not in client.get("/").content.decode()
    source.write_bytes(pixels + b" ")
    assert image_refresh(picture.pk)
    picture.refresh_from_db()
    assert (picture.width, picture.height, picture.source_format, picture.version) == (600, 400, "png", 2)
    assert "/view/picture" in client.get("/").content.decode()


def test_the_upgrade_empties_facts_of_images_that_have_no_tiling(picture: Image) -> None:
    upgrade = import_module("images.migrations.0014_no_facts_without_tiling")
    upgrade.forget_facts(apps, None)
    picture.refresh_from_db()
    assert (picture.width, picture.source_format) == (600, "png")
    Tiling.objects.all().delete()
    upgrade.forget_facts(apps, None)
    picture.refresh_from_db()
    assert (picture.width, picture.height, picture.source_format, picture.source_byte_size) == (None, None, "", None)


def test_a_changed_source_gets_a_new_version_and_new_pixels(client: Client, picture: Image) -> None:
    url = "/iiif/3/picture/full/max/0/default.png"
    before = client.get(url)
    assert picture.store is not None
    replacement = Path(picture.store.root) / "new.png"
    replacement.write_bytes(png_bytes(gradient(500, 300, seed=200)))
    replacement.rename(replacement.with_name(picture.key))
    assert image_refresh(picture.pk)
    assert not image_refresh(picture.pk)
    picture.refresh_from_db()
    assert (picture.version, picture.width) == (2, 500)
    after = client.get(url)
    assert after["ETag"] != before["ETag"]
    assert Pillow.open(BytesIO(after.content)).size == (500, 300)
    assert client.get("/iiif/3/picture/info.json").json()["width"] == 500


def test_a_source_that_changed_unseen_is_never_mixed(client: Client, picture: Image, monkeypatch: Any) -> None:
    """The pinned source is another one: 503, a refresh is asked for, and the next request has the new version."""
    refreshed: list[int] = []
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda _name, pk: refreshed.append(pk))
    monkeypatch.setattr("images.services.producing._refreshes", {})
    assert picture.store is not None
    path = Path(picture.store.root) / picture.key
    path.write_bytes(png_bytes(gradient(600, 400, seed=99)))
    os.utime(path, ns=(1, 1))
    response = client.get("/iiif/3/picture/full/200,/0/default.png")
    assert response.status_code == 503
    assert "Retry-After" in response
    _wait_until(lambda: refreshed == [picture.pk])
    image_refresh(picture.pk)
    assert client.get("/iiif/3/picture/full/200,/0/default.png").status_code == 200


def test_a_source_that_is_gone_is_404(client: Client, picture: Image, monkeypatch: Any) -> None:
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda *_args: None)
    assert picture.store is not None
    (Path(picture.store.root) / picture.key).unlink()
    response = client.get("/iiif/3/picture/full/201,/0/default.png")
    assert response.status_code == 404
    assert response.json()["error"] == "source_not_found"


def test_stalled_images_are_queued_again_and_poison_ends(tmp_path: Path, monkeypatch: Any) -> None:
    queued: list[int] = []
    monkeypatch.setattr(
        "images.services.ingest_sweeps.enqueue_many",
        lambda _name, calls, **_queue: queued.extend(pk for (pk,) in calls),
    )
    store = store_for_folder(tmp_path)
    images = [
        image_register(f"i{n}", SourceReference(store=store, key=f"{n}.png"), queue=False).image for n in range(3)
    ]
    long_ago = timezone.now() - timedelta(hours=1)
    Image.objects.filter(pk=images[0].pk).update(state_changed=long_ago)
    Image.objects.filter(pk=images[1].pk).update(state=ImageState.PROCESSING, attempts=3, state_changed=long_ago)
    assert images_requeue_stalled() == 1
    assert queued == [images[0].pk]
    images[1].refresh_from_db()
    assert (images[1].state, images[1].error_code) == (ImageState.FAILED, "poison")


def test_reingest_makes_a_new_version(picture: Image) -> None:
    image_reingest(picture.pk, queue=False)
    image_ingest(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.version) == (ImageState.READY, 2)


def test_a_broker_that_is_down_loses_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr("images.tasks.ingest_task.apply_async", refuse)
    source = SourceReference(store=store_for_folder(tmp_path), key="a.png")
    assert image_register("kept", source).image.state == ImageState.PENDING


def test_the_command_ingests_a_folder_and_a_csv(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "scans"
    (folder / "box").mkdir(parents=True)
    (folder / "a.png").write_bytes(png_bytes(gradient(30, 20)))
    (folder / "box" / "b.png").write_bytes(png_bytes(gradient(20, 30)))
    (folder / "notes.txt").write_text("no image")
    call_command("ingest", str(folder), "--wait")
    assert "2 of 2 images indexed." in capsys.readouterr().out
    assert set(Image.objects.values_list("identifier", flat=True)) == {"a.png", "box/b.png"}
    assert Store.objects.get(root=str(folder.resolve())).images.count() == 2
    rows = tmp_path / "rows.csv"
    rows.write_text(f"source_id,alternate_id\n{folder / 'a.png'},alpha\n{folder / 'box' / 'b.png'},\n")
    call_command("ingest", "--csv", str(rows), "--collection", "maps", "--wait")
    assert Image.objects.filter(identifier="alpha", collection__name="maps").exists()


def test_the_command_reports_each_failure(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "good.png").write_bytes(png_bytes(gradient(30, 20)))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    with pytest.raises(SystemExit) as caught:
        call_command("ingest", str(tmp_path), "--wait")
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert "1 of 2 images indexed." in captured.out
    assert "failed: bad.png: " in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Nothing to ingest"),
        (["/no/such/file.tif"], "no file or folder"),
        (["--store", "nowhere", "a.tif"], "no store named"),
        (["--csv", "/no/such.csv"], "cannot be read"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("ingest", *arguments)


def test_copy_takes_the_file_into_the_upload_storage(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_bytes(gradient(30, 20)))
    call_command("ingest", str(tmp_path / "a.png"), "--copy", "--wait", "--id", "kept")
    (tmp_path / "a.png").unlink()
    image = Image.objects.get(identifier="kept")
    assert (image.state, image.store.name if image.store else "") == (ImageState.READY, "uploads")


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _fail(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("this must not be called")
