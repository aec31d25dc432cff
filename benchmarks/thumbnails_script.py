"""Run with a server's settings and data: `python -m benchmarks.thumbnails_script`.

Does what a worker does after an ingest: small levels and thumbnails of each image are made and kept.
"""

import django

django.setup()

from images.models import Image  # noqa: E402
from images.services.thumbnails import image_make_thumbnails  # noqa: E402


def main() -> None:
    for pk in Image.objects.values_list("pk", flat=True):
        if not image_make_thumbnails(pk):
            raise SystemExit(f"No thumbnails of image {pk} could be made.")


if __name__ == "__main__":
    main()
