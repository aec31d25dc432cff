"""Who may do what: every route for every kind of caller."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.utils import timezone

from images.models import ApiToken, Batch, Collection, Image, Job, Profile, Store
from images.services.roles import ROLES, roles_ensure
from images.services.tokens import token_create, token_find, token_note_use
from tests.images.api.conftest import Caller, MakeCaller, make_collection, make_image, make_user

pytestmark = pytest.mark.django_db

CALLERS = (
    "anonymous",
    "expired",
    "revoked",
    "inactive",
    "Nobody",
    "Viewer",
    "Curator",
    "Administrator",
    "read",
    "write",
    "purge",
    "admin",
    "curator admin",
    "other collection",
)
"""Sessions by role; tokens of an administrator by scope; a curator's with all scopes; one of too narrow a reach."""

READ = "Viewer Curator Administrator read write admin curator_admin"
WRITE = "Curator Administrator write admin curator_admin"
ADMIN = "Administrator admin"
PURGE = "Administrator purge admin"
HERE = "other_collection"

BATCH = "9e1d4b2a-5c1e-4b0e-8a3e-000000000001"

ROUTES: dict[tuple[str, str], tuple[str, int]] = {
    ("GET", ""): ("*", 200),
    ("GET", "schema/"): ("*", 200),
    ("GET", "docs/"): ("*", 200),
    ("GET", "images/"): (f"{READ} {HERE}", 200),
    ("POST", "images/"): (f"{WRITE} {HERE}", 400),
    ("GET", "images/a/"): (READ, 200),
    ("PUT", "images/a/"): (WRITE, 400),
    ("PATCH", "images/a/"): (WRITE, 200),
    ("DELETE", "images/a/"): (WRITE, 204),
    ("POST", "images/a/refresh/"): (WRITE, 202),
    ("POST", "images/a/reingest/"): (WRITE, 202),
    ("POST", "images/a/restore/"): (WRITE, 409),
    ("POST", "images/a/seed/"): (WRITE, 202),
    ("POST", "images/a/invalidate/"): (PURGE, 200),
    ("GET", "batches/"): (f"{READ} {HERE}", 200),
    ("POST", "batches/"): (f"{WRITE} {HERE}", 400),
    ("GET", f"batches/{BATCH}/"): (READ, 200),
    ("GET", f"batches/{BATCH}/rows/"): (READ, 200),
    ("GET", f"batches/{BATCH}/errors/"): (READ, 200),
    ("POST", f"batches/{BATCH}/retry/"): (WRITE, 202),
    ("POST", f"batches/{BATCH}/cancel/"): (WRITE, 202),
    ("POST", f"batches/{BATCH}/undo/"): (WRITE, 202),
    ("GET", "cache/"): (READ, 200),
    ("POST", "cache/purge/"): (f"{PURGE} {HERE}", 400),
    ("GET", "cache/purge/7/"): (PURGE, 200),
    ("GET", "profiles/"): (f"{READ} {HERE}", 200),
    ("POST", "profiles/"): (ADMIN, 400),
    ("GET", "profiles/p/"): (f"{READ} {HERE}", 200),
    ("PUT", "profiles/p/"): (ADMIN, 400),
    ("PATCH", "profiles/p/"): (ADMIN, 200),
    ("DELETE", "profiles/p/"): (ADMIN, 204),
    ("GET", "collections/"): (f"{READ} {HERE}", 200),
    ("POST", "collections/"): (WRITE, 400),
    ("GET", "collections/c/"): (READ, 200),
    ("PUT", "collections/c/"): (WRITE, 400),
    ("PATCH", "collections/c/"): (WRITE, 200),
    ("DELETE", "collections/c/"): (WRITE, 204),
    ("GET", "stores/"): (f"{READ} {HERE}", 200),
    ("POST", "stores/"): (ADMIN, 400),
    ("GET", "stores/s/"): (f"{READ} {HERE}", 200),
    ("PUT", "stores/s/"): (ADMIN, 400),
    ("PATCH", "stores/s/"): (ADMIN, 200),
    ("DELETE", "stores/s/"): (ADMIN, 204),
    ("POST", "stores/s/test/"): (ADMIN, 200),
    ("GET", "stores/s/objects/"): (WRITE, 200),
}
"""Method and path: who may, and what an empty body is answered then. Others get 401, 403 or 404."""


