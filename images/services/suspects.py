"""Sources that end their decoders: tried once only, and taken out of service when they keep doing it."""

import logging
import threading
from collections import OrderedDict

from django.db import DatabaseError
from django.db.models import F

from images.conf import conf
from images.models import Image, ImageState
from images.selectors.images import ServedImage, forget_served_image
from images.services.registration import tiling_withdraw

logger = logging.getLogger(__name__)


def is_suspect(served: ServedImage) -> bool:
    """Whether this version has ended a decoder of this process before."""
    return _suspects.has(served)


def count_deaths(served: ServedImage) -> None:
    """A source that keeps killing decoders is taken out of service until someone asks for it to be read again."""
    deaths = 1 if _suspects.has(served) else 2  # the pool asks twice
    _suspects.add(served)
    try:
        _note_deaths(served, deaths)
    except DatabaseError as error:
        logger.warning("The end of a decoder by image %s could not be counted: %s", served.identifier, error)


def _note_deaths(served: ServedImage, deaths: int) -> None:
    images = Image.objects.filter(pk=served.pk, version=served.version)
    image = images.select_related("tiling").defer("tiling__index").first()
    if image is not None and image.shows_earlier_source:
        # The new source is not to blame: it is read as if nothing had been, and has a count of its own.
        logger.error("Image %s kept ending its decoder; its earlier source is shown no more", served.identifier)
        tiling_withdraw(image.pk)
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
    """Versions of images that have ended decoders, as this process knows them; the newest thousand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], None] = OrderedDict()

    def has(self, served: ServedImage) -> bool:
        return (served.uuid, served.version) in self._known

    def add(self, served: ServedImage) -> None:
        with self._lock:
            self._known[served.uuid, served.version] = None
            if len(self._known) > _SUSPECTS:
                self._known.popitem(last=False)


_SUSPECTS = 1000
_suspects = _Suspects()
