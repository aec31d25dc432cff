from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from caching.sources.caches import get_source_caches
from images.models import Image
from images.services import source_copies
from images.sources.errors import SourceError


class Command(BaseCommand):
    help = "What this node keeps of remote sources: says how much, fetches, pins and forgets. Never touches a source."

    def add_arguments(self, parser: ArgumentParser) -> None:
        work = parser.add_mutually_exclusive_group()
        work.add_argument("--fetch", action="store_true", help="fetch the sources of images now")
        work.add_argument("--pin", action="store_true", help="fetch them and never evict them")
        work.add_argument("--unpin", action="store_true", help="evict them when room is needed")
        work.add_argument("--forget", action="store_true", help="remove what is kept of them")
        work.add_argument("--clear", action="store_true", help="remove what is kept of all")
        work.add_argument("--sweep", action="store_true", help="bring what is kept within its budgets")
        parser.add_argument("identifiers", nargs="*", metavar="ID")

    def handle(self, *_args: Any, **options: Any) -> None:
        images = [self._image(identifier) for identifier in options["identifiers"]]
        caches = get_source_caches()
        if options["clear"]:
            caches.clear()
        elif options["sweep"]:
            caches.sweep()
        for image in images:
            try:
                self.stdout.write(f"{image.identifier}: {self._work(image, options)}")
            except (SourceError, LookupError) as error:
                raise CommandError(f"{image.identifier}: {error}") from error
        for name, usage in caches.usage().items():
            self.stdout.write(
                f"{name}: {usage.held.bytes:,} of {usage.budget.bytes:,} bytes, {usage.held.entries:,} files"
            )

    def _work(self, image: Image, options: dict[str, Any]) -> str:
        if options["fetch"] or options["pin"]:
            if options["pin"]:
                source_copies.source_pin(image)
            source_copies.source_fetch(image)
        elif options["unpin"]:
            source_copies.source_unpin(image)
        elif options["forget"]:
            source_copies.source_forget(image)
        return "pinned" if source_copies.source_is_pinned(image) else "not pinned"

    def _image(self, identifier: str) -> Image:
        image = Image.objects.select_related("store", "tiling").filter(identifier=identifier).first()
        if image is None:
            raise CommandError(f"There is no image {identifier!r}.")
        return image
