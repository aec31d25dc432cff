"""`manage.py seed`: make tiles ahead, into the derivative cache or as a static level 0 tree."""

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from images.conf import conf
from images.iiif.version import ApiVersion
from images.selectors.images import get_served_image
from images.services.decoding import close_runner, start_decoders
from images.services.seed_options import SeedOptions, SeedReport, parse_options
from images.services.seed_sinks import SeedError
from images.services.seeding import SEED_ERRORS, Watch, image_seed

_CSV_HEADER = ("source_id", "alternate_id")
_HERE = "http://127.0.0.1:8000"
_INTERRUPTED = 130


class Command(BaseCommand):
    help = "Make the tiles of images ahead: into the derivative cache, or as a static tree of files."
    requires_system_checks: list[str] = []  # they import every view, and a server that runs has passed them

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("identifier", nargs="*", metavar="ID", help="identifiers of images")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="rows of source_id,alternate_id")
        parser.add_argument("--scale-factors", metavar="8,4,2,1", help="default: those that info.json advertises")
        parser.add_argument("--format", default="jpg", help="default: jpg")
        parser.add_argument("--quality", default="default", help="default: default")
        parser.add_argument("--refresh", action="store_true", help="make again what is there already")
        parser.add_argument(
            "--out", type=Path, metavar="DIR", help="write a static level 0 tree, named by alternate_id where given"
        )
        parser.add_argument(
            "--base-url", metavar="URL", help=f"where DIR will be served (default: IIIF_BASE_URL, else {_HERE})"
        )
        parser.add_argument("--api-version", choices=("2", "3"), default="3", help="of the tree (default: 3)")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            chosen = _options(options)
            names = _names(options["identifier"], options["csv"], is_tree=chosen.out is not None)
        except SeedError as error:
            raise CommandError(str(error)) from error
        start_decoders()
        failures = 0
        try:
            for number, (identifier, name) in enumerate(names.items(), start=1):
                place = f"[{number}/{len(names)}] " if len(names) > 1 else ""
                failures += not self._seed(identifier, name, chosen, place)
        except KeyboardInterrupt:
            close_runner()
            self.stderr.write("Stopped. What was made is kept; the same command goes on from there.")
            raise SystemExit(_INTERRUPTED) from None
        close_runner()
        if len(names) > 1 or failures:
            self.stdout.write(f"{len(names) - failures} of {len(names)} images seeded.")
        if failures:
            raise SystemExit(1)

    def _seed(self, identifier: str, name: str, chosen: SeedOptions, place: str) -> bool:
        try:
            with _watching(name) as watch:
                report = image_seed(get_served_image(identifier), chosen, name=name, watch=watch)
        except SEED_ERRORS as error:
            self.stderr.write(f"{place}failed: {name}: {error}")
            return False
        self.stdout.write(place + _summary(report))
        return True


def _options(options: dict[str, Any]) -> SeedOptions:
    chosen = parse_options(options["scale_factors"], options["format"], options["quality"], refresh=options["refresh"])
    if options["out"] is None:
        if options["base_url"] or options["api_version"] != "3":
            raise SeedError("--base-url and --api-version are of a tree of files: they go with --out DIR.")
        return chosen
    base_uri = (options["base_url"] or conf.base_url or _HERE).rstrip("/")
    parts = urlsplit(base_uri)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise SeedError(f"--base-url is an address such as https://example.org/tiles, and not {base_uri!r}.")
    return replace(chosen, out=options["out"], base_uri=base_uri, api_version=ApiVersion(int(options["api_version"])))


def _names(identifiers: list[str], csv_file: Path | None, *, is_tree: bool) -> dict[str, str]:
    """Identifier to the name of its tree, each once. Raises SeedError."""
    names = {identifier: identifier for identifier in identifiers}
    if csv_file is not None:
        for identifier, name in _rows(csv_file):
            if is_tree and names.setdefault(identifier, name) != name:
                raise SeedError(f"{identifier} would be two trees, {names[identifier]!r} and {name!r}: seed it twice.")
            names[identifier] = name
    if not names:
        raise SeedError("Nothing to seed: name images, or --csv FILE.")
    if is_tree:
        seen: dict[str, str] = {}
        for identifier, name in names.items():
            if name in seen:
                raise SeedError(f"{seen[name]} and {identifier} would both be the tree {name!r}.")
            seen[name] = identifier
    return names


def _rows(csv_file: Path) -> Iterator[tuple[str, str]]:
    try:
        with csv_file.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SeedError(f"{csv_file} cannot be read: {error}") from error
    if not rows or tuple(rows[0]) not in {_CSV_HEADER, _CSV_HEADER[:1]}:
        raise SeedError(f"{csv_file}: the first line must be {','.join(_CSV_HEADER)}.")
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if not row[0]:
            raise SeedError(f"{csv_file}, line {number}: there is no source_id.")
        yield row[0], (row[1] if len(row) > 1 else "") or row[0]


@contextmanager
def _watching(name: str) -> Iterator[Watch]:
    """A bar on a terminal; elsewhere the line that sums up is enough."""
    if not sys.stdout.isatty():
        yield lambda _done, _wanted: None
        return
    from images.management.progress import open_bar  # loads rich, which is needed for nothing else

    with open_bar(name) as update:
        yield update


def _summary(report: SeedReport) -> str:
    total = f"{report.identifier}: {report.made} of {report.wanted} tiles made"
    others = []
    if report.kept:
        others.append(f"{report.kept} were there")
    if report.stored:
        others.append(f"{report.stored} are sent as they are stored and need no decoding")
    if report.left_out:
        factors = ",".join(map(str, report.left_out))
        others.append(f"scale factors {factors} left out: the image fits into one tile before")
    amount = f"{report.byte_size / 2**20:,.1f} MiB in {report.seconds:.2f} s"
    return "; ".join([total, *others, amount])
