"""Reads of image records. Nothing here writes, and no ORM object leaves on the way to an IIIF answer."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.storage import InvalidStorageError
from django.core.signals import setting_changed
from django.db import DatabaseError, transaction
from django.dispatch import receiver

from caching.bus import get_bus, news_missed, news_received
from images.conf import conf
from images.iiif.capabilities import Capabilities
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.indexes.description import SourceDescription
from images.models import CopyPolicy, Image, ServiceCopy, ServiceCopyState, Tiling
from images.selectors.asking import Turns, ask
from images.selectors.last_known import bury_record, forget_record, is_buried, recall_record, remember_record
from images.selectors.memo import RecordMemo
from images.selectors.profiles import (
    ServedProfile,
    capabilities_within,
    narrowed_limits,
    served_profile,
)
from images.selectors.record import read_record
from images.selectors.stores import store_location, url_location
from images.sources.location import Location
from images.sources.stored import stored_location

logger = logging.getLogger(__name__)

_RECORDS, _EVERY_RECORD = "records", "every-record"


class ImageNotFoundError(LookupError):
    """No image is registered under the identifier."""


class ImageNotReadyError(LookupError):
    """The image is registered but has no indexed version yet: `state` is pending, processing or failed."""

    def __init__(self, identifier: str, state: str, detail: str) -> None:
        super().__init__(f"The image {identifier!r} is {state}{f': {detail}' if detail else '.'}")
        self.state = state
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ServedImage:
    """All that an answer needs to know of an image, as of one version. `modified` is when that version was indexed.

    `copy` is the same image as its service copy has it, if there is one of this version: with other `description`,
    `location` and `etag`, and a `copy_fingerprint`, which only copies have. `wants_copy`: one is to be made as soon as
    the image is looked at. `information` is what is added to info.json, of the profile and of the image.
    """

    pk: int
    uuid: str
    identifier: str
    version: int
    full: Size
    tile: Size
    description: SourceDescription
    location: Location
    etag: str
    modified: datetime
    record_modified: datetime
    label: str
    rights: str
    attribution: str
    metadata: tuple[tuple[str, str], ...]
    limits: Limits
    profile: ServedProfile
    information: Mapping[str, Any] = field(default_factory=dict)
    copy: "ServedImage | None" = None
    copy_fingerprint: str = ""
    wants_copy: bool = False

    @property
    def capabilities(self) -> Capabilities:
        """What is answered for this image: its profile's, under its own limits."""
        return capabilities_within(self.profile.capabilities, self.limits)


_memo: RecordMemo[ServedImage] = RecordMemo(
    lambda known, served: known == served and known.location.is_fetched_like(served.location)
)
setting_changed.connect(_memo.clear, dispatch_uid="images.selectors.memo")
_turns = Turns()


def forget_served_image(identifier: str) -> None:
    """Drop what is remembered of an image: here at once, and everywhere when the transaction that runs is committed."""
    _memo.discard(identifier)
    transaction.on_commit(partial(_tell_all, identifier))


def forget_deleted_image(identifier: str, uuid: str) -> None:
    """The same for an image that is deleted: it does not come back while the database is down."""
    forget_served_image(identifier)
    transaction.on_commit(partial(bury_record, uuid))


def forget_served_images() -> None:
    """The same for all images: something changed that many of them hang on."""
    _memo.expire()
    transaction.on_commit(partial(get_bus().publish, _EVERY_RECORD))


def _tell_all(identifier: str) -> None:
    forget_record(identifier)
    get_bus().publish(_RECORDS, identifier)


@receiver(news_received, dispatch_uid="images.selectors.news_received")
def _hear(topic: str, names: Sequence[str], **_kwargs: object) -> None:
    if topic == _EVERY_RECORD:
        _memo.expire()
    elif topic == _RECORDS:
        for identifier in names:
            _memo.discard(identifier)


@receiver(news_missed, dispatch_uid="images.selectors.news_missed")
def _trust_nothing(**_kwargs: object) -> None:
    _memo.expire()


def get_served_image(identifier: str) -> ServedImage:
    """The current version of an image, memoised; one query at most, and one for all threads that ask at the same time.

    Raises ImageNotFoundError, ImageNotReadyError; DatabaseError only for images that neither this process nor, in
    Redis, any other knows.
    """
    served = _recall(identifier)
    if served is not None:
        return served
    if conf.served_image_ttl_seconds <= 0:  # nothing is trusted: each thread asks for itself
        return _ask_for(identifier)
    with _turns.turn(identifier):
        return _recall(identifier) or _ask_for(identifier)


def _recall(identifier: str) -> ServedImage | None:
    """Raises ImageNotFoundError where there was none a moment ago."""
    served = find_remembered_image(identifier)
    if served is None and _memo.is_unknown(identifier, conf.unknown_image_ttl_seconds):
        raise _not_found(identifier)
    return served


