"""The cache page says what was counted, and empties caches for those who may: tried out first, confirmed, as a job."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from caching.counters import Counters
from caching.derivatives import get_derivative_cache
from caching.history import list_periods
from caching.models import CacheSnapshot
from caching.snapshots import Growth, snapshot_take
from caching.traffic import Traffic
from images.models import Collection, Image, Job
from images.services.job_running import job_run
from images.services.roles import ADMINISTRATOR, CURATOR, VIEWER
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = pytest.mark.django_db

PAGE, PURGE = "/admin/cache/", "/admin/cache/purge/"
WIDTH = 600


@pytest.fixture
def counters(tmp_path: Path, settings: Any) -> Any:
    settings.IIIF_STATISTICS_DIR = tmp_path / "statistics"
    counters = Counters(tmp_path / "statistics")
    yield counters
    counters.let_go()


@pytest.fixture
def kept(tmp_path: Path, settings: Any, ingest: Ingest, client: Client) -> Image:
    """An image of the collection `maps`, of which a tile is kept."""
    options = {"root": tmp_path / "derivatives"}
    settings.IIIF_DERIVATIVE_CACHE_BACKEND = {"BACKEND": "caching.backends.disk.DiskBackend", "OPTIONS": options}
    collection = Collection.objects.create(name="maps")
    image = ingest(png_bytes(gradient(WIDTH, 400)), "a.png", "<b>first</b>", collection=collection)
    for _time in range(2):  # what nobody foresees is kept when it is asked for again
        assert client.get("/iiif/3/%3Cb%3Efirst%3C%2Fb%3E/0,0,300,300/max/0/default.png").status_code == 200
    get_derivative_cache().wait_for_writes()
    assert _held() > 0
    return image


def _held() -> int:
    return get_derivative_cache().discard_all(dry_run=True).bytes


def _client(django_user_model: Any, role: str) -> Client:
    call_command("migrate", verbosity=0)  # the roles
    user = django_user_model.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def test_the_page_shows_what_was_counted(
    counters: Counters, kept: Image, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    traffic = Traffic(counters)
    traffic.note("hit", 0.001, 1000, kept.identifier)
    traffic.note("miss", 0.1, 500, kept.identifier)
    traffic.note("hit", 0.001, 10, "gone")
    traffic.publish()
    counters.counter("iiif_sources_origin_bytes", store="<i>nga</i>").add(3 * 2**20)
    counters.histogram("iiif_decode_seconds", kind="render").observe(0.04)
    with django_assert_max_num_queries(12):
        response = admin_client.get(PAGE)
    page = response.content.decode()
    assert response.status_code == 200
    assert "66.7 %" in page
    assert f'href="/admin/images/image/{kept.pk}/change/">&lt;b&gt;first&lt;/b&gt;' in page
    assert "<b>first" not in page
    assert "<i>nga" not in page
    assert "3.0\xa0MB" in page
    assert "render" in page


def test_charts_draw_what_snapshots_tell(counters: Counters, admin_client: Client) -> None:
    now, traffic = timezone.now(), Traffic(counters)
    snapshot_take(now - timedelta(hours=2))
    traffic.note("hit", 0.001)
    counters.counter("iiif_sources_origin_bytes", store="</svg><script>").add(2**20)
    snapshot_take(now - timedelta(hours=1))
    page = admin_client.get(PAGE).content.decode()
    assert page.count('<svg class="chart" role="img"') >= 3
    assert "100 %" in page
    assert "<script>" not in page.replace("<script>\n", "")
    assert "&lt;/svg&gt;&lt;script&gt;" in page
    month = admin_client.get(PAGE + "?span=30d").content.decode()
    assert month.count('<svg class="chart" role="img"') >= 3


def test_a_page_without_statistics(admin_client: Client, tmp_path: Path, settings: Any) -> None:
    (tmp_path / "broken" / "lock").mkdir(parents=True)
    settings.IIIF_STATISTICS_DIR = tmp_path / "broken"
    response = admin_client.get(PAGE + "?span=no")
    assert response.status_code == 200
    assert "The statistics cannot be read" in response.content.decode()


def test_periods_take_what_falls_into_them() -> None:
    now = timezone.now()
    rows = [
        Growth("one", now - timedelta(minutes=10), {"iiif_derivative_cache_evictions": 2}, {"sources/blocks": 5}),
        Growth("two", now - timedelta(minutes=20), {"iiif_request_seconds\toutcome=hit": 3}, {"sources/blocks": 7}),
        Growth("one", now - timedelta(minutes=90), {"iiif_request_seconds\toutcome=miss": 1}, {}),
        Growth("one", now - timedelta(hours=9), {"iiif_request_seconds\toutcome=miss": 1}, {}),
    ]
    first, second, third = list_periods(rows, until=now, length=timedelta(hours=1), count=3)
    assert (third.evictions, third.answers["hit"], third.held("sources/blocks")) == (2, 3, 12)
    assert (third.hit_share, second.hit_share, first.hit_share) == (1.0, 0.0, None)
    assert (first.is_known, second.is_known, second.held("sources/blocks")) == (False, True, None)


def test_snapshots_remember_what_was_held(counters: Counters, kept: Image) -> None:
    held = snapshot_take().held
    assert held["derivatives/derivatives"] == get_derivative_cache().usage().held.bytes > 0
    assert CacheSnapshot.objects.get().held == held


@pytest.mark.parametrize(
    ("role", "page", "purge"), [(VIEWER, 200, 403), (CURATOR, 200, 403), (ADMINISTRATOR, 200, 200)]
)
def test_who_may(django_user_model: Any, role: str, page: int, purge: int) -> None:
    client = _client(django_user_model, role)
    shown = client.get(PAGE)
    assert shown.status_code == page
    assert (PURGE in shown.content.decode()) == (purge == 200)
    assert client.get(PURGE, {"scope": "all"}).status_code == purge
    assert client.post(PURGE, {"scope": "all", "word": "all"}).status_code == (403 if purge == 403 else 302)
    assert Job.objects.count() == (0 if purge == 403 else 1)


def test_strangers_are_sent_to_the_door(client: Client) -> None:
    for path in (PAGE, PURGE):
        assert client.get(path)["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    "scope", [{"scope": "image", "name": "<b>first</b>"}, {"scope": "collection", "name": "maps"}, {"scope": "all"}]
)
def test_a_purge_is_tried_out_then_done(kept: Image, admin_client: Client, scope: dict[str, str]) -> None:
    before = _held()
    asked = admin_client.get(PURGE, scope)
    assert "would be freed" in asked.content.decode()
    assert (_held(), Job.objects.count()) == (before, 0)
    done = admin_client.post(PURGE, {**scope, "word": " ALL "})
    job = Job.objects.get()
    assert done["Location"] == f"/admin/images/job/{job.pk}/change/"
    job_run(job.pk)
    assert _held() == 0
    assert "were freed" in admin_client.get(done["Location"]).content.decode()


def test_all_needs_the_word(kept: Image, admin_client: Client) -> None:
    for word in ("", "yes", "al"):
        response = admin_client.post(PURGE, {"scope": "all", "word": word})
        assert response.status_code == 400
    assert Job.objects.count() == 0


def test_many_images_are_counted_by_a_job(kept: Image, admin_client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("images.admin.purging._AT_ONCE", 0)
    scope = {"scope": "collection", "name": "maps"}
    asked = admin_client.get(PURGE, scope).content.decode()
    assert "would be freed," not in asked
    before = _held()
    admin_client.post(PURGE, {**scope, "count": "1"})
    job = Job.objects.get()
    job_run(job.pk)
    assert _held() == before
    assert "would be freed" in admin_client.get(f"/admin/images/job/{job.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"scope": "image", "name": "nobody"}, "none that is called"),
        ({"scope": "store"}, "Say of which"),
        ({"scope": "planet"}, "not one of"),
        ({}, "required"),
        ({"scope": "image", "name": "a\x00b"}, "Null characters"),
        ({"scope": "collection", "name": "x" * 501}, "at most 500"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_no_purge_is_explained(admin_client: Client, fields: dict[str, str], text: str, method: str) -> None:
    response = getattr(admin_client, method)(PURGE, fields, follow=True)
    assert response.redirect_chain == [("/admin/cache/#purge", 302)]
    assert text in response.content.decode()
    assert Job.objects.count() == 0
