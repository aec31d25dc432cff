"""Image records as the REST API shows them, and the ETag that tells one state of a record from the next."""

import hashlib
import json

from django.db.models import QuerySet

from images.models import Image

ETAG_DIGITS = 32


def list_records() -> QuerySet[Image]:
    """All records with what a representation needs, in one query."""
    images = Image.objects.select_related("store", "collection", "profile", "tiling")
    return images.defer("tiling__index")


def record_etag(image: Image) -> str:
    """A strong ETag: it differs whenever anything of the record, its source or its collection's name does."""
    values = [getattr(image, field.attname) for field in Image._meta.concrete_fields]  # noqa: SLF001 - documented
    values += [image.store.name if image.store else None, image.collection.name if image.collection else None]
    values += [image.profile.name if image.profile else None]
    return f'"{hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:ETAG_DIGITS]}"'
