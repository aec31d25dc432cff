"""A process whose children work until they are killed: `python -m tests.proof.victim`, driven by test_kills.

Each line on standard input names a work and a seed; a child does it, its process id is answered at once and how it
ended when it has. One start of the interpreter so serves hundreds of kills.
"""

import hashlib
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from django.test.utils import override_settings  # noqa: E402

import images.tasks  # noqa: E402, F401
from caching.derivatives import get_derivative_cache  # noqa: E402
from iiifserver.origins import Origins  # noqa: E402
from images.models import CopyPolicy, Image, ImageState  # noqa: E402
from images.services import ingest_sweeps, registration, service_copies  # noqa: E402
from images.services.registration import SourceReference, image_register, image_reingest  # noqa: E402
from images.services.stores import store_for_folder  # noqa: E402
from images.views.shortcut import Shortcut  # noqa: E402
from tests.proof.pictures import REQUESTS  # noqa: E402

FOLDER = Path(os.environ["PROOF_SOURCES"])
VERSIONS = 2


def names() -> list[str]:
    """Identifiers, which are the names of the files that are served."""
    return sorted(path.name.removeprefix("0-") for path in FOLDER.iterdir() if path.name.startswith("0-"))


def put(name: str, version: int) -> None:
    """Make this version the source: written beside, then renamed, as anybody should."""
    partial = FOLDER / f".{name}.{os.getpid()}"
    partial.write_bytes((FOLDER / f"{version}-{name}").read_bytes())
    partial.rename(FOLDER / name)


def answer(application: Any, path: str) -> tuple[int, str, str]:
    """Status, entity tag and digest of the body."""
    environ = RequestFactory().get(path).environ
    head: list[Any] = []
    parts = application(environ, lambda status, headers, _error=None: head.extend([status, dict(headers)]))
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    if hasattr(parts, "close"):
        parts.close()
    return int(head[0].split()[0]), head[1].get("ETag", ""), digest


def application() -> Any:
    return Shortcut(WSGIHandler(), Origins())


def set_up() -> object:
    """Register everything; digests of a clean run by image, version and request: from the source, and from a copy."""
    store = store_for_folder(FOLDER)
    serve = application()
    reference: dict[str, list[dict[str, list[str]]]] = {}
    for name in names():
        put(name, 0)
        pk = image_register(name, SourceReference(store=store, key=name)).image.pk
        reference[name] = []
        for version in range(VERSIONS):
            put(name, version)
            digests: dict[str, list[str]] = {request: [] for request in REQUESTS}
            for policy in (CopyPolicy.NEVER, CopyPolicy.ON_INGEST):
                Image.objects.filter(pk=pk).update(service_copy_policy=policy)
                image_reingest(pk)
                for request in REQUESTS:
                    status, _etag, digest = answer(serve, f"/iiif/3/{name}/{request}")
                    assert status == 200, (name, request, status)
                    digests[request].append(digest)
            reference[name].append(digests)
    get_derivative_cache().discard_all()
    return reference


def work_ingest(rng: random.Random) -> None:
    """Replace sources and read them again, with everything that an ingest starts."""
    while True:
        name = rng.choice(names())
        put(name, rng.randrange(VERSIONS))
        pk = Image.objects.values_list("pk", flat=True).get(identifier=name)
        Image.objects.filter(pk=pk).update(
            service_copy_policy=CopyPolicy.ON_INGEST if rng.random() < 0.5 else CopyPolicy.NEVER
        )
        image_reingest(pk)


def work_register(rng: random.Random) -> None:
    """Register and delete images, some from uploads."""
    store = store_for_folder(FOLDER)
    while True:
        name = rng.choice(names())
        identifier = f"more-{rng.randrange(4)}-{name}"
        if rng.random() < 0.3:
            Image.objects.filter(identifier=identifier).delete()
        source = SourceReference(store=store, key=f"0-{name}")
        if rng.random() < 0.5:
            body = (FOLDER / f"0-{name}").read_bytes()
            source = registration.upload_store((body[at : at + 4096] for at in range(0, len(body), 4096)), name)
        image_register(identifier, source, replace=True)


def work_fill(rng: random.Random) -> None:
    """Ask for what is and what is not in the cache."""
    serve = application()
    while True:
        answer(serve, f"/iiif/3/{rng.choice(names())}/{rng.choice(REQUESTS)}")
        if rng.random() < 0.1:
            get_derivative_cache().discard_all()


def work_sweep(rng: random.Random) -> None:
    """Fill beyond a budget and sweep, again and again."""
    serve = application()
    with override_settings(IIIF_DERIVATIVE_CACHE_BYTES=400_000):
        while True:
            for _ in range(10):
                name, width = rng.choice(names()), rng.randrange(20, 300)
                answer(serve, f"/iiif/3/{name}/full/{width},/0/default.jpg")
            sweep()


def sweep() -> None:
    """All that beat does, now."""
    ingest_sweeps.images_requeue_stalled()
    registration.uploads_sweep()
    service_copies.service_copies_sweep()
    get_derivative_cache().sweep()


def look() -> object:
    """What is served now: identifier, request, status, entity tag, digest."""
    serve = application()
    return [(name, one, *answer(serve, f"/iiif/3/{name}/{one}")) for name in names() for one in REQUESTS]


def heal() -> object:
    """Let a day pass and beat come by; then the states of all images and the files that are no entry of anything."""
    data = Path(os.environ["IIIF_DATA_DIR"])
    past = time.time() - 2 * 86_400
    for path in data.rglob("*"):
        if path.is_file() and "sqlite" not in path.name:
            os.utime(path, (past, past))
    for name in names():
        put(name, 0)
        Image.objects.filter(identifier=name).update(service_copy_policy=CopyPolicy.NEVER)
        image_reingest(Image.objects.get(identifier=name).pk)
    unfinished = Image.objects.exclude(state__in=(ImageState.READY, ImageState.FAILED))
    for _ in range(4 + 4 * unfinished.count()):  # what a dead worker had in hand is read one at a time, some four times
        unfinished.update(state_changed="2020-01-01T00:00:00Z")
        sweep()
    states = list(Image.objects.values_list("identifier", "state", "error_code", "error_detail"))
    left = [str(path.relative_to(data)) for path in data.rglob("*") if path.is_file() and _is_temporary(path)]
    return {"states": states, "left": left, "sources": [path.name for path in FOLDER.glob(".*")]}


def _is_temporary(path: Path) -> bool:
    folders = {"temporary", "making"}
    return path.suffix in {".part", ".partial", ".tmp"} or not folders.isdisjoint(path.parts)


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    say("ready")
    for line in sys.stdin:
        name, seed = line.split()
        connections.close_all()
        child = os.fork()
        if child == 0:
            _child(name, int(seed))
        say(child)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        say(status)


def _child(name: str, seed: int) -> None:
    """Do one work and leave, whatever happens; the result goes to a file beside the data."""
    try:
        result = globals()[name](random.Random(seed)) if name.startswith("work_") else globals()[name]()
        Path(os.environ["PROOF_RESULT"]).write_text(json.dumps(result))
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
