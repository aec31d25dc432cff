"""Files of forms on their way: a temporary folder that cannot take one costs that file, not the form around it."""

import io
import logging
from contextlib import suppress
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler

logger = logging.getLogger(__name__)


class _Unwritten(io.BytesIO):
    """What stands for a file that could not be written: whoever reads it learns why."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def read(self, _size: int | None = -1) -> bytes:
        raise self.error


class PatientUploadHandler(TemporaryFileUploadHandler):
    """Django's own, but where the folder refuses the file, the rest of the form is read all the same.

    Reading the file then raises the OSError of the folder, so that the form can say it at its field. Nothing of the
    file is left in the folder.
    """

    _error: OSError | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self._error = None
        try:
            super().new_file(*args, **kwargs)
        except OSError as error:
            self._give_up(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._error is not None:
            return
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError as error:
            self._remove()
            self._give_up(error)

    def file_complete(self, file_size: int) -> UploadedFile[bytes] | None:
        if self._error is None:
            try:
                return super().file_complete(file_size)
            except OSError as error:  # what was still buffered
                self._remove()
                self._give_up(error)
                stand_in = _Unwritten(error)
        else:
            stand_in = _Unwritten(self._error)
        return UploadedFile(stand_in, self.file_name, self.content_type, file_size, self.charset)

    def upload_interrupted(self) -> None:
        if self._error is None:
            super().upload_interrupted()

    def _give_up(self, error: OSError) -> None:
        logger.error("the temporary folder takes no upload", exc_info=error)
        self._error = error

    def _remove(self) -> None:
        with suppress(OSError):  # it cannot write what is buffered, and removes the file even so
            self.file.close()
