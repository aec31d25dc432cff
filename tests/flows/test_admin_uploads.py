"""An upload in the admin that the server has no room for: it is said at the field, nothing is left, nothing is lost."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from images.models import Image
from images.services import registration
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
