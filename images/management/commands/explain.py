"""`manage.py explain URL`: how a request would be answered, step by step; nothing is decoded."""

import argparse
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.management.base import BaseCommand, CommandError

from images.conf import conf
from images.iiif.path import ImagePath, parse_path
from images.iiif.version import ApiVersion
from images.services.explaining import request_explain
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
            lines = request_explain(request, version)
        except REQUEST_ERRORS as error:
            raise CommandError(str(error)) from error
        for name, value in lines:
            self.stdout.write(f"{name:<12}{value}")


def _split(url: str) -> tuple[ApiVersion, str]:
    path = unquote(urlsplit(url).path).removeprefix("/iiif/")
    for version in ApiVersion:
        prefix = f"{int(version)}/"
        if path.startswith(prefix):
            return version, path.removeprefix(prefix)
    return ApiVersion(conf.default_api_version), path
