"""`manage.py explain URL`: how a request would be answered, step by step; nothing is decoded."""

import argparse
import json
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.management.base import BaseCommand, CommandError

from images.conf import conf
from images.decoders.pass_through import PassThrough
from images.decoders.plan import DecodePlan
from images.iiif.canonical import canonical_path
from images.iiif.path import ImagePath, parse_path
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage
from images.services.indexing import find_shortcut
from images.services.rendering import derivative_key, find_pass_through, image_find_derivative, render_plan
from images.services.requests import REQUEST_ERRORS, resolve_request


class Command(BaseCommand):
    help = "Show how an image request would be answered: parsed, resolved, canonical, key, cached, plan."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("url", help="an image request's URL or path")

    def handle(self, *_args: Any, **options: Any) -> None:
        version, rest = _split(options["url"])
        try:
            path = parse_path(rest)
            if not isinstance(path, ImagePath):
                raise CommandError("This is no image request: …/{region}/{size}/{rotation}/{quality}.{format}.")
            parameters = (path.region, path.size, path.rotation, path.quality_format)
            request = resolve_request(path.identifier, *parameters, api_version=version)
            plan = render_plan(request.served, request.resolved)
            stored = find_pass_through(request.served, request.resolved)
        except REQUEST_ERRORS as error:
            raise CommandError(str(error)) from error
        served, resolved = request.served, request.resolved
        key = derivative_key(served, resolved)
        found = image_find_derivative(served, resolved)
        self._line("identifier", f"{path.identifier} (version {served.version}, {served.description.source_format})")
        self._line("image", f"{served.full.width} × {served.full.height}")
        self._line(
            "region", f"{resolved.region.x},{resolved.region.y} {resolved.region.width} × {resolved.region.height}"
        )
        self._line("size", f"{resolved.size.width} × {resolved.size.height}")
        self._line("canonical", canonical_path(resolved, served.full, version))
        self._line("key", key.digest)
        self._line("cached", "no" if found is None else f"yes, {found.length:,} bytes")
        if found is not None:
            found.close()
        if stored is not None:
            self._line("stored as", _stored(stored))
            return
        self._line("stored as", "no tile of its own")
        self._decoding(served, plan)

    def _decoding(self, served: ServedImage, plan: DecodePlan) -> None:
        shortcut = find_shortcut(served, plan)
        if shortcut is None:
            self._line("reads", "what the decoder asks for, from the file itself")
        else:
            ranges = shortcut.sparse.ranges
            total = sum(wanted.length for wanted in ranges)
            self._line("reads", f"{total:,} bytes in {len(ranges)} ranges: the packets that the region needs")
        self._line("decodes", f"{plan.pixels:,} pixels, about {plan.memory_bytes / 2**20:,.1f} MiB")
        self._line("lane", "dear" if plan.is_dear else "tiles")
        facts = {
            name: value for name, value in plan.to_json().items() if name not in {"description", "source", "request"}
        }
        self._line("plan", json.dumps(facts, default=str))

    def _line(self, name: str, value: str) -> None:
        self.stdout.write(f"{name:<12}{value}")


def _stored(stored: PassThrough) -> str:
    """A tile that is sent as it is, unless it turns out to be damaged when it is read."""
    ranges = ", ".join(f"{one.start:,}-{one.stop:,} ({one.length:,} bytes)" for one in stored.ranges)
    return f"level {stored.level}, column {stored.column}, row {stored.row}: bytes {ranges}; nothing is decoded"


def _split(url: str) -> tuple[ApiVersion, str]:
    path = unquote(urlsplit(url).path).removeprefix("/iiif/")
    for version in ApiVersion:
        prefix = f"{int(version)}/"
        if path.startswith(prefix):
            return version, path.removeprefix(prefix)
    return ApiVersion(conf.default_api_version), path
