"""Indexes that an older version of this program stored, or that are missing, made anew.

Answers from an index of JPEG 2000 packets are bit for bit those from the file, so it is replaced in place: no key, no
ETag changes. What a TIFF index finds may be sent as it is stored, other bytes than without it: where there was none
that can be read, it comes with a new version. An older one that can be read, and finds the same, is replaced in place.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.utils import timezone

from images.indexes.description import SourceDescription, SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.tiff.index import SCHEMA as TIFF_SCHEMA
from images.indexes.tiff.index import TiffIndex
from images.models import Image, ImageState, Tiling
from images.selectors.images import forget_served_image, image_location
from images.services.indexing import index_source, index_tiff, is_index_current
from images.services.ingest import IngestRetryError, image_ingest
from images.sources.errors import SourceChangedError, SourceError
from images.sources.registry import open_source


class Rebuilt(enum.StrEnum):
    """What became of an image's index."""

    CURRENT = "current"
    REBUILT = "rebuilt"
    NEW_VERSION = "rebuilt with a new version"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason`: of a failure, in words for people."""

    rebuilt: Rebuilt
    reason: str = ""


def find_rebuildable(identifier: str | None = None) -> Iterator[tuple[int, str]]:
    """Key and identifier of each image in service whose source may have an index; of one image where it is named."""
    formats = (SourceFormat.JP2.value, SourceFormat.TIFF.value)
    images = Image.objects.filter(state=ImageState.READY, source_format__in=formats)
    if identifier is not None:
        images = images.filter(identifier=identifier)
    return images.order_by("pk").values_list("pk", "identifier").iterator()


def image_rebuild_index(pk: int) -> Outcome:
    """Make the index anew if it is not there or of another form."""
    image = Image.objects.select_related("store", "tiling").filter(pk=pk, state=ImageState.READY).first()
    tiling = getattr(image, "tiling", None)
    if image is None or tiling is None:
        return Outcome(Rebuilt.FAILED, "It is not in service.")
    if tiling.schema != Tiling.SCHEMA or tiling.version != image.version:
        return _ingest_again(image)
    description = SourceDescription.from_json(tiling.description)
    if description.source_format is SourceFormat.TIFF:
        return _rebuild_tiff(image, tiling, description)
    if is_index_current(description):
        return Outcome(Rebuilt.CURRENT)
    try:
        with open_source(image_location(image), etag=tiling.etag) as reader:
            described, index = index_source(description, reader)
            reader.verify()
    except SourceChangedError:
        return _ingest_again(image)
    except SourceError as error:
        return Outcome(Rebuilt.FAILED, str(error))
    return _replace(image, tiling, described, index)


def _replace(image: Image, tiling: Tiling, described: SourceDescription, index: bytes | None) -> Outcome:
    """In place."""
    Tiling.objects.filter(pk=tiling.pk, version=tiling.version, etag=tiling.etag).update(
        index=index, description=described.to_json()
    )
    forget_served_image(image.identifier)
    return Outcome(Rebuilt.REBUILT, described.detail.get("not_indexed", ""))


def _rebuild_tiff(image: Image, tiling: Tiling, description: SourceDescription) -> Outcome:
    """A TIFF may have nothing to index."""
    if tiling.index is None or TiffIndex.is_current(bytes(tiling.index)):
        return Outcome(Rebuilt.CURRENT)
    try:
        old = TiffIndex.from_bytes(bytes(tiling.index))
        with open_source(image_location(image), etag=tiling.etag) as reader:
            new = index_tiff(reader)
            reader.verify()
    except (IndexingError, SourceChangedError):
        return _ingest_again(image)
    except SourceError as error:
        return Outcome(Rebuilt.FAILED, str(error))
    if old is None or new is None or not new.finds_what(old):
        return _ingest_again(image)
    # Other processes remember indexes by this number, too.
    described = replace(description, detail={**description.detail, "index_schema": TIFF_SCHEMA})
    return _replace(image, tiling, described, new.to_bytes())


def _ingest_again(image: Image) -> Outcome:
    waiting = Image.objects.filter(pk=image.pk, state=ImageState.READY, version=image.version).update(
        state=ImageState.PENDING, state_changed=timezone.now(), attempts=0
    )
    if not waiting:
        return Outcome(Rebuilt.CURRENT)
    try:
        again = image_ingest(image.pk)
    except IngestRetryError as error:
        return Outcome(Rebuilt.FAILED, str(error))
    if again is not None and again.state == ImageState.FAILED:
        return Outcome(Rebuilt.FAILED, again.error_detail)
    return Outcome(Rebuilt.NEW_VERSION)
