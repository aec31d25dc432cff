"""`manage.py rebuild_indexes`: make indexes anew that are missing or that an older version of this program stored."""

import argparse
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images.management.progress import open_progress
from images.services.rebuilding import Rebuilt, find_rebuildable, image_rebuild_index


class Command(BaseCommand):
    help = "Make the indexes of images anew that are missing, or stored in a form that is no longer read."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--image", metavar="ID", help="of the image with this identifier")
        which.add_argument("--all", action="store_true", help="of every image that may have one")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = list(find_rebuildable(options["image"]))
        if options["image"] and not found:
            raise CommandError(f"There is no image {options['image']} in service whose source may have an index.")
        counts: Counter[Rebuilt] = Counter()
        with open_progress(self.stdout, total=len(found)) as progress:
            for pk, identifier in found:
                outcome = image_rebuild_index(pk)
                counts[outcome.rebuilt] += 1
                if outcome.rebuilt is Rebuilt.FAILED:
                    self.stderr.write(f"failed: {identifier}: {outcome.reason}")
                progress.advance(f"{identifier}: {outcome.rebuilt}")
        self.stdout.write(", ".join(f"{counts[each]} {each}" for each in Rebuilt) + ".")
        if counts[Rebuilt.FAILED]:
            raise SystemExit(1)
