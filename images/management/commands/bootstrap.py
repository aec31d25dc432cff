"""`manage.py bootstrap`: everything between an empty data directory and a server that can start. `./run` calls it."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from iiifserver import env
from images.services.offload import offload_clear
from images.services.schedule import schedule_ensure
from images.services.setup import ADMIN_NAME, admin_ensure
from images.services.stores import store_for_uploads


class Command(BaseCommand):
    help = "Prepare the data directory, the database, the static files and the first administrator. Prints JSON."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for folder in ("broker/queue", "broker/control", "cache/derivatives", "cache/sources", "uploads", "logs"):
            (Path(settings.IIIF_DATA_DIR) / folder).mkdir(parents=True, exist_ok=True)
        self._migrate()
        self._collect_static()
        store_for_uploads()
        schedule_ensure()
        offload_clear()
        admin = admin_ensure(env.IIIF_ADMIN_PASSWORD)
        facts = {
            "admin": ADMIN_NAME,
            "admin_created": admin.created,
            "admin_password_file": str(admin.file) if admin.file else None,
            "viewer": settings.VIEWER_DIR.is_dir(),
        }
        self.stdout.write(json.dumps(facts))

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)

    def _collect_static(self) -> None:
        root = Path(settings.STATIC_ROOT)
        root.mkdir(parents=True, exist_ok=True)
        stamp = root / ".collected"
        newest = str(max(_newest_change(folder) for folder in _static_folders()))
        if not stamp.exists() or stamp.read_text() != newest:
            call_command("collectstatic", verbosity=0, interactive=False)
            stamp.write_text(newest)


def _static_folders() -> list[Path]:
    folders = [Path(settings.BASE_DIR) / "images" / "static", Path(settings.BASE_DIR) / "requirements"]
    if settings.VIEWER_DIR.is_dir():
        folders.append(settings.VIEWER_DIR)
    return [folder for folder in folders if folder.is_dir()]


def _newest_change(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.rglob("*")), default=0)
