"""Every address of the admin: nobody without a session of staff, nothing by POST without the form's token."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from images.services.roles import ROLES, roles_ensure

pytestmark = pytest.mark.django_db

_UUID = "9e1d4b2a-5c1e-4b0e-8a3e-000000000001"
_VALUES = {"uuid": _UUID, "int": "1", "path": "1", "slug": "a", "str": "a"}
_FOR_ALL = frozenset({"/admin/login/", "/admin/logout/", "/admin/jsi18n/"})
"""Which hold nothing of the server's. The form for a password asks who is there by itself."""


def _patterns(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, path)
        else:
            yield re.sub(r"<(?:(\w+):)?\w+>", lambda found: _VALUES.get(found[1] or "str", "a"), path)


def _addresses() -> list[str]:
    """Those that are reversible paths; what Django writes as expressions are `catch all` and lists of apps."""
    found = {path for path in _patterns(get_resolver().url_patterns) if path.startswith("/admin/")}
    plain = {path for path in found if not re.search(r"[(?$\\]", path)}
    return sorted(plain - _FOR_ALL)


ADDRESSES = _addresses()


def test_the_addresses_are_found() -> None:
    assert {"/admin/", "/admin/system/", "/admin/cache/", "/admin/cache/purge/"} <= set(ADDRESSES)
    assert "/admin/images/image/1/check/" in ADDRESSES
    assert f"/admin/images/batch/{_UUID}/undo/" in ADDRESSES
    assert len(ADDRESSES) > 60


@pytest.mark.parametrize("kind", ["anonymous", "inactive", "Administrator without staff"])
def test_only_staff_comes_in(kind: str) -> None:
    client = Client()
    if kind != "anonymous":
        user = get_user_model().objects.create_superuser("person", is_active=kind != "inactive")
        user.is_staff = False
        user.save()
        client.force_login(user)
    for path in ADDRESSES:
        for response in (client.get(path), client.post(path)):
            where = response.headers.get("Location", "")
            assert (response.status_code, where.partition("?")[0]) == (302, "/admin/login/"), path


def test_no_post_without_the_token_of_the_form() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.create_superuser("admin"))
    assert {path: status for path in ADDRESSES if (status := client.post(path).status_code) != 403} == {}


def test_staff_without_rights_sees_lists_of_nothing() -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("nobody", is_staff=True))
    mine = re.compile(r"/admin/(?:images|caching|auth|django_celery_beat|cache|system)/.+")
    opened = [path for path in ADDRESSES if mine.fullmatch(path) and client.get(path).status_code == 200]
    assert opened == []


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_not_add_it_does_not_see(role: str) -> None:
    from django.contrib.auth.models import Group

    roles_ensure()
    user = get_user_model().objects.create_user("person", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    for model in ("image", "collection", "profile", "store"):
        statuses = [client.get(f"/admin/images/{model}/{page}").status_code for page in ("", "add/")]
        may = [user.has_perm(f"images.{verb}_{model}") for verb in ("view", "add")]
        if model == "store":
            may[1] = False  # where files lie is said in the admin by superusers only
        assert statuses == [200 if each else 403 for each in may], model
    assert client.get("/admin/auth/user/").status_code == (200 if user.has_perm("auth.view_user") else 403)


def test_no_page_can_be_framed() -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("admin"))
    for path in ("/admin/", "/admin/images/image/", "/admin/system/", "/admin/login/?next=//evil.example", "/"):
        response = client.get(path)
        assert response["X-Frame-Options"] == "DENY", path
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"], path
        assert response["X-Content-Type-Options"] == "nosniff", path
        assert "evil" not in response.headers.get("Location", ""), path


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_no_form_leads_to_other_sites(target: str) -> None:
    client = Client()
    get_user_model().objects.create_superuser("admin", password="a long password")
    for path, form in (
        ("/language", {"language": "de"}),
        ("/admin/login/", {"username": "admin", "password": "a long password"}),
    ):
        response = client.post(path, {**form, "next": target})
        assert response.status_code == 302
        assert "evil" not in response["Location"]
        assert "javascript" not in response["Location"]


_SEARCHED = sorted(
    f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    for model, of_model in site._registry.items()
    if of_model.search_fields
)


def test_lists_that_are_searched_are_found() -> None:
    assert {"/admin/images/image/", "/admin/auth/user/", "/admin/django_celery_beat/periodictask/"} <= set(_SEARCHED)


@pytest.mark.parametrize("address", _SEARCHED)
def test_a_search_that_is_too_long_is_said_to_be_and_none_for_the_database_to_refuse(
    admin_client: Client, address: str
) -> None:
    answer = admin_client.get(address, {"q": "a " * 1500})
    assert answer.status_code == 200
    assert "at most 500 characters" in answer.content.decode()
    answer = admin_client.get(address, {"q": "a " * 250})
    assert answer.status_code == 200
    assert "at most 500 characters" not in answer.content.decode()
