"""`manage.py ingest`: register and index files, folders, URLs or the rows of a CSV file."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images.management.progress import open_progress
from images.queue import Queue
from images.services.bulk import BulkError, BulkItem, collect_items, ingest_item, wait_for


class Command(BaseCommand):
    help = "Register and index images from files, folders, URLs or a CSV file."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("source", nargs="*", metavar="PATH|URL|DIR", help="what to ingest")
        parser.add_argument(
            "--store",
            help="the sources are keys in this store; one that ends in / is a folder, and / alone is all of it",
        )
        parser.add_argument("--id", dest="identifier", help="the identifier (with one source only)")
        parser.add_argument("--collection", help="put the images into this collection (made if it is not there)")
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="rows of identifier,source or source_id,alternate_id"
        )
        parser.add_argument("--copy", action="store_true", help="take local files into the upload storage")
        parser.add_argument("--replace", action="store_true", help="where an identifier has another source, take this")
        parser.add_argument("--wait", action="store_true", help="return when all are indexed; works without a worker")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            items = collect_items(
                options["source"],
                store=options["store"],
                identifier=options["identifier"],
                collection=options["collection"],
                csv_file=options["csv"],
                copy=options["copy"],
                replace=options["replace"],
            )
        except BulkError as error:
            raise CommandError(str(error)) from error
        if not items:
            raise CommandError("Nothing to ingest: name files, folders or URLs, or --csv FILE.")
        failures = self._ingest(items, wait=options["wait"])
        done = len(items) - len(failures)
        how = "indexed" if options["wait"] else "registered; whether they can be read, a worker tells"
        self.stdout.write(f"{done} of {len(items)} images {how}.")
        for name, reason in failures:
            self.stderr.write(f"failed: {name}: {reason}")
        if failures:
            raise SystemExit(1)

    def _ingest(self, items: list[BulkItem], *, wait: bool) -> list[tuple[str, str]]:
        failures: list[tuple[str, str]] = []
        # Whoever registers a single image does not wait for a folder.
        queue = False if wait else Queue.BULK if len(items) > 1 else Queue.INGEST
        with open_progress(self.stdout, total=len(items)) as progress:
            for item in items:
                outcome = ingest_item(item, queue=queue)
                if outcome.error:
                    failures.append((item.name, outcome.error))
                elif wait and outcome.pk is not None:
                    reason = wait_for(outcome.pk)
                    if reason:
                        failures.append((item.name, reason))
                progress.advance(item.name)
        return failures