HIDDEN = {
    path for _method, path in ROUTES if path.startswith(("images/a/", "collections/c/", "batches/9", "cache/purge/7"))
}
"""What a token for another collection doesn't even see."""

WHOLE = {("DELETE", "collections/c/")}
"""What no token that is limited to collections may do, wherever."""


@pytest.fixture
def image(store: Store) -> Image:
    make_collection("c")
    Profile.objects.create(name="p")
    Job.objects.create(pk=7, kind="purge", state_changed=timezone.now())
    Batch.objects.create(id=BATCH, created=timezone.now(), state_changed=timezone.now())
    Store.objects.create(name="s", root=str(store.root))
    return make_image(store, "a")


@pytest.fixture
def no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.api.image_actions.enqueue", lambda *_arguments: None)


def make_caller(kind: str, as_token: MakeCaller) -> Caller:
    if kind == "anonymous":
        return Caller(Client(), {})
    if kind in {"Nobody", *ROLES}:
        client = Client()
        client.force_login(make_user("person", kind if kind in ROLES else ""))
        return Caller(client, {})
    if kind == "curator admin":
        return as_token("admin", role="Curator")
    if kind == "other collection":
        return as_token("admin", collections=[make_collection("other")])
    if kind == "expired":
        return as_token("admin", expires=timezone.now() - timedelta(seconds=1))
    if kind in {"revoked", "inactive"}:
        caller = as_token("admin")
        if kind == "revoked":
            ApiToken.objects.update(revoked=timezone.now())
        else:
            user = ApiToken.objects.get().user
            user.is_active = False
            user.save()
        return caller
    return as_token(kind)


@pytest.mark.usefixtures("image", "no_tasks")
@pytest.mark.parametrize("kind", CALLERS)
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_route_for_every_caller(route: tuple[str, str], kind: str, as_token: MakeCaller) -> None:
    allowed, answer = ROUTES[route]
    method, path = route
    before = ApiToken.objects.count()
    caller = make_caller(kind, as_token)
    response = caller(method, path, {} if method in {"POST", "PUT", "PATCH"} else None)
    if kind.replace(" ", "_") in allowed.split() or (allowed == "*" and kind not in {"expired", "revoked", "inactive"}):
        assert response.status_code == answer, response.content
        return
    unauthenticated = kind in {"anonymous", "expired", "revoked", "inactive"}
    hidden = kind == "other collection" and path in HIDDEN and (method, path) not in WHOLE
    missing = 400 if (method, path) == ("PUT", "images/a/") else 404  # what cannot become a record is refused first
    assert response.status_code == (401 if unauthenticated else missing if hidden else 403), response.content
    assert response["Content-Type"] == "application/problem+json"
    assert ("WWW-Authenticate" in response) == unauthenticated
    assert Image.objects.filter(identifier="a").exists()
    assert before == 0


def test_the_table_names_every_route() -> None:
    """A new address cannot be forgotten in it."""
    api = next(p for p in get_resolver().url_patterns if str(p.pattern) == "api/v1/")
    routes = {re.sub(r"<[^>]+>", "a", str(pattern.pattern)) for pattern in api.url_patterns}  # type: ignore[union-attr]
    assert routes - {"^"} == {re.sub(rf"/([acsp7]|{BATCH})/", "/a/", path) for _method, path in ROUTES}


