"""`manage.py compliance`: what the specifications ask and what this configuration does."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images.iiif.compliance import compliance_table
from images.iiif.version import ApiVersion
from images.models import Profile
from images.selectors.profiles import ServedProfile, default_profile, served_profile

_COLUMNS = ("parameter", "feature", "syntax", "required", "supported")


class Command(BaseCommand):
    help = "Print the table of features: syntax, required and supported, for Image API 2.1 and 3.0."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--markdown", action="store_true", help="Markdown tables")
        form.add_argument("--json", action="store_true", help="JSON")
        parser.add_argument("--profile", metavar="NAME", help="of this compliance profile (the default one)")

    def handle(self, *_args: Any, **options: Any) -> None:
        capabilities = self._profile(options["profile"]).capabilities
        tables = {version: [asdict(row) for row in compliance_table(capabilities, version)] for version in ApiVersion}
        if options["json"]:
            levels = {str(int(version)): capabilities.level(version) for version in tables}
            features = {str(int(version)): table for version, table in tables.items()}
            self.stdout.write(json.dumps({"levels": levels, "features": features}, indent=2, default=str))
            return
        for version, rows in tables.items():
            self.stdout.write(f"\n## Image API {int(version)}: level {capabilities.level(version)}\n")
            self._table(rows, markdown=options["markdown"])

    @staticmethod
    def _profile(name: str | None) -> ServedProfile:
        if name is None:
            return default_profile()
        profile = Profile.objects.filter(name=name).first()
        if profile is None:
            known = ", ".join(Profile.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no profile {name!r}; there are: {known}.")
        return served_profile(profile)

    def _table(self, rows: list[dict[str, Any]], *, markdown: bool) -> None:
        cells = [_COLUMNS, *(tuple(_text(row[name]) for name in _COLUMNS) for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
        edge, middle = ("| ", " | ") if markdown else ("", "  ")
        for number, row in enumerate(cells):
            line = middle.join(text.ljust(width) for text, width in zip(row, widths, strict=True))
            self.stdout.write(f"{edge}{line}{edge[::-1]}".rstrip())
            if number == 0 and markdown:
                self.stdout.write("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
