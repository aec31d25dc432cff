from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from images.models import Store

pytestmark = pytest.mark.django_db


def test_what_runs_here_and_how_it_is(admin_client: Client, settings: Any, tmp_path: Path) -> None:
    Store.objects.create(name="scans", kind="filesystem", root=str(tmp_path))
    settings.DECODE_ISOLATION = "thread"
    text = admin_client.get("/admin/system/").content.decode()
    for expected in ("libvips", "OpenJPEG", "Broker", "✓ ok", "scans", "Free files".lower(), "Tasks that wait"):
        assert expected in text
    assert "Decoding runs inside the web process" in text
    assert "Set DECODE_ISOLATION=pool" in text


def test_a_part_that_fails_is_shown_and_the_page_stays(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError

    monkeypatch.setitem(__import__("iiifserver.health", fromlist=["_CHECKS"])._CHECKS, "cache", fail)
    text = admin_client.get("/admin/system/").content.decode()
    assert "✗ failed: OSError" in text


def test_only_for_those_who_may_see_stores(client: Client) -> None:
    assert client.get("/admin/system/").status_code == 302
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    client.force_login(user)
    assert client.get("/admin/system/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_store"))
    assert client.get("/admin/system/").status_code == 200


def test_the_first_page_of_the_admin_leads_there(admin_client: Client) -> None:
    assert 'href="/admin/system/"' in admin_client.get("/admin/").content.decode()
