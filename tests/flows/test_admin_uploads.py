"""An upload in the admin that the server has no room for: it is said at the field, nothing is left, nothing is lost."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.files import uploadhandler
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import get_resolver
from django.utils import timezone, translation

from images.models import Batch, Image, ServiceCopy
from images.services import registration
from images.services.stores import store_for_folder
from images.services.tokens import token_create
from images.services.uploads import UploadSink
from tests.flows.conftest import gradient, png_bytes

pytestmark = pytest.mark.django_db(transaction=True)

PNG = png_bytes(gradient(60, 40))
NO_ROOM = "The server has no room left for this file."


@pytest.fixture(name="uploads")
def fixture_uploads(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return tmp_path / "uploads"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    class FullDisk(UploadSink):
        """Its part exists; whatever is written to it meets the device that has no room, flushed or closed."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._file.close()
            self._file = Path("/dev/full").open("wb")  # noqa: SIM115 - the sink closes it

    monkeypatch.setattr(registration, "UploadSink", FullDisk)
    return monkeypatch


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_the_form_of_an_image_says_so_and_keeps_what_was_written(
    admin_client: Client, uploads: Path, full_disk: pytest.MonkeyPatch
) -> None:
    fields = {"identifier": "plate", "label": "A plate", "metadata": "[]", "information": "{}"}

    def send() -> Any:
        return admin_client.post(
            "/admin/images/image/add/", {**fields, "upload": SimpleUploadedFile("a.png", PNG, "image/png")}
        )

    text = send().content.decode()
    assert NO_ROOM in text
    assert 'value="A plate"' in text
    assert not Image.objects.exists()
    assert kept(uploads) == []
    full_disk.undo()
    assert send().status_code == 302
    assert Image.objects.get().label == "A plate"
    assert len(kept(uploads)) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"Dear Sir or Madam,", "This is a text file, not an image."), (b"%PDF-1.7 and more", "This is a PDF document")],
)
def test_the_form_of_an_image_takes_no_other_files(
    admin_client: Client, uploads: Path, body: bytes, reason: str
) -> None:
    fields = {"identifier": "plate", "metadata": "[]", "information": "{}"}
    answer = admin_client.post(
        "/admin/images/image/add/", {**fields, "upload": SimpleUploadedFile("plate.jpg", body, "image/jpeg")}
    )
    assert reason in answer.content.decode()
    assert not Image.objects.exists()
    assert kept(uploads) == []


def test_what_came_after_a_form_was_opened_refuses_neither_the_form_nor_its_file(
    admin_client: Client, uploads: Path, tmp_path: Path
) -> None:
    """A service copy, of which the form says nothing."""
    image = Image.objects.create(identifier="plate", store=store_for_folder(tmp_path), key="plate.png")
    ServiceCopy.objects.create(image=image, version=1, state_changed=timezone.now())
    fields = {"identifier": "plate", "metadata": "[]", "information": "{}"}

    def send(**more: str) -> Any:
        upload = SimpleUploadedFile("a.png", PNG, "image/png")
        return admin_client.post(f"/admin/images/image/{image.pk}/change/", {**fields, **more, "upload": upload})

    refused = send(label="Refused", max_width="-1")
    assert refused.status_code == 200
    assert "service_copy-group" in refused.content.decode()
    assert kept(uploads) == []
    taken = send(label="Taken")
    assert taken.status_code == 302, taken.context["errors"]
    assert len(kept(uploads)) == 1
    assert Image.objects.get().label == "Taken"


def test_adding_many_says_so_beside_the_file(
    admin_client: Client, uploads: Path, full_disk: pytest.MonkeyPatch
) -> None:
    answer = admin_client.post(
        "/admin/images/image/add-many/one/", {"file": SimpleUploadedFile("a.png", PNG, "image/png")}
    )
    assert (answer.status_code, answer.json()) == (400, {"error": NO_ROOM})
    assert not Image.objects.exists()
    assert kept(uploads) == []
    full_disk.undo()
    again = admin_client.post(
        "/admin/images/image/add-many/one/", {"file": SimpleUploadedFile("a.png", PNG, "image/png")}
    )
    assert again.status_code == 200


@dataclass
class FullFolder:
    """A temporary folder in which no file can be made, or files whose device has no room for what is written."""

    folder: Path
    patch: pytest.MonkeyPatch


