"""Run with a server's settings and data: `python -m benchmarks.remote_script ENDPOINT NAME=PATH…`.

Registers each file of the corpus in one store for each way of retrieval, as `WAY-NAME`, and reads it.
"""

import sys
from pathlib import Path

import django

django.setup()

from images.models import Store  # noqa: E402
from images.services.ingest import image_ingest  # noqa: E402
from images.services.registration import SourceReference, image_register  # noqa: E402
from images.services.stores import store_for_folder  # noqa: E402

BUCKET = "corpus"


def main(endpoint: str, files: dict[str, Path]) -> None:
    options = {"endpoint_url": endpoint, "anonymous": True}
    for way in ("stream", "cache", "memory"):
        store = Store(name=way, kind="s3", root=BUCKET, strategy=way, options=options)
        store.full_clean()
        store.save()
        for name in files:
            read(f"{way}-{name}", SourceReference(store=store, key=name))
    for name, path in files.items():
        read(f"disk-{name}", SourceReference(store=store_for_folder(path.parent), key=path.name))


def read(identifier: str, source: SourceReference) -> None:
    image = image_register(identifier, source, queue=False).image
    image_ingest(image.pk)
    image.refresh_from_db()
    if image.state != "ready":
        raise SystemExit(f"{identifier}: {image.error_detail}")


if __name__ == "__main__":
    main(sys.argv[1], {name: Path(path) for name, _, path in (word.partition("=") for word in sys.argv[2:])})
