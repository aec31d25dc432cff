"""`manage.py test_store`: list a store, open one of its sources and read a part of it."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images.models import Store
from images.services.store_test import store_test


class Command(BaseCommand):
    help = "Try a store out and say in plain words what works; exit status 1 if something does not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help="the store")
        parser.add_argument("--key", default="", help="the source to read; else the first image that is found")

    def handle(self, *_args: Any, **options: Any) -> None:
        store = Store.objects.filter(name=options["name"]).first()
        if store is None:
            raise CommandError(f"There is no store named {options['name']!r}.")
        result = store_test(store, options["key"])
        self.stdout.write(str(result))
        if not result.passed:
            raise SystemExit(1)
