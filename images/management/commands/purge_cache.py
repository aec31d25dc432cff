from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from caching.errors import CacheError
from images.models import Image
from images.services.purging import Purge, PurgeReport, PurgeScopeError, Scope, purge_run


class Command(BaseCommand):
    help = "Removes derivatives from the caches. They are made again when they are asked for; sources stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("identifiers", nargs="*", metavar="IDENTIFIER", help="images")
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--all", action="store_true", help="every derivative")
        scope.add_argument("--image", type=UUID, metavar="UUID", help="an image by its UUID")
        scope.add_argument("--collection", metavar="NAME", help="the images of a collection")
        scope.add_argument("--store", metavar="NAME", help="the images whose sources lie in a store")
        scope.add_argument("--expired", action="store_true", help="what is of older versions, and what a sweep removes")
        parser.add_argument("--prefix", default="", help="with --store: keys that begin so")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be freed")

    def handle(self, *_args: Any, **options: Any) -> None:
        purges = _purges(options)
        if not purges:
            raise CommandError("Name images, --collection, --store, --expired or --all.")
        try:
            reports = [purge_run(purge, dry_run=options["dry_run"]) for purge in purges]
        except PurgeScopeError as error:
            raise CommandError(str(error)) from error
        except CacheError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(_sentence(reports, dry_run=options["dry_run"]))
        if any(report.failed for report in reports):
            raise CommandError(f"{sum(report.failed for report in reports)} images could not be purged.")


def _purges(options: dict[str, Any]) -> list[Purge]:
    purges = [Purge(Scope.IMAGE, identifier) for identifier in options["identifiers"]]
    if options["image"] is not None:
        image = Image.objects.filter(uuid=options["image"]).first()
        if image is None:
            raise CommandError(f"There is no image with the UUID {options['image']}.")
        purges.append(Purge(Scope.IMAGE, image.identifier))
    if options["collection"]:
        purges.append(Purge(Scope.COLLECTION, options["collection"]))
    if options["store"]:
        purges.append(Purge(Scope.STORE, options["store"], options["prefix"]))
    if options["expired"]:
        purges.append(Purge(Scope.EXPIRED))
    if options["all"]:
        purges.append(Purge(Scope.ALL))
    return purges


def _sentence(reports: list[PurgeReport], *, dry_run: bool) -> str:
    byte_size, entries = sum(report.bytes for report in reports), sum(report.entries for report in reports)
    verb = "would be freed" if dry_run else "freed"
    return f"{byte_size} bytes in {entries} files and folders {verb}"