@pytest.fixture(name="folder", params=["no file can be made", "nothing can be written"])
def fixture_folder(request: Any, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> FullFolder:
    class Temporary(TemporaryUploadedFile):
        def __init__(self, *args: Any) -> None:
            if request.param == "no file can be made":
                raise OSError(errno.ENOSPC, "No space left on device")
            super().__init__(*args)
            inner: Any = self.file
            with Path("/dev/full").open("r+b", buffering=0) as full:
                os.dup2(full.fileno(), inner.fileno())

    folder = tmp_path / "temporary"
    folder.mkdir()
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    monkeypatch.setattr(uploadhandler, "TemporaryUploadedFile", Temporary)
    return FullFolder(folder, monkeypatch)


@pytest.mark.parametrize("rows", [1, 3000], ids=["found at the end", "found while it arrives"])
@pytest.mark.parametrize(
    ("language", "words"), [("en", NO_ROOM), ("de", "Auf dem Server ist kein Platz mehr für diese Datei.")]
)
def test_a_batch_onto_a_full_temporary_folder_is_refused_at_the_field(
    admin_client: Client, uploads: Path, folder: FullFolder, language: str, words: str, rows: int
) -> None:
    text = "\n".join(["identifier,source", *(f"i{n},http://images.example/{n}.png" for n in range(rows))]).encode()

    def send() -> Any:
        fields = {"file": SimpleUploadedFile("rows.csv", text, "text/csv"), "label": "spring", "check": "1"}
        return admin_client.post("/admin/images/batch/add/", fields, headers={"accept-language": language})

    answer = send()
    page = answer.content.decode()
    assert answer.status_code == 400
    assert f'<ul class="errorlist" id="id_file_error"><li>{words}</li></ul>' in page
    assert 'value="spring"' in page
    assert not Batch.objects.exists()
    assert kept(folder.folder) == []
    folder.patch.undo()
    again = send()
    assert "id_file_error" not in again.content.decode()
    assert again.status_code == 200


def test_an_image_onto_a_full_temporary_folder_is_refused_at_the_field(
    admin_client: Client, uploads: Path, folder: FullFolder
) -> None:
    fields = {"identifier": "plate", "label": "A plate", "metadata": "[]", "information": "{}"}

    def send() -> Any:
        return admin_client.post(
            "/admin/images/image/add/", {"upload": SimpleUploadedFile("a.png", PNG, "image/png"), **fields}
        )

    page = send().content.decode()
    assert NO_ROOM in page
    assert 'value="A plate"' in page
    assert kept(uploads) == kept(folder.folder) == []
    many = admin_client.post(
        "/admin/images/image/add-many/one/", {"file": SimpleUploadedFile("a.png", PNG, "image/png")}
    )
    assert (many.status_code, many.json()) == (400, {"error": NO_ROOM})
    assert not Image.objects.exists()
    folder.patch.undo()
    assert send().status_code == 302
    assert len(kept(uploads)) == 1


@pytest.mark.parametrize("content_type", ["text/csv", "application/json"])
def test_a_batch_by_rest_needs_no_temporary_folder(
    admin_user: Any, uploads: Path, folder: FullFolder, content_type: str
) -> None:
    row = {"identifier": "i1", "source": "http://images.example/1.png"}
    bodies = {
        "text/csv": "identifier,source\n" + "\n".join(f"i{n},http://images.example/{n}.png" for n in range(3000)),
        "application/json": json.dumps({"rows": [{**row, "identifier": f"i{n}"} for n in range(3000)]}),
    }
    token = token_create("test", admin_user, ("write",)).secret
    answer = Client().post(
        "/api/v1/batches/?dry_run=1",
        bodies[content_type],
        content_type=content_type,
        headers={"authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, answer.json()["total"]) == (200, 3000)


def answer_to(error: Exception, request: HttpRequest) -> Any:
    """As Django asks for it: while it handles the exception."""
    view = get_resolver().resolve_error_handler(500)
    try:
        raise error
    except type(error):
        return view(request)


@pytest.mark.parametrize("path", ["/api/v1/batches/", "/admin/images/batch/add/", "/iiif/3/a/info.json"])
def test_a_full_disk_that_no_view_expects_is_told_as_what_it_is(path: str) -> None:
    request = RequestFactory().post(path)
    with translation.override("de"):
        answer = answer_to(OSError(errno.EDQUOT, "Disk quota exceeded"), request)
    if path.startswith("/iiif/"):
        assert answer.status_code == 500  # nothing is stored for those: it is ours to see to
        return
    assert answer.status_code == 507
    assert answer["Cache-Control"] == "no-store"
    if path.startswith("/api/"):
        assert answer["Content-Type"] == "application/problem+json"
        assert json.loads(answer.content)["code"] == "no_space"
    else:
        assert "Auf dem Server ist kein Platz mehr" in answer.content.decode()
        assert '<html lang="de">' in answer.content.decode()


def test_a_database_that_is_down_outside_of_a_view_is_a_problem_to_the_api() -> None:
    answer = answer_to(OperationalError(), RequestFactory().get("/api/v1/batches/"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert json.loads(answer.content)["code"] == "database"
