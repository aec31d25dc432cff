"""`manage.py restore_schedule`: what runs by itself, as it was at first."""

from typing import Any

from django.core.management.base import BaseCommand

from images.services.schedule import DEFAULTS, schedule_restore


class Command(BaseCommand):
    help = "Set the default tasks of the schedule as they were at first; tasks that were added stay."

    def handle(self, *_args: Any, **_options: Any) -> None:
        changed = schedule_restore()
        self.stdout.write(f"{changed} of {len(DEFAULTS)} default tasks were made or changed.")
