"""`manage.py check_image ID`: is a running server answering for an image as info.json says?"""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images.conf import conf
from images.iiif.identifiers import encode_identifier
from images.iiif.version import ApiVersion
from images.selectors.images import ImageNotFoundError, ImageNotReadyError, get_served_image
from images.services.checking import image_check


class Command(BaseCommand):
    help = "Ask a running server for everything that an image's profile offers and refuses, in both versions."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("identifier", metavar="ID")
        parser.add_argument("--url", default="", help="of the server (IIIF_BASE_URL, else IIIF_OWN_ADDRESS)")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            served = get_served_image(options["identifier"])
        except (ImageNotFoundError, ImageNotReadyError) as error:
            raise CommandError(str(error)) from error
        root = (options["url"] or conf.base_url or conf.own_address).rstrip("/")
        if not root.startswith(("http://", "https://")):
            raise CommandError(f"{root} is no address of a web server.")
        wrong = 0
        for version in reversed(ApiVersion):
            self.stdout.write(f"Image API {int(version)}")
            uri = f"{root}/iiif/{int(version)}/{encode_identifier(served.identifier)}"
            for result in image_check(served, uri, version):
                wrong += not result.is_right
                outcome = "right" if result.is_right else f"WRONG  {result.problem}  {result.url}"
                self.stdout.write(f"  {result.check.name:<30} {outcome}")
        if wrong:
            raise SystemExit(1)
