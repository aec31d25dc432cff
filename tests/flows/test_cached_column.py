"""What the caches hold of each image of the admin's list, asked for when the list is there."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from caching.derivatives import DerivativeCache
from caching.errors import CacheUnavailableError
from images.admin import cached
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/admin/images/image/cached.json"


def asked(client: Client, images: str) -> Any:
    answer = client.get(ADDRESS, {"images": images})
    assert answer.status_code == 200
    return answer.json()["cached"]


def test_the_column_is_what_the_cache_holds(admin_client: Client, ingest: Ingest) -> None:
    image = ingest(png_bytes(gradient(600, 400)), "a.png", "picture")
    other = ingest(png_bytes(gradient(60, 40)), "b.png", "other")
    admin_client.post("/admin/cache/purge/", {"scope": "image", "name": "other"})
    admin_client.get("/iiif/3/picture/full/300,/0/default.jpg").getvalue()
    shown = asked(admin_client, f"{image.pk},{other.pk},999999,x,-1,{2**70}")
    assert set(shown) == {str(image.pk), str(other.pk)}
    assert shown[str(image.pk)].endswith("KB")
    assert f'data-cached="{image.pk}"' in admin_client.get("/admin/images/image/").content.decode()
    assert asked(admin_client, "") == {}


def test_the_rest_is_asked_for_again(admin_client: Client, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [ingest(png_bytes(gradient(60, 40)), f"{name}.png", name) for name in ("a", "b", "c")]
    monkeypatch.setattr(cached, "_SECONDS", 0.0)
    left = [str(image.pk) for image in images]
    for _ in images:
        (key,) = asked(admin_client, ",".join(left))
        left.remove(key)
    assert left == []


def test_a_cache_that_does_not_answer_is_said(
    admin_client: Client, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ingest(png_bytes(gradient(60, 40)), "a.png", "a")

    def refuse(*_arguments: object, **_more: object) -> None:
        raise CacheUnavailableError("gone")

    monkeypatch.setattr(DerivativeCache, "discard_image", refuse)
    assert asked(admin_client, str(image.pk)) == {str(image.pk): ""}


def test_only_for_who_may_see_images(client: Client) -> None:
    reader = get_user_model().objects.create_user("reader", is_staff=True)
    client.force_login(reader)
    assert client.get(ADDRESS).status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="view_image"))
    assert client.get(ADDRESS).status_code == 200
