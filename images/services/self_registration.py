"""Stores that register by themselves: an unknown identifier is looked for there, registered, and read at once.

So a folder or a bucket is served as it is. What is not there leaves no record; what is there costs one look and one
ingest, however many ask for it at the same time.
"""

import contextlib
import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.signals import setting_changed
from django.db import connections

from caching.singleflight import Flight, FlightAbandonedError, FlightTimeoutError, SingleFlight
from caching.sources.failures import Failures
from images.conf import conf
from images.indexes.errors import IndexingError
from images.indexes.sniff import sniff
from images.models import ImageState, Store
from images.queue import enqueue
from images.selectors.images import (
    ImageNotFoundError,
    ImageNotReadyError,
    ServedImage,
    forget_served_image,
    get_served_image,
)
from images.selectors.stores import store_location
from images.services.ingest import IngestRetryError, image_ingest
from images.services.registration import IdentifierTakenError, SourceReference, image_register
from images.sources.errors import SourceError, SourceForbiddenError, SourceNotAllowedError, SourceNotFoundError
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_HEAD_BYTES = 64
_POLL_SECONDS = 0.1
_MOST_WAITING = 16  # requests of a process: half of its usual threads go on serving what is known
_UNFINISHED = frozenset({ImageState.PENDING.value, ImageState.PROCESSING.value})


class RegistrationLimitError(Exception):
    """More unknown identifiers are asked for than may be looked for."""

    detail = "Too many new images are asked for just now."


@dataclass(frozen=True, slots=True)
class Claim:
    """The store that answers for an identifier, and the key that it has there."""

    store: Store
    key: str


class _Stores:
    """The stores that register by themselves, read anew after a moment; how often each was looked into, and what was
    `missing` a moment ago.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: tuple[Store, ...] = ()
        self._read = float("-inf")
        self.missing = Failures(conf.self_registration_missing_seconds)
        self._looks: dict[int, tuple[float, float]] = defaultdict(lambda: (float("-inf"), 0.0))

    def find_claim(self, identifier: str) -> Claim | None:
        """That of the longest prefix; None where there is none, or the identifier makes no key."""
        for store in self._current():
            if identifier.startswith(store.identifier_prefix):
                key = store.mapping.key(identifier[len(store.identifier_prefix) :])
                return None if key is None else Claim(store, key)
        return None

    def _current(self) -> tuple[Store, ...]:
        now = time.monotonic()
        if now - self._read > conf.served_image_ttl_seconds:
            found = sorted(Store.objects.filter(registers_itself=True), key=lambda one: -len(one.identifier_prefix))
            self._stores, self._read = tuple(found), now
        return self._stores

    def count_look(self, store: Store) -> None:
        """Raises RegistrationLimitError where the store was looked into too often within a minute."""
        rate, now = conf.self_registration_per_minute, time.monotonic()
        with self._lock:
            since, left = self._looks[store.pk]
            left = min(float(rate), left + (now - since) * rate / 60)
            if left < 1:
                raise RegistrationLimitError(RegistrationLimitError.detail)
            self._looks[store.pk] = (now, left - 1)


_stores = _Stores()
_flights: SingleFlight[str] = SingleFlight()
_waiting = threading.BoundedSemaphore(_MOST_WAITING)


def forget_self_registration(**_kwargs: object) -> None:
    """Read the stores anew, and look again for what was missing."""
    global _stores  # noqa: PLW0603
    _stores = _Stores()


setting_changed.connect(forget_self_registration, dispatch_uid="images.services.self_registration")


def get_or_register_image(identifier: str) -> ServedImage:
    """As `get_served_image`; an unknown image is looked for in the stores that register by themselves.

    Waits for IIIF_SELF_REGISTRATION_SECONDS at most. Raises what `get_served_image` raises, SourceError and
    RegistrationLimitError.
    """
    try:
        return get_served_image(identifier)
    except ImageNotFoundError:
        claim = _stores.find_claim(identifier)
        if claim is None:
            raise
    except ImageNotReadyError as error:
        claim = _stores.find_claim(identifier)
        if error.state not in _UNFINISHED or claim is None:
            raise
    if not _waiting.acquire(blocking=False):
        raise RegistrationLimitError(RegistrationLimitError.detail)
    try:
        return _registered(identifier, claim)
    finally:
        _waiting.release()


def _registered(identifier: str, claim: Claim) -> ServedImage:
    deadline = time.monotonic() + conf.self_registration_seconds
    if _stores.missing.find(identifier) is not None:
        raise _not_found(identifier)
    flight, leads = _flights.join(identifier)
    if leads:
        _start(identifier, claim, flight)
    with contextlib.suppress(FlightTimeoutError, FlightAbandonedError):  # then the record says how far it is
        flight.wait(deadline - time.monotonic())
    return _wait_until_ready(identifier, deadline)


def _wait_until_ready(identifier: str, deadline: float) -> ServedImage:
    """Another process may be reading it."""
    while True:
        try:
            return get_served_image(identifier)
        except ImageNotReadyError as error:
            if error.state not in _UNFINISHED or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def _start(identifier: str, claim: Claim, flight: Flight[str]) -> None:
    """In a thread of its own, so that a large source goes on being read when the request that asked has ended."""
    threading.Thread(target=_work, args=(identifier, claim, flight), name="register", daemon=True).start()


def _work(identifier: str, claim: Claim, flight: Flight[str]) -> None:
    try:
        _register(identifier, claim)
        flight.share(identifier)
    except Exception as error:
        if not isinstance(error, ImageNotFoundError | SourceError | RegistrationLimitError):
            logger.exception("The image %r could not be registered", identifier)
        flight.fail(error)
    finally:
        flight.leave()
        connections.close_all()


def _register(identifier: str, claim: Claim) -> None:
    """Look, register, read. Raises ImageNotFoundError, SourceError, RegistrationLimitError."""
    _stores.count_look(claim.store)
    try:
        _require_image(claim)
        image = image_register(identifier, SourceReference(claim.store, claim.key), queue=False).image
    except (SourceNotFoundError, SourceNotAllowedError, SourceForbiddenError, IndexingError, ValidationError) as error:
        # S3 says that a key is forbidden where it is not there and nobody may list.
        level = logging.WARNING if isinstance(error, SourceForbiddenError) else logging.INFO
        logger.log(level, "Nothing is registered as %r: %s", identifier, getattr(error, "technical", "") or error)
        missing = _not_found(identifier)
        _stores.missing.note(identifier, missing)
        raise missing from error
    except IdentifierTakenError:
        return  # somebody registered another source in this moment
    forget_served_image(identifier)  # that there was none
    try:
        image_ingest(image.pk)
    except IngestRetryError:
        enqueue("images.ingest", image.pk)


def _require_image(claim: Claim) -> None:
    """Raises SourceError, and IndexingError for what does not begin like an image."""
    with open_source(store_location(claim.store, claim.key)) as reader:
        sniff(reader.read(0, min(_HEAD_BYTES, reader.stat().byte_size)))


def _not_found(identifier: str) -> ImageNotFoundError:
    return ImageNotFoundError(f"There is no image {identifier!r}.")
