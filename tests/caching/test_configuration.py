"""Settings, their checks, the task and the command."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from pytest_django import Settings

from caching.backends.disk import DiskBackend
from caching.backends.null import NullBackend
from caching.conf import conf
from caching.derivatives import get_derivative_cache
from caching.tasks import sweep_task
from tests.caching.conftest import files_below, image_name, key_of, store


@pytest.fixture(autouse=True)
def configured(settings: Settings, root: Path) -> Iterator[None]:
    settings.IIIF_DERIVATIVE_CACHE_BACKEND = {"BACKEND": "disk", "OPTIONS": {"root": root}}
    yield
    get_derivative_cache().wait_for_sweep()


def found() -> list[str]:
    return [str(message.id) for message in run_checks(tags=["caching"])]


def test_the_configured_settings_pass() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("IIIF_DERIVATIVE_CACHE", "maybe", "E001"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", "disk", "E002"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", {}, "E002"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", {"BACKEND": "nowhere.Backend", "OPTIONS": {}}, "E002"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", {"BACKEND": "disk", "OPTIONS": {"rot": "/x"}}, "E002"),
        ("IIIF_DERIVATIVE_CACHE_BYTES", 0, "E003"),
        ("IIIF_DERIVATIVE_CACHE_BYTES", "10G", "E003"),
        ("IIIF_DERIVATIVE_CACHE_ENTRIES", True, "E004"),
        ("IIIF_DERIVATIVE_CACHE_ENTRY_BYTES", -1, "E005"),
        ("IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS", None, "E006"),
        ("IIIF_SINGLE_FLIGHT_SECONDS", -0.1, "E007"),
        ("IIIF_SINGLE_FLIGHT_LOCK_FILE", 7, "E008"),
        ("IIIF_SINGLE_FLIGHT_LOCK_FILE", "/", "E008"),
    ],
)
def test_each_setting_is_checked(settings: Settings, name: str, value: Any, number: str) -> None:
    before = getattr(settings, name, None)
    setattr(settings, name, value)
    try:
        assert found() == [f"caching.{number}"]
    finally:
        if before is None:
            delattr(settings, name)
        else:
            setattr(settings, name, before)


def test_defaults() -> None:
    assert conf.entry_budget == 200_000
    assert conf.entry_bytes == 128 * 2**20
    assert conf.bypass_seconds == 60
    assert conf.wait_seconds == 45
    assert conf.lock_file is not None


def test_the_cache_is_built_once_and_anew_when_settings_change(settings: Settings) -> None:
    cache = get_derivative_cache()
    assert cache is get_derivative_cache()
    assert isinstance(cache._backend, DiskBackend)
    settings.IIIF_DERIVATIVE_CACHE = "off"
    assert isinstance(get_derivative_cache()._backend, NullBackend)
    assert store(get_derivative_cache(), key_of(1)) == store(get_derivative_cache(), key_of(1))


def test_budgets_come_from_the_settings_unless_the_options_have_them(settings: Settings, root: Path) -> None:
    settings.IIIF_DERIVATIVE_CACHE_BYTES = 5_000_000
    assert get_derivative_cache().usage().budget.bytes == 5_000_000
    settings.IIIF_DERIVATIVE_CACHE_BACKEND = {"BACKEND": "disk", "OPTIONS": {"root": root, "byte_budget": 7}}
    assert get_derivative_cache().usage().budget.bytes == 7


def test_the_task_sweeps(root: Path) -> None:
    assert sweep_task.name == "caching.sweep"
    store(get_derivative_cache(), key_of(1))
    get_derivative_cache().wait_for_sweep()
    (file,) = files_below(root / "entries")
    file.write_bytes(b"")
    sweep_task.run()
    assert not file.exists()


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge_cache", *arguments, stdout=out)
    return out.getvalue()


def test_purging_by_command(root: Path) -> None:
    cache = get_derivative_cache()
    for image in (1, 2):
        store(cache, key_of(1, image=image))
    cache.wait_for_sweep()
    assert run("--all", "--dry-run") == "16384 bytes in 2 files and folders would be freed\n"
    assert len(files_below(root / "entries")) == 2
    run("--image", image_name(1))
    assert [file.parent.name for file in files_below(root / "entries")] == [image_name(2)]
    run("--expired")
    assert len(files_below(root / "entries")) == 1
    run("--all")
    assert not files_below(root / "entries")
    with pytest.raises(CommandError, match="tried out"):
        run("--expired", "--dry-run")
