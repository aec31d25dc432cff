"""Request bodies, read within limits: JSON, CSV, and uploads that go to the upload storage while they arrive."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http.multipartparser import MultiPartParser as DjangoMultiPartParser
from django.http.multipartparser import MultiPartParserError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from images.api.problems import ApiError
from images.conf import conf
from images.services.uploads import UploadSink, UploadTooLargeError

_FORM_BYTES = 1_048_576
"""What a form may have beside its file."""

_JSON_FIELDS = frozenset({"metadata", "source"})


class JSONParser(BaseParser):
    """JSON of at most IIIF_API_MAX_BODY_BYTES."""

    media_type = "application/json"

    def parse(self, stream: Any, _media_type: str | None = None, _context: Mapping[str, Any] | None = None) -> Any:
        return _parse_json(_read_text(stream), "The body")


class CSVParser(BaseParser):
    """The text of a table, as it is; of at most IIIF_API_MAX_BODY_BYTES."""

    media_type = "text/csv"

    def parse(self, stream: Any, _media_type: str | None = None, _context: Mapping[str, Any] | None = None) -> Any:
        return _read_text(stream)


class UploadParser(BaseParser):
    """A form with one file in the field `file`, written to the upload storage while it is looked at.

    The view's `upload` is the file from its first byte on, so that the view can remove it whatever happens. Fields are
    texts; `metadata` and `source` are JSON.
    """

    media_type = "multipart/form-data"

    def parse(self, stream: Any, media_type: str | None = None, context: Mapping[str, Any] | None = None) -> Any:
        context = context or {}
        meta = {**context["request"].META, "CONTENT_TYPE": media_type}
        if _content_length(meta) > conf.upload_max_bytes + _FORM_BYTES:
            raise UploadTooLargeError(f"The upload is larger than {conf.upload_max_bytes:,} bytes.")
        try:
            fields, _files = DjangoMultiPartParser(meta, stream, [SinkHandler(context["view"])], "utf-8").parse()
        except MultiPartParserError as error:
            raise ParseError(f"The form cannot be read: {error}") from error
        data: dict[str, Any] = {name: _form_value(name, str(fields[name])) for name in fields}
        upload = context["view"].upload
        if upload is not None:
            upload.finish()
            data["file"] = upload
        return data


class SinkHandler(FileUploadHandler):
    """Hands the bytes of the file to an `UploadSink`, which becomes the `upload` of `holder`."""

    def __init__(self, holder: Any) -> None:
        super().__init__()
        self.holder = holder

    def new_file(self, field_name: str, file_name: str, *_args: Any, **_kwargs: Any) -> None:
        if field_name != "file" or self.holder.upload is not None:
            raise SkipFile
        self.holder.upload = UploadSink(file_name, sniffed=True)

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> None:
        self.holder.upload.write(raw_data)

    def file_complete(self, _file_size: int) -> UploadedFile[bytes] | None:
        return None

    def upload_interrupted(self) -> None:
        raise ParseError("The upload ended before its end.")


def _form_value(name: str, value: str) -> Any:
    if name in _JSON_FIELDS and value:
        return _parse_json(value, f"The field {name}")
    return None if name == "collection" and not value else value


def _parse_json(text: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{what} is not JSON: {error}") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON value.")


def _read_text(stream: Any) -> str:
    limit = conf.api_max_body_bytes
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise ApiError(413, "too_large", f"The body is larger than {limit:,} bytes.")
    try:
        return str(body, "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error


def _content_length(meta: Mapping[str, Any]) -> int:
    try:
        return int(meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
