"""`manage.py render`: one derivative, from the command line, through the same cache as the web server."""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images.services.rendering import image_render
from images.services.requests import REQUEST_ERRORS, resolve_request


class Command(BaseCommand):
    help = "Write one derivative of an image to a file or to standard output."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("identifier")
        parser.add_argument("region", help="full, square, x,y,w,h or pct:x,y,w,h")
        parser.add_argument("size", help="max, w, ,h pct:n w,h or !w,h, each also with ^")
        parser.add_argument("rotation", help="0 to 360, after ! mirrored")
        parser.add_argument("quality_format", metavar="quality.format", help="default.jpg, gray.png …")
        parser.add_argument("--out", type=Path, metavar="FILE", help="else standard output")

    def handle(self, *_args: Any, **options: Any) -> None:
        parameters = (options["region"], options["size"], options["rotation"], options["quality_format"])
        try:
            request = resolve_request(options["identifier"], *parameters)
            derivative = image_render(request.served, request.resolved)
            if options["out"] is None:
                sys.stdout.buffer.writelines(derivative.chunks)
                return
            partial = options["out"].with_name(f".{options['out'].name}.part")
            with partial.open("wb") as file:
                file.writelines(derivative.chunks)
            partial.rename(options["out"])
        except REQUEST_ERRORS as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The derivative could not be written: {error}") from error
