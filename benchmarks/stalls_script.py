"""Run with a server's settings and data: `python -m benchmarks.stalls_script FINE HANGING COUNT PATH NAME…`.

Registers and reads PATH on the disk as `disk`, in a store at FINE as `fine`, and in one store for each
NAME at HANGING as `NAME-0` and so on.
"""

import sys
from pathlib import Path

import django

django.setup()

from benchmarks.remote_script import BUCKET, read  # noqa: E402
from images.models import Store  # noqa: E402
from images.services.registration import SourceReference  # noqa: E402
from images.services.stores import store_for_folder  # noqa: E402


def main(fine: str, hanging: str, count: int, path: Path, names: list[str]) -> None:
    read("disk", SourceReference(store=store_for_folder(path.parent), key=path.name))
    read("fine", SourceReference(store=_store("fine", fine), key="fine"))
    for name in names:
        store = _store(name, hanging)
        for number in range(count):
            read(f"{name}-{number}", SourceReference(store=store, key=f"{name}-{number}"))


def _store(name: str, endpoint: str) -> Store:
    options = {"endpoint_url": endpoint, "anonymous": True}
    store = Store(name=name, kind="s3", root=BUCKET, strategy="stream", options=options)
    store.full_clean()
    store.save()
    return store


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
