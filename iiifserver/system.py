"""The system page of the admin: what runs here, how it is, and what should be looked after."""

import os
import platform
import shutil
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import django
from celery import current_app
from django.conf import settings
from django.contrib import admin
from django.core.checks import CheckMessage, run_checks
from django.core.checks import Warning as Advice
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from caching.conf import conf as caching_conf
from iiifserver.health import part_states
from images.conf import conf
from images.models import Image, Job, OutboxEntry, Store
from images.selectors.paging import count_images
from images.services.decoding import get_runner
from images.services.schedule import schedule_state
from images.templatetags.iiif_urls import grouped

_WORKER_SECONDS = 1.0
"""For workers to answer: they are on this network, and somebody waits."""

Rows = list[tuple[str, str]]


def system_view(request: HttpRequest) -> HttpResponse:
    """For those who may see stores: the page names folders and versions."""
    if not request.user.has_perm("images.view_store"):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": _("System"),
        "parts": _parts(),
        "workers": _workers(),
        "versions": _versions(),
        "disks": list(_disks()),
        "decoders": _decoders(),
        "formats": _formats(),
        "records": _records(),
        "stores": Store.objects.annotate(total=count_images("store")).order_by("name"),
        "advice": _advice(),
    }
    response = TemplateResponse(request, "admin/system.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _parts() -> Rows:
    names = {"database": _("Database"), "cache": _("Cache"), "broker": _("Broker"), "decoders": _("Decoders")}
    return [(names.get(name, name), state) for name, state in part_states().items()]


def _workers() -> Rows:
    """Each worker that answers, with the queues that it serves."""
    try:
        inspect = current_app.control.inspect(timeout=_WORKER_SECONDS)
        queues = inspect.active_queues() or {}
    except Exception as error:  # noqa: BLE001 - a page about health reports whatever is wrong
        return [(_("The broker does not answer"), type(error).__name__)]
    return [(name, ", ".join(sorted(queue["name"] for queue in served))) for name, served in sorted(queues.items())]


def _versions() -> Rows:
    from PIL import features  # else every web process would load it

    return [
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("libvips", _installed("pyvips-binary")),
        ("OpenJPEG", features.version("jpg_2000") or _("missing")),
        ("libjpeg-turbo", features.version("libjpeg_turbo") or _("missing")),
        ("Celery", _installed("celery")),
        ("obstore", _installed("obstore")),
        (_("Database"), _database_version()),
        (_("Operating system"), platform.platform()),
        (_("Cores"), str(os.cpu_count() or "?")),
    ]


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _("missing")


def _database_version() -> str:
    question = "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SELECT version()"
    with connection.cursor() as cursor:
        cursor.execute(question)
        return f"{connection.vendor} {cursor.fetchone()[0]}".split(" on ", maxsplit=1)[0]


def _disks() -> Iterable[dict[str, Any]]:
    """Each folder of the server, with what is free of its disk, in bytes and in files."""
    folders = {
        _("Data"): conf.data_dir,
        _("Uploads"): conf.upload_dir,
        _("Derivatives"): Path(caching_conf.derivative_folder),
        _("Copies of sources"): Path(settings.IIIF_SOURCE_CACHE_DIR),
    }
    for name, folder in folders.items():
        existing = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
        usage, files = shutil.disk_usage(existing), os.statvfs(existing)
        yield {
            "name": name,
            "folder": str(folder),
            "free": usage.free,
            "total": usage.total,
            "percent": round(100 * (usage.total - usage.free) / usage.total) if usage.total else 0,
            "free_files": files.f_favail,
        }


def _decoders() -> Rows:
    stats = get_runner().stats()
    shown = {
        "processes": _("Processes"),
        "busy": _("Busy"),
        "queue_depth": _("Waiting"),
        "jobs": _("Jobs since the start"),
        "failed": _("Failed"),
        "deaths": _("Died"),
        "overloads": _("Turned away"),
    }
    return [(label, grouped(stats[name])) for name, label in shown.items() if name in stats]


def _formats() -> Rows:
    return [
        (_("Read"), ", ".join(sorted(str(one) for one in conf.source_formats))),
        (_("Written"), ", ".join(sorted(str(one) for one in conf.capabilities.formats))),
        (_("Qualities"), ", ".join(sorted(str(one) for one in conf.capabilities.qualities))),
    ]


def _records() -> Rows:
    by_state = dict(Image.objects.order_by().values_list("state").annotate(Count("pk")))
    unfinished = Job.objects.filter(state__in=("pending", "running")).count()
    return [
        *((str(label), grouped(by_state.get(state, 0))) for state, label in Image._meta.get_field("state").flatchoices),  # noqa: SLF001 - documented
        (_("Tasks that wait to be sent"), grouped(OutboxEntry.objects.count())),
        (_("Jobs that are not finished"), grouped(unfinished)),
    ]


def _advice() -> list[CheckMessage]:
    """What the start-up and deployment checks say, and the schedule, with what to do."""
    is_wanted: Callable[[CheckMessage], bool] = lambda message: not message.is_silenced()  # noqa: E731
    return [*_schedule_advice(), *filter(is_wanted, run_checks(include_deployment_checks=True))]


def _schedule_advice() -> Iterable[CheckMessage]:
    """What should run by itself and does not."""
    state = schedule_state()
    restore = _("“Restore the default schedule” among the periodic tasks, or manage.py restore_schedule.")
    found = (
        (state.missing, _("These tasks are missing in the schedule: %(names)s."), restore, "schedule.W001"),
        (state.disabled, _("These tasks of the schedule are switched off: %(names)s."), restore, "schedule.W002"),
        (
            state.late,
            _("These tasks have not run for too long: %(names)s."),
            _("Does the scheduler run? Start it: celery -A iiifserver beat, on one host only."),
            "schedule.W003",
        ),
    )
    for names, text, hint, code in found:
        if names:
            yield Advice(text % {"names": ", ".join(names)}, hint=hint, id=code)
