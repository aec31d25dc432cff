"""Many images at once: as jobs, with their failures named and the rest done."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from caching.derivatives import get_derivative_cache
from images.models import Collection, Image, Job, JobState, Profile
from images.services.bulk_actions import bulk_action_create
from images.services.job_running import job_run
from images.services.jobs import job_cancel
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = pytest.mark.django_db
Choose = Callable[..., Any]
LIST = "/admin/images/image/"
TILE = "/iiif/3/{}/full/100,/0/default.png"


@pytest.fixture(name="three")
def fixture_three(ingest: Ingest) -> list[Image]:
    return [ingest(png_bytes(gradient(600, 400)), f"{name}.png", name) for name in ("one", "two", "three")]


def run(action: str, images: list[Image], **arguments: Any) -> Job:
    job = bulk_action_create(action, [image.pk for image in images], arguments)
    job_run(job.pk)
    job.refresh_from_db()
    return job


@pytest.fixture(name="choose")
def fixture_choose(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Choose:
    """What a curator chooses in the list, with the jobs that begin when the request is over."""

    def choose(client: Client, action: str, images: list[Image], **fields: Any) -> Any:
        chosen = {"action": action, "_selected_action": [image.pk for image in images], **fields}
        with django_capture_on_commit_callbacks(execute=True):
            page = client.post(LIST, chosen)
        return client.get(page.headers["Location"]) if page.status_code == 302 else page

    return choose


def test_purging_frees_what_was_kept_of_the_chosen_images_only(client: Client, three: list[Image]) -> None:
    for image in three:
        assert client.get(TILE.format(image.identifier)).status_code == 200
    before = get_derivative_cache().usage().held.entries
    job = run("purge", three[:2])
    assert (job.state, job.done, job.failed, job.total) == (JobState.DONE, 2, 0, 2)
    assert get_derivative_cache().usage().held.entries < before
    assert not get_derivative_cache().discard_image(three[0].uuid.hex, dry_run=True).entries
    assert get_derivative_cache().discard_image(three[2].uuid.hex, dry_run=True).entries


def test_warming_makes_every_advertised_tile(client: Client, three: list[Image]) -> None:
    get_derivative_cache().discard_all()
    assert run("warm", three[:1]).state == JobState.DONE
    cached = client.get("/iiif/3/one/0,0,512,400/512,400/0/default.jpg")
    assert cached.status_code == 200
    kept = get_derivative_cache().discard_image(three[0].uuid.hex, dry_run=True).entries
    assert kept >= 3


def test_profile_and_collection(three: list[Image]) -> None:
    profile, collection = Profile.objects.create(name="small"), Collection.objects.create(name="maps")
    run("set_profile", three, profile=profile.pk)
    run("move", three[:1], collection=collection.pk)
    run("set_profile", three[2:], profile=None)
    found = {image.identifier: (image.profile, image.collection) for image in Image.objects.select_related()}
    assert found == {"one": (profile, collection), "two": (profile, None), "three": (None, None)}


def test_what_fails_is_named_and_the_others_go_on(three: list[Image]) -> None:
    Image.objects.filter(pk=three[0].pk).update(state="failed", error_detail="Its file is gone.")
    three[1].delete()
    job = run("make_copy", three)
    assert (job.state, job.done, job.failed) == (JobState.DONE, 3, 1)
    assert [failure["identifier"] for failure in job.detail["failures"]] == ["one"]


def test_a_cancelled_job_does_nothing_more(three: list[Image]) -> None:
    job = bulk_action_create("reingest", [image.pk for image in three])
    assert job_cancel(job.pk)
    job_run(job.pk)
    assert set(Image.objects.values_list("state", flat=True)) == {"ready"}


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(ValueError, match="reingest, restore, refresh"):
        bulk_action_create("explode", [1])


class TestAdmin:
    def test_an_action_leads_to_the_page_of_its_job(
        self, admin_client: Client, three: list[Image], choose: Choose
    ) -> None:
        page = choose(admin_client, "purge", three)
        job = Job.objects.get()
        assert page.request["PATH_INFO"] == f"/admin/images/job/{job.pk}/change/"
        assert "3 images are being worked on." in page.content.decode()
        facts = admin_client.get(f"/admin/images/job/{job.pk}/state.json").json()
        assert (facts["total"], facts["is_finished"]) == (3, True)
        assert "Remove from the cache" in admin_client.get("/admin/images/job/").content.decode()

    def test_a_choice_is_asked_for(self, admin_client: Client, three: list[Image], choose: Choose) -> None:
        profile = Profile.objects.create(name="small", label="Small ones")
        page = choose(admin_client, "set_profile", three).content.decode()
        assert "3 images are chosen." in page
        assert "Small ones" in page
        choose(admin_client, "set_profile", three, chosen=profile.pk)
        assert Image.objects.filter(profile=profile).count() == 3
        choose(admin_client, "set_profile", three[:1], chosen="")
        assert Image.objects.filter(profile=profile).count() == 2

    def test_across_pages(self, admin_client: Client, three: list[Image], choose: Choose) -> None:
        choose(admin_client, "reingest", three[:1], select_across="1")
        assert Job.objects.get().total == 3

    def test_who_may_only_look(self, client: Client, three: list[Image], choose: Choose) -> None:
        user = get_user_model().objects.create_user("viewer", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=("view_image", "view_job")))
        client.force_login(user)
        choose(client, "purge", three)
        assert not Job.objects.exists()
        job = bulk_action_create("refresh", [three[0].pk])
        assert client.get(f"/admin/images/job/{job.pk}/change/").status_code == 200
        assert client.post(f"/admin/images/job/{job.pk}/cancel/").status_code == 403
        user.user_permissions.clear()
        client.force_login(get_user_model().objects.get(pk=user.pk))
        assert client.get(f"/admin/images/job/{job.pk}/state.json").status_code == 403

    def test_cancel(self, admin_client: Client, three: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("images.services.jobs.enqueue", lambda *_args: None)
        job = bulk_action_create("refresh", [three[0].pk])
        assert admin_client.get(f"/admin/images/job/{job.pk}/cancel/").status_code == 403
        admin_client.post(f"/admin/images/job/{job.pk}/cancel/")
        job.refresh_from_db()
        assert job.state == JobState.CANCELLED