def _ask_for(identifier: str) -> ServedImage:
    get_bus().listen()
    moment = _memo.moment()
    try:
        image = ask(partial(read_record, identifier))
    except DatabaseError:
        stale = _find_stale(identifier)
        if stale is None:
            raise
        return stale
    if image is None:
        _memo.put_unknown(identifier, moment)
        raise _not_found(identifier)
    try:
        served = _served(image)
    except LookupError:
        _memo.discard(identifier)
        raise
    remembered = _memo.put(identifier, served, moment)
    if remembered is served:  # it is new here, or has changed
        remember_record(image)
    return remembered


def is_served_image_current(served: ServedImage) -> bool:
    """Whether the record still says what was read of it; one query, whatever is remembered. Raises DatabaseError."""
    image = read_record(served.identifier)
    try:
        return image is not None and _served(image) == served
    except LookupError:
        return False


def _find_stale(identifier: str) -> ServedImage | None:
    """The image as it was last known, here or by others."""
    served = _memo.get_stale(identifier)
    if served is not None and is_buried(served.uuid, otherwise=False):  # while this process could not hear of it
        _memo.discard(identifier)
        served = None
    if served is None:
        image = recall_record(identifier)
        served = None if image is None else _served(image)
    return None if served is None else _memo.put(identifier, served)


def _not_found(identifier: str) -> ImageNotFoundError:
    return ImageNotFoundError(f"There is no image {identifier!r}.")


def find_remembered_image(identifier: str) -> ServedImage | None:
    """The same without a query: None where this process has to ask again. While nothing changes, the same object."""
    return _memo.get(identifier, conf.served_image_ttl_seconds)


def _served(image: Image) -> ServedImage:
    """Raises ImageNotReadyError."""
    identifier = image.identifier
    tiling = getattr(image, "tiling", None)
    if tiling is None or tiling.schema != Tiling.SCHEMA or tiling.version != image.version:
        raise ImageNotReadyError(identifier, image.state, image.error_detail)
    if image.error_code == "quarantined":
        raise ImageNotReadyError(identifier, image.state, image.error_detail)
    description = SourceDescription.from_json(tiling.description)
    copy: ServiceCopy | None = getattr(image, "service_copy", None)
    profile = served_profile(image.profile)
    tile_size = profile.tile_size
    served = ServedImage(
        pk=image.pk,
        uuid=image.uuid.hex,
        identifier=image.identifier,
        version=image.version,
        full=Size(description.width, description.height),
        tile=Size(tile_size, tile_size) if tile_size else Size(tiling.tile_width, tiling.tile_height),
        description=description,
        location=tiling_location(tiling),
        etag=tiling.etag,
        modified=tiling.created,
        record_modified=image.modified,
        label=image.label,
        rights=image.rights or profile.rights,
        attribution=image.attribution or profile.attribution,
        metadata=metadata_pairs(image.metadata),
        limits=image_limits(image, profile),
        profile=profile,
        information={**profile.information, **image.information},
        wants_copy=image.effective_copy_policy == CopyPolicy.ON_FIRST_VIEW
        and (copy is None or copy.version != image.version),
    )
    return served if copy is None else replace(served, copy=_served_copy(served, copy))


def _served_copy(served: ServedImage, copy: ServiceCopy) -> ServedImage | None:
    is_ready = copy.state == ServiceCopyState.READY and copy.schema == ServiceCopy.SCHEMA
    if (
        not is_ready
        or copy.description is None
        or copy.version != served.version
        or copy.storage not in settings.STORAGES
    ):
        return None
    try:
        location = stored_location(copy.storage, copy.name)
    except InvalidStorageError as error:
        logger.warning("The service copy of image %s cannot be served: %s", served.identifier, error)
        return None
    return replace(
        served,
        description=SourceDescription.from_json(copy.description),
        location=location,
        etag=copy.etag,
        copy_fingerprint=copy.encoding,
        wants_copy=False,
    )


def image_location(image: Image) -> Location:
    """Where the source of a record lies. Raises SourceError where its store names a storage that there is not."""
    return url_location(image.url) if image.store is None else store_location(image.store, image.key)


def tiling_location(tiling: Tiling) -> Location:
    """Where that lies which the tiling was read of. Raises as `image_location`."""
    return url_location(tiling.url) if tiling.store is None else store_location(tiling.store, tiling.key)


def metadata_pairs(metadata: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(metadata, list):
        return ()
    return tuple((str(row.get("label", "")), str(row.get("value", ""))) for row in metadata if isinstance(row, dict))


def image_limits(image: Image, profile: ServedProfile) -> Limits:
    """The smaller of the profile's and the image's own."""
    own = Limits(max_width=image.max_width, max_height=image.max_height, max_area=image.max_area)
    return narrowed_limits(profile.capabilities.limits, own)
