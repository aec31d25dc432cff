"""The Celery application for tests of death: an image `end-worker…` kills its worker, `end-decoder…` a decoder."""

import os
import signal
from typing import Any

from celery.signals import worker_init

from iiifserver.celery import app

__all__ = ["app"]


@worker_init.connect
def _arm(**_kwargs: object) -> None:
    from images.decoders.errors import DecoderDiedError
    from images.services import ingest

    read = ingest._read_source

    def read_or_die(image: Any) -> Any:
        if image.identifier.startswith("end-worker"):
            os.killpg(os.getpgid(0), signal.SIGKILL)
        if image.identifier.startswith("end-decoder"):
            raise DecoderDiedError("It died.")
        return read(image)

    ingest._read_source = read_or_die
