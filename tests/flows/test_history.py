"""What the page of an image tells of its past, whoever changed it and by which way, and what can be done there."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from images.models import Image, ImageState, TokenScope
from images.services.bulk_actions import bulk_action_create
from images.services.job_running import job_run
from images.services.tokens import token_create
from tests.flows.conftest import Ingest

pytestmark = pytest.mark.django_db


@pytest.fixture(name="erna")
def fixture_erna() -> Any:
    return get_user_model().objects.create_superuser("erna", password="secret")


def change_page(client: Client, image: Image) -> str:
    return client.get(reverse("admin:images_image_change", args=[image.pk])).content.decode()


def rest(user: Any, method: str, path: str, data: str = "") -> Any:
    secret = token_create("script", user, [TokenScope.ADMIN]).secret
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    return client.generic(method, f"/api/v1/images/{path}", data, "application/json")


def notes(image: Image) -> list[tuple[str, str]]:
    entries = LogEntry.objects.filter(object_id=str(image.pk)).order_by("pk")
    return [(entry.user.get_username(), entry.get_change_message()) for entry in entries]


def test_changes_by_rest_are_told_with_who_made_them(admin_client: Client, erna: Any, picture: Image) -> None:
    assert rest(erna, "PATCH", "picture/", '{"label": "A map", "max_width": 300}').status_code == 200
    assert rest(erna, "PATCH", "picture/", '{"label": "A map"}').status_code == 200
    assert rest(erna, "POST", "picture/refresh/").status_code == 202
    assert notes(picture) == [("erna", "Changed Label and Maximum width."), ("erna", "refresh")]
    page = change_page(admin_client, picture)
    assert "Changed Label and Maximum width. (erna)" in page
    assert "Look whether the source has changed (erna)" in page


def test_a_deletion_is_told_with_who_made_it(erna: Any, picture: Image) -> None:
    assert rest(erna, "DELETE", "picture/").status_code == 204
    entry = LogEntry.objects.get(object_id=str(picture.pk))
    assert (entry.user, entry.is_deletion(), entry.object_repr) == (erna, True, "picture")


def test_what_is_refused_is_not_told(erna: Any, picture: Image) -> None:
    assert rest(erna, "PATCH", "picture/", '{"max_width": -1}').status_code == 400
    assert notes(picture) == []


def test_jobs_are_told_of_each_image(erna: Any, picture: Image) -> None:
    job_run(bulk_action_create("purge", [picture.pk], user=erna).pk)
    job_run(bulk_action_create("move", [picture.pk], {"collection": None}, user=erna).pk)
    job_run(bulk_action_create("purge", [picture.pk]).pk)
    assert notes(picture) == [("erna", "purge"), ("erna", "Changed Collection.")]


def test_an_image_that_failed_is_tried_again_from_its_page(admin_client: Client, ingest: Ingest) -> None:
    image = ingest(b"Dear colleague, this is no picture.", "letter.png", "letter")
    assert image.state == ImageState.FAILED
    page = change_page(admin_client, image)
    assert "Try again" in page
    assert "What happened" in page
    address = reverse("admin:images_image_reingest", args=[image.pk])
    assert admin_client.get(address).status_code == 405
    assert admin_client.post(address, follow=True).redirect_chain == [
        (reverse("admin:images_image_change", args=[image.pk]), 302)
    ]
    image.refresh_from_db()
    assert (image.state, image.error_detail) == (ImageState.PENDING, "")
    assert notes(image) == [("admin", "reingest")]
    assert "Read the source again (admin)" in change_page(admin_client, image)


def test_who_may_only_look_cannot_have_it_read_again(client: Client, picture: Image) -> None:
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_image"))
    client.force_login(user)
    assert "Read the source again" not in change_page(client, picture)
    assert client.post(reverse("admin:images_image_reingest", args=[picture.pk])).status_code == 403
    assert notes(picture) == []


def test_the_cost_of_a_tile_is_told(admin_client: Client, picture: Image) -> None:
    page = change_page(admin_client, picture)
    assert "A tile from the middle" in page
    cost = page.partition("A tile from the middle")[2].partition("</tr>")[0]
    assert "pixels, about" in cost
    assert "MiB" in cost


def test_what_the_caches_hold_of_the_image_is_told(admin_client: Client, picture: Image) -> None:
    run = bulk_action_create("purge", [picture.pk])
    job_run(run.pk)
    assert "nothing" in change_page(admin_client, picture).partition("In the cache")[2].partition("</tr>")[0]
    assert admin_client.get("/iiif/3/picture/full/100,/0/default.png").status_code == 200
    told = change_page(admin_client, picture).partition("In the cache")[2].partition("</tr>")[0]
    assert "in 1 file" in told
