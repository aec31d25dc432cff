"""Run with a server's settings and data: `python -m benchmarks.stalls_script FINE HANGING COUNT PATH`.

Registers and reads PATH on the disk as `disk`, in a store at FINE as `fine`, at HANGING as `hung-0` and so on.
"""

import sys
from pathlib import Path

import django

django.setup()

from benchmarks.remote_script import BUCKET, read  # noqa: E402
from images.models import Store  # noqa: E402
from images.services.registration import SourceReference  # noqa: E402
from images.services.stores import store_for_folder  # noqa: E402


def main(fine: str, hanging: str, count: int, path: Path) -> None:
    read("disk", SourceReference(store=store_for_folder(path.parent), key=path.name))
    read("fine", SourceReference(store=_store("fine", fine), key="fine"))
    store = _store("hanging", hanging)
    for number in range(count):
        read(f"hung-{number}", SourceReference(store=store, key=f"hung-{number}"))


def _store(name: str, endpoint: str) -> Store:
    options = {"endpoint_url": endpoint, "anonymous": True}
    store = Store(name=name, kind="s3", root=BUCKET, strategy="stream", options=options)
    store.full_clean()
    store.save()
    return store


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