def test_a_session_needs_the_csrf_header(roles: None, image: Image) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("person", "Curator"))
    caller = Caller(client, {})
    assert caller("GET", "images/a/").status_code == 200
    assert caller("PATCH", "images/a/", {"label": "x"}).status_code == 403
    secret = _get_new_csrf_string()
    client.cookies["csrftoken"] = secret
    assert caller.upload("images/", csrfmiddlewaretoken=secret, identifier="b").status_code == 403
    answer = caller("PATCH", "images/a/", {"label": "x"}, headers={"X-CSRFToken": secret})
    assert answer.status_code == 200
    assert not Image.objects.filter(identifier="b").exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_an_unknown_address_is_a_problem_for_every_method(method: str) -> None:
    client = Client(enforce_csrf_checks=True)
    response = Caller(client, {})(method, "batches/none/undo/", {})
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["Basic {}", "{}", "Bearer", "Bearer x{}", "Bearer {}x", "bearer\t{}", "Digest {}"])
def test_only_the_exact_token_counts(as_token: MakeCaller, image: Image, header: str) -> None:
    secret = as_token("read").headers["Authorization"].removeprefix("Bearer ")
    response = Client().get("/api/v1/images/a/", headers={"Authorization": header.format(secret)})
    assert response.status_code == 401
    assert Client().get(f"/api/v1/images/a/?token={secret}&access_token={secret}").status_code == 401
    for scheme in ("Bearer", "Token", "bearer"):
        accepted = Client().get("/api/v1/images/a/", headers={"Authorization": f"{scheme} {secret}"})
        assert accepted.status_code == 200


def test_no_secret_is_kept_or_shown(as_token: MakeCaller) -> None:
    secret = as_token("read").headers["Authorization"].removeprefix("Bearer ")
    token = ApiToken.objects.get()
    values = [str(getattr(token, field.attname)) for field in ApiToken._meta.concrete_fields]
    assert not any(secret in value for value in values)
    assert secret.startswith(token.prefix)
    assert len(secret) >= len(token.prefix) + 32


def test_use_is_noted_once_a_minute(as_token: MakeCaller, image: Image) -> None:
    caller = as_token("read")
    caller("GET", "images/a/")
    first = ApiToken.objects.get().last_used
    assert first is not None
    with CaptureQueriesContext(connection) as captured:
        caller("GET", "images/a/")
    assert not [query for query in captured if query["sql"].startswith("UPDATE")]
    assert ApiToken.objects.get().last_used == first
    ApiToken.objects.update(last_used=first - timedelta(minutes=2))
    token_note_use(ApiToken.objects.get())
    assert ApiToken.objects.filter(last_used__gte=first).exists()


class TestCollections:
    """A token that is limited to collections."""

    @pytest.fixture
    def plates(self, store: Store) -> Collection:
        plates = make_collection("plates")
        make_image(store, "mine", collection=plates)
        make_image(store, "other", collection=make_collection("maps"))
        make_image(store, "none")
        return plates

    @pytest.fixture
    def caller(self, as_token: MakeCaller, plates: Collection) -> Caller:
        return as_token("admin", collections=[plates])

    def test_sees_only_those(self, caller: Caller) -> None:
        assert [each["identifier"] for each in caller("GET", "images/").json()["results"]] == ["mine"]
        assert caller("GET", "images/?collection=maps").json()["results"] == []
        assert caller("GET", "images/none/").status_code == 404

    def test_cannot_register_elsewhere_or_move(self, caller: Caller, store: Store) -> None:
        new: dict[str, Any] = {"identifier": "new", "source": {"store": store.name, "key": "new.tif"}}
        for collection in ({}, {"collection": None}, {"collection": "maps"}):
            response = caller("POST", "images/", {**new, **collection})
            assert response.json()["errors"][0]["field"] == "collection", response.content
        assert caller("PATCH", "images/mine/", {"collection": "maps"}).status_code == 400
        assert caller("PATCH", "images/mine/", {"collection": None}).status_code == 400
        assert caller("PATCH", "images/mine/", {"label": "x"}).status_code == 200

    def test_learns_nothing_of_others_by_registering_them(self, caller: Caller, store: Store) -> None:
        same = {"source": {"store": store.name, "key": "other.tif"}, "collection": "plates"}
        for response in (
            caller("POST", "images/", {"identifier": "other", **same}),
            caller("PUT", "images/other/", same),
        ):
            assert response.status_code == 409
            assert "maps" not in response.content.decode()
        assert Image.objects.get(identifier="other").collection.name == "maps"  # type: ignore[union-attr]

    def test_reaches_nothing_when_its_collection_is_gone(self, caller: Caller, plates: Collection) -> None:
        plates.delete()
        assert caller("GET", "images/").json()["results"] == []


