"""`manage.py service_copies`: which images have service copies, what they take, and making or removing them."""

import argparse
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from images.decoders.errors import DecodeError
from images.models import Collection, Image, ServiceCopy
from images.selectors.images import get_served_image
from images.services.copy_policy import copy_remove, copy_request
from images.services.service_copies import (
    ServiceCopyRetryError,
    copy_measured_byte_size,
    copy_rough_byte_size,
    service_copy_make,
)
from images.sources.errors import SourceError

_HEAD = ("image", "policy", "state", "estimated", "bytes", "share", "note")


class Command(BaseCommand):
    help = "List service copies with their estimated and true bytes; estimate, make or remove them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("identifier", nargs="*", metavar="ID", help="images; all where none is named")
        parser.add_argument("--collection", metavar="NAME", help="the images of this collection")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--estimate", action="store_true", help="measure samples of each image; makes nothing")
        action.add_argument("--make", action="store_true", help="make a copy of each now; works without a worker")
        action.add_argument("--remove", action="store_true", help="remove the copies")

    def handle(self, *_args: Any, **options: Any) -> None:
        if (options["make"] or options["remove"]) and not (options["identifier"] or options["collection"]):
            raise CommandError("Name images or a collection.")
        rows, total, failures = [], 0, 0
        for image in _chosen(options["identifier"], options["collection"]).iterator():
            row, byte_size, is_good = self._row(image, options)
            rows.append(row)
            total += byte_size
            failures += not is_good
        self._print(rows, total)
        if failures:
            raise SystemExit(1)

    def _row(self, image: Image, options: dict[str, Any]) -> tuple[tuple[str, ...], int, bool]:
        note = ""
        if options["make"]:
            note = _make(image)
        elif options["remove"]:
            copy_remove(image.pk)
        copy = ServiceCopy.objects.defer("index", "description").filter(image_id=image.pk).first()
        estimated = None
        try:
            estimated = _estimate(image, copy, measures=options["estimate"])
        except (SourceError, DecodeError, LookupError) as error:
            note = str(error)
        byte_size = copy.byte_size if copy and copy.byte_size and copy.version == image.version else 0
        row = (
            image.identifier,
            image.effective_copy_policy.value,
            copy.state if copy else "none",
            f"{estimated:,}" if estimated is not None else "",
            f"{byte_size:,}" if byte_size else "",
            f"{byte_size / image.source_byte_size:.2f}" if byte_size and image.source_byte_size else "",
            note or (copy.error_detail if copy else ""),
        )
        return row, byte_size or estimated or 0, not note

    def _print(self, rows: list[tuple[str, ...]], total: int) -> None:
        widths = [max(len(row[at]) for row in [_HEAD, *rows]) for at in range(len(_HEAD))]
        for row in [_HEAD, *rows]:
            cells = [
                cell.rjust(width) if 3 <= at <= 5 else cell.ljust(width) for at, (cell, width) in _cells(row, widths)
            ]
            self.stdout.write("  ".join(cells).rstrip())
        self.stdout.write(f"{len(rows)} images, {total:,} bytes of copies, made or estimated.")


def _cells(row: tuple[str, ...], widths: list[int]) -> Iterator[tuple[int, tuple[str, int]]]:
    return enumerate(zip(row, widths, strict=True))


def _chosen(identifiers: list[str], collection: str | None) -> QuerySet[Image]:
    images = Image.objects.select_related("collection").order_by("identifier")
    if collection is not None:
        if not Collection.objects.filter(name=collection).exists():
            raise CommandError(f"There is no collection {collection!r}.")
        images = images.filter(collection__name=collection)
    if identifiers:
        images = images.filter(identifier__in=identifiers)
        missing = set(identifiers) - set(images.values_list("identifier", flat=True))
        if missing:
            raise CommandError(f"There is no such image: {', '.join(sorted(missing))}")
    return images


def _make(image: Image) -> str:
    """Why there is none, or nothing."""
    if not copy_request(image.pk, queue=False):
        return "It has not been read yet."
    try:
        copy = service_copy_make(image.pk)
    except ServiceCopyRetryError as error:
        return f"{error} Tried again later."
    return copy.error_detail if copy is not None else "It is not ready."


def _estimate(image: Image, copy: ServiceCopy | None, *, measures: bool) -> int | None:
    """Measured, or as it was when the copy was made, or rough."""
    if measures:
        return copy_measured_byte_size(get_served_image(image.identifier))
    if copy is not None and copy.estimated_byte_size:
        return copy.estimated_byte_size
    tiling = getattr(image, "tiling", None)
    return None if tiling is None else copy_rough_byte_size(tiling)
