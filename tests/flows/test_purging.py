"""Purges free what they say, try out what they would, touch no source, and let nothing of before come back."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from caching.derivatives import get_derivative_cache
from images.models import Collection, Image, Job, JobState, OutboxEntry, Tiling
from images.services.job_running import job_run
from images.services.purging import Purge, PurgeScopeError, Scope, purge_run, purge_start
from tests.flows.conftest import Ingest, gradient, png_bytes

FOLDER = 1
"""Of each image: it goes with its last file, which a dry run does not foresee."""


@pytest.fixture
def cache(tmp_path: Path, settings: Any) -> None:
    settings.IIIF_DERIVATIVE_CACHE_BACKEND = {
        "BACKEND": "caching.backends.disk.DiskBackend",
        "OPTIONS": {"root": tmp_path / "derivatives"},
    }


@pytest.fixture
def two(cache: None, ingest: Ingest, client: Client) -> tuple[Image, Image]:
    """Two images of which two tiles each are kept; the first is in the collection `maps`."""
    collection = Collection.objects.create(name="maps")
    first = ingest(png_bytes(gradient(600, 400)), "a.png", "first", collection=collection)
    second = ingest(png_bytes(gradient(600, 400, 9)), "b.png", "second")
    for image in (first, second):
        for region in ("0,0,300,300", "300,0,300,300"):
            for _time in range(2):  # what nobody foresees is kept when it is asked for again
                assert _get(client, image.identifier, region)[0] == 200
    get_derivative_cache().wait_for_writes()
    return first, second


def _get(client: Client, identifier: str, region: str = "0,0,300,300") -> tuple[int, str, bytes]:
    response = client.get(f"/iiif/3/{identifier}/{region}/max/0/default.png")
    body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
    return response.status_code, response["ETag"], body


def _held() -> int:
    return get_derivative_cache().discard_all(dry_run=True).entries


def _run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge_cache", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    "purge",
    [
        Purge(Scope.IMAGE, "first"),
        Purge(Scope.COLLECTION, "maps"),
        Purge(Scope.STORE, "sources", "a."),
    ],
)
def test_one_scope_goes_and_the_rest_stays(purge: Purge, two: tuple[Image, Image], client: Client) -> None:
    before, of_second = _held(), get_derivative_cache().discard_image(two[1].uuid.hex, dry_run=True)
    foreseen = purge_run(purge, dry_run=True)
    assert _held() == before
    report = purge_run(purge)
    assert (report.images, report.entries, report.failed) == (1, foreseen.entries + FOLDER, 0)
    assert report.bytes > foreseen.bytes
    assert foreseen.entries == before - of_second.entries > 0
    assert get_derivative_cache().discard_image(two[1].uuid.hex, dry_run=True) == of_second
    assert two[0].store is not None
    assert Path(two[0].store.root, two[0].key).is_file()


def test_all_goes(two: tuple[Image, Image]) -> None:
    would = purge_run(Purge(Scope.ALL), dry_run=True)
    report = purge_run(Purge(Scope.ALL))
    assert (report.images, report.entries) == (2, would.entries + 2 * FOLDER)
    assert _held() == 0


def test_a_purge_gives_other_names_to_the_same_pixels(two: tuple[Image, Image], client: Client) -> None:
    _, etag, body = _get(client, "first")
    purge_run(Purge(Scope.IMAGE, "first"))
    status, new_etag, new_body = _get(client, "first")
    assert (status, new_body) == (200, body)
    assert new_etag != etag
    image = Image.objects.get(identifier="first")
    assert image.version == Tiling.objects.get(image=image).version == 2


def test_what_is_of_older_versions_expires(two: tuple[Image, Image]) -> None:
    assert purge_run(Purge(Scope.EXPIRED), dry_run=True).entries == 0
    for model in (Image, Tiling):
        model.objects.filter(pk=two[0].pk).update(version=2)
    of_first = get_derivative_cache().discard_image(two[0].uuid.hex, dry_run=True).entries
    before = _held()
    assert purge_run(Purge(Scope.EXPIRED), dry_run=True).entries == of_first
    assert purge_run(Purge(Scope.EXPIRED)).entries == of_first + FOLDER
    assert _held() == before - of_first


def test_a_worker_purges_and_tells(two: tuple[Image, Image]) -> None:
    would = purge_run(Purge(Scope.ALL), dry_run=True)
    job = purge_start(Purge(Scope.ALL))
    assert (job.state, job.total) == (JobState.PENDING, 2)
    assert OutboxEntry.objects.filter(task="images.job", arguments=[job.pk]).exists()
    job_run(job.pk)
    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.done, job.failed, job.detail["entries"]) == (
        JobState.DONE, 2, 0, would.entries + 2 * FOLDER,
    )  # fmt: skip
    job_run(job.pk)  # a second time it does nothing
    assert Job.objects.get(pk=job.pk).attempts == 1


def test_the_command(two: tuple[Image, Image]) -> None:
    would = get_derivative_cache().discard_all(dry_run=True)
    assert _run("--all", "--dry-run") == f"{would.bytes} bytes in {would.entries} files and folders would be freed\n"
    assert _held() == would.entries
    _run("first", "--image", str(two[1].uuid))
    assert _held() == 0


@pytest.mark.parametrize("arguments", [[], ["nobody"], ["--collection", "none"], ["--store", "none"]])
def test_what_is_not_there_is_said(arguments: list[str], db: None) -> None:
    with pytest.raises(CommandError):
        _run(*arguments)


def test_a_scope_that_is_not_there(db: None) -> None:
    with pytest.raises(PurgeScopeError, match="no collection named 'maps'"):
        purge_run(Purge(Scope.COLLECTION, "maps"))
