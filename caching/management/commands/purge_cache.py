from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from caching.derivatives import get_derivative_cache
from caching.errors import CacheError


class Command(BaseCommand):
    help = "Removes derivatives from the cache. They are made again when they are asked for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        scope = parser.add_mutually_exclusive_group(required=True)
        scope.add_argument("--all", action="store_true", help="every derivative")
        scope.add_argument("--image", type=UUID, metavar="UUID", help="those of one image")
        scope.add_argument("--expired", action="store_true", help="what a sweep removes: superseded and leftover")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be freed")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["expired"] and options["dry_run"]:
            raise CommandError("--expired cannot be tried out; it removes only what is of no use")
        cache = get_derivative_cache()
        try:
            if options["expired"]:
                freed = cache.sweep().evicted
            elif options["all"]:
                freed = cache.discard_all(dry_run=options["dry_run"])
            else:
                freed = cache.discard_image(options["image"].hex, dry_run=options["dry_run"])
        except CacheError as error:
            raise CommandError(error.detail) from error
        verb = "would be freed" if options["dry_run"] else "freed"
        self.stdout.write(f"{freed.bytes} bytes in {freed.entries} files and folders {verb}")
