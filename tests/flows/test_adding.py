"""What the page for adding many images sends, also in the hands of those who mean no good."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from images.conf import conf
from images.models import Collection, Image, Store
from tests.flows.conftest import gradient, png_bytes

pytestmark = pytest.mark.django_db
ONE = "/admin/images/image/add-many/one/"


def png(name: str = "map.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, png_bytes(gradient(40, 30)), content_type="image/png")


def uploads() -> list[Path]:
    return [path for path in conf.upload_dir.iterdir() if path.is_file()] if conf.upload_dir.is_dir() else []


@pytest.fixture(autouse=True)
def fixture_own_uploads(settings: Any, tmp_path: Path) -> None:
    settings.IIIF_DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "uploads"


def test_a_file_becomes_an_image_of_its_name_in_the_collection(admin_client: Client) -> None:
    maps = Collection.objects.create(name="maps")
    answer = admin_client.post(ONE, {"file": png(), "beginning": "maps/", "collection": maps.pk})
    assert (answer.status_code, answer.json()["identifier"], answer.json()["is_new"]) == (200, "maps/map.png", True)
    image = Image.objects.get()
    assert (image.collection, image.state) == (maps, "pending")
    assert [path.name for path in uploads()] == [image.key]


def test_a_taken_identifier_is_refused_and_leaves_nothing(admin_client: Client) -> None:
    admin_client.post(ONE, {"file": png()})
    answer = admin_client.post(ONE, {"file": png()})
    assert answer.status_code == 400
    assert "taken by another source" in answer.json()["error"]
    assert len(uploads()) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "Send a file"),
        ({"url": "nonsense"}, "Enter a valid URL"),
        ({"url": "file:///etc/passwd"}, "Enter a valid URL"),
        ({"url": "https://example.org/a.jpg", "collection": "77"}, "valid choice"),
        ({"url": "https://example.org/..%2f..%2fpasswd", "beginning": "../"}, "segment"),
        ({"store": "1", "key": "x.png"}, "valid choice"),
    ],
)
def test_what_cannot_be_added_says_why(admin_client: Client, fields: dict[str, str], reason: str) -> None:
    answer = admin_client.post(ONE, fields)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    "name", ["../../../etc/cron.d/x.png", "<script>alert(1)</script>.png", "a\\b.png", "ü" * 120 + ".png"]
)
def test_hostile_names_stay_names(admin_client: Client, name: str) -> None:
    answer = admin_client.post(ONE, {"file": png(name)})
    assert answer.status_code in (200, 400)
    for path in uploads():
        assert path.parent == conf.upload_dir
        assert path.stem.isalnum()
    page = admin_client.get("/admin/images/image/").content.decode()
    assert "<script>alert" not in page


def test_a_store_is_listed_page_by_page_with_what_is_known(admin_client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png_bytes(gradient(10, 10)))
    store = Store.objects.create(name="scans", kind="filesystem", root=str(folder))
    admin_client.post(ONE, {"store": store.pk, "key": "1.png"})
    listed = admin_client.get("/admin/images/image/add-many/store.json", {"store": store.pk}).json()
    assert [(source["key"], source["is_known"]) for source in listed["sources"]] == [
        ("0.png", False),
        ("1.png", True),
        ("2.png", False),
    ]
    for prefix in ("..", "/etc", "a\x00b"):
        answer = admin_client.get("/admin/images/image/add-many/store.json", {"store": store.pk, "prefix": prefix})
        assert answer.status_code in (200, 400)
        assert not answer.json().get("sources")
    assert admin_client.get("/admin/images/image/add-many/store.json", {"store": "9999"}).status_code == 400


def test_only_who_may_add(client: Client) -> None:
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_image"))
    client.force_login(user)
    for path in ("/admin/images/image/add-many/", "/admin/images/image/add-many/store.json"):
        assert client.get(path).status_code == 403
    assert client.post(ONE, {"file": png()}).status_code == 403
    assert not Image.objects.exists()
    assert Client(enforce_csrf_checks=True).post(ONE, {"file": png()}).status_code in (302, 403)
