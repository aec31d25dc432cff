"""Sources that end their decoders: tried once only, and taken out of service when they keep doing it."""

import logging
import threading
from collections import OrderedDict

from django.db import DatabaseError
from django.db.models import F

from images.conf import conf
from images.models import Image, ImageState
from images.selectors.images import ServedImage, forget_served_image
from images.services.registration import earlier_source_withdraw

logger = logging.getLogger(__name__)


def is_suspect(served: ServedImage) -> bool:
    """Whether this version has ended a decoder of this process before."""
    return _suspects.has(served)


def count_deaths(served: ServedImage) -> None:
    """A source that keeps killing decoders is taken out of service until someone asks for it to be read again."""
    deaths = 1 if _suspects.has(served) else 2  # the pool asks twice
    so_far = _suspects.add(served, deaths)
    try:
        _note_deaths(served, deaths, so_far)
    except DatabaseError as error:
        logger.warning("The end of a decoder by image %s could not be counted: %s", served.identifier, error)


def _note_deaths(served: ServedImage, deaths: int, so_far: int) -> None:
    """`so_far`: those of this process. A new source that waits to be read is not to blame for an earlier one."""
    images = Image.objects.filter(pk=served.pk, version=served.version)
    image = images.select_related("tiling").defer("tiling__index").first()
    if image is not None and image.shows_earlier_source:
        if so_far >= conf.quarantine_deaths and earlier_source_withdraw(served.pk, served.version):
            logger.error("The earlier source of image %s kept ending its decoder; it is withdrawn", served.identifier)
            forget_served_image(served.identifier)
        return
    images.update(decoder_deaths=F("decoder_deaths") + deaths)
    quarantined = images.filter(decoder_deaths__gte=conf.quarantine_deaths).update(
        state=ImageState.FAILED,
        error_code="quarantined",
        quarantined_etag=served.etag,
        error_detail="Decoding this image kept ending its decoder; it is out of service until it is read again.",
    )
    if quarantined:
        logger.error("Image %s is quarantined after %d decoder deaths", served.identifier, conf.quarantine_deaths)
        forget_served_image(served.identifier)


class _Suspects:
    """How many decoders versions of images have ended, as this process knows it; the newest thousand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], int] = OrderedDict()

    def has(self, served: ServedImage) -> bool:
        return (served.uuid, served.version) in self._known

    def add(self, served: ServedImage, deaths: int) -> int:
        """All of it so far."""
        key = served.uuid, served.version
        with self._lock:
            total = self._known[key] = self._known.get(key, 0) + deaths
            if len(self._known) > _SUSPECTS:
                self._known.popitem(last=False)
        return total


_SUSPECTS = 1000
_suspects = _Suspects()
