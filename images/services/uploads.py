"""Uploaded sources: written to the upload storage piece by piece, looked at while they arrive."""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from django.utils.translation import gettext as _

from images.conf import conf
from images.indexes.errors import IndexingError
from images.indexes.sniff import SNIFF_BYTES, sniff
from images.models import Store
from images.services import upload_storage
from images.services.stores import store_for_uploads
from images.templatetags.iiif_urls import grouped

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of the errors of a disk that is full, or on which somebody may have no more."""

_COMPARED_BYTES = 1_048_576


class UploadError(ValueError):
    """What arrives cannot be taken."""

    code = "invalid"


class UploadTooLargeError(UploadError):
    """The upload is larger than IIIF_UPLOAD_MAX_BYTES."""

    code = "too_large"


class UploadNotAnImageError(UploadError):
    """Its first bytes are those of something that this server does not read."""

    code = "not_an_image"


class UploadSink:
    """A file that is being uploaded, under a name of our own; nobody sees it before `finish`.

    With `sniffed`, the first bytes must be those of a source format that is switched on. `discard` leaves nothing
    behind and is harmless at any time, also after `finish`.
    """

    def __init__(self, file_name: str, *, sniffed: bool) -> None:
        suffix = PurePosixPath(file_name).suffix.lower()
        self.key = f"{uuid.uuid4().hex}{suffix if suffix[1:].isalnum() and suffix.isascii() else ''}"
        self.store: Store = store_for_uploads()
        self.byte_size = 0
        self._is_kept = False
        self._head = b"" if sniffed else None
        self._partial = conf.upload_dir / f".{self.key}.part"
        self._file: BinaryIO = self._partial.open("xb")

    def write(self, chunk: bytes) -> None:
        """Raises UploadTooLargeError, UploadNotAnImageError, OSError."""
        self.byte_size += len(chunk)
        if self.byte_size > conf.upload_max_bytes:
            text = _("The upload is larger than %(limit)s bytes.")
            raise UploadTooLargeError(text % {"limit": grouped(conf.upload_max_bytes)})
        if self._head is not None:
            self._head += chunk[:SNIFF_BYTES]
            if len(self._head) >= SNIFF_BYTES:
                self._sniff()
        self._file.write(chunk)

    def finish(self) -> None:
        """Put the whole file in its place, on the disk for good. Raises UploadNotAnImageError, OSError."""
        if self._head is not None:
            self._sniff()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        upload_storage.keep(self.store, self._partial, self.key)
        self._is_kept = True

    def discard(self) -> None:
        with suppress(OSError):  # on a full disk what is still buffered cannot be written, and need not be
            self._file.close()
        self._partial.unlink(missing_ok=True)
        if self._is_kept:
            upload_storage.discard(self.store, self.key)

    def _sniff(self) -> None:
        head, self._head = self._head or b"", None
        if not head:
            raise UploadNotAnImageError(_("The file is empty."))
        try:
            source_format = sniff(head[:SNIFF_BYTES])
        except IndexingError as error:
            raise UploadNotAnImageError(error.detail) from error
        if source_format not in conf.source_formats:
            text = _("Sources in the format %(format)s are switched off on this server.")
            raise UploadNotAnImageError(text % {"format": source_format})


def uploads_are_equal(first: str, second: str) -> bool:
    """Whether two keys of the upload store name the same bytes; False where one is not there."""
    store = store_for_uploads()
    try:
        with upload_storage.reading(store, first) as one, upload_storage.reading(store, second) as other:
            while chunk := one.read(_COMPARED_BYTES):
                if chunk != other.read(_COMPARED_BYTES):
                    return False
            return not other.read(1)
    except OSError:
        return False