def test_roles_are_made_once_and_never_narrowed(roles: None) -> None:
    own = Permission.objects.get(codename="add_user")
    curators = Group.objects.get(name="Curator")
    curators.permissions.add(own)
    before = set(curators.permissions.values_list("codename", flat=True))
    with CaptureQueriesContext(connection) as captured:
        roles_ensure()
    assert not [query for query in captured if query["sql"].startswith("INSERT")]
    assert set(curators.permissions.values_list("codename", flat=True)) == before
    assert "purge_cache" not in before
    assert not {f"{verb}_store" for verb in ("add", "change", "delete")} & before
    viewers = Group.objects.get(name="Viewer").permissions.values_list("codename", flat=True)
    assert all(code.startswith("view_") for code in viewers)


def test_the_command_prints_the_secret(roles: None, capsys: pytest.CaptureFixture[str]) -> None:
    make_user("anna")
    make_collection("plates")
    call_command("create_token", "robot", "--user", "anna", "--scope", "write", "--collection", "plates")
    token = token_find(capsys.readouterr().out.strip())
    assert token is not None
    assert (token.name, token.user.username, token.scopes, token.limited) == ("robot", "anna", ["write"], True)
    for wrong in (
        ["--user", "nobody"],
        ["--user", "anna", "--collection", "x"],
        ["--user", "anna", "--expires-days", "0"],
    ):
        with pytest.raises(CommandError):
            call_command("create_token", "robot", *wrong)


def test_the_admin_shows_a_new_token_once(roles: None) -> None:
    client = Client()
    anna, other = make_user("anna", "Curator"), make_user("other", "Administrator")
    anna.is_staff = True
    anna.save()
    client.force_login(anna)
    form = {"name": "robot", "scopes": ["read", "write"], "user": other.pk, "expires_0": "", "expires_1": ""}
    response = client.post("/admin/images/apitoken/add/", form)
    assert response.status_code == 200
    token = ApiToken.objects.get()
    assert token.user == anna
    page = response.content.decode()
    secret = next(word.strip('">') for word in page.replace('"', " ").split() if word.startswith("iiif_"))
    assert token_find(secret) == token
    assert "no-store" in response["Cache-Control"]
    for path in ("", f"{token.pk}/change/"):
        assert secret not in client.get(f"/admin/images/apitoken/{path}").content.decode()
    theirs = token_create("theirs", other, ["admin"]).token
    assert client.get(f"/admin/images/apitoken/{theirs.pk}/change/").status_code == 302
    client.post("/admin/images/apitoken/", {"action": "revoke_selected", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert not token.is_valid


def test_who_asks_too_often_waits(as_token: MakeCaller, image: Image, settings: Any) -> None:
    settings.IIIF_API_RATES = {"anonymous": "1/min", "read": "2/min", "write": "1/min"}
    caller, other = as_token("write"), as_token("write")
    statuses = [caller("GET", "images/a/").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = caller("GET", "images/a/")
    assert int(refused["Retry-After"]) > 0
    assert refused["Content-Type"] == "application/problem+json"
    assert other("GET", "images/a/").status_code == 200
    assert caller("PATCH", "images/a/", {}).status_code == 200


def test_a_cache_that_is_away_lets_everybody_in(as_token: MakeCaller, image: Image, settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
            "OPTIONS": {"socket_timeout": 0.1, "socket_connect_timeout": 0.1},
        }
    }
    assert as_token("read")("GET", "images/a/").status_code == 200


def test_nothing_of_it_may_be_used_by_other_sites(as_token: MakeCaller, image: Image) -> None:
    response = as_token("read")("GET", "images/a/", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert response["Cache-Control"] == "private, no-cache"
    assert response["X-Content-Type-Options"] == "nosniff"
