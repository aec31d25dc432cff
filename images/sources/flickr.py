"""Sources that are photos on Flickr: asked for by number, fetched in the largest size that there is.

The order is that of go-iiif: the original first, then from the largest to the smallest.
"""

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from images.sources.answers import require_usable
from images.sources.connection import Resolve, resolve_host
from images.sources.credentials import NO_CREDENTIALS, Credentials
from images.sources.deadline import Deadline
from images.sources.errors import (
    SourceAnswerError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from images.sources.fetch import get
from images.sources.http import HttpOptions, open_url
from images.sources.location import Location
from images.sources.reader import ByteReader

_PHOTO = re.compile(r"[0-9]{1,20}", re.ASCII)
_MAX_ANSWER_BYTES = 65_536
_URLS = 10_000
_URL_SECONDS = 3600.0
_NOT_FOUND, _BAD_KEY = 1, 100  # codes of flickr.photos.getSizes and of the API
_LARGEST_FIRST = ("Original", "Large 2048", "Large 1600", "Large", "Medium 800", "Medium 640", "Medium")
_SMALLER = ("Small 320", "Small", "Thumbnail", "Large Square", "Square")


def open_photo(location: Location, etag: str | None = None, *, resolve: Resolve = resolve_host) -> ByteReader:
    """Open the photo whose number is the key. Raises SourceError.

    Flickr is asked where the photo lies; with `etag`, once in an hour at most.
    """
    if not _PHOTO.fullmatch(location.key):
        raise SourceNotAllowedError("A photo on Flickr is named by its number.", f"key {location.key!r}")
    given = dict(location.options)
    api_url, credentials = str(given.pop("api_url")), given.pop("credentials", NO_CREDENTIALS)
    options = HttpOptions.from_mapping(given)
    name = (api_url, credentials.reference, location.key)
    url = _urls.find(name) if etag is not None else None
    if url is None:
        url = photo_url(api_url, location.key, credentials, options, resolve)
        _urls.put(name, url)
    return open_url(Location("http", "", url, given, location.retrieval), etag, resolve=resolve)


class _Urls:
    """Where photos were found to lie, for an hour."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._urls: OrderedDict[tuple[str, str, str], tuple[float, str]] = OrderedDict()

    def find(self, name: tuple[str, str, str]) -> str | None:
        with self._lock:
            since, url = self._urls.get(name, (float("-inf"), ""))
        return url if time.monotonic() - since < _URL_SECONDS else None

    def put(self, name: tuple[str, str, str], url: str) -> None:
        with self._lock:
            self._urls[name] = (time.monotonic(), url)
            if len(self._urls) > _URLS:
                self._urls.popitem(last=False)


_urls = _Urls()


def photo_url(api_url: str, photo: str, credentials: Credentials, options: HttpOptions, resolve: Resolve) -> str:
    """The URL of the largest size of a photo. Raises SourceError."""
    key = credentials.values().get("API_KEY", "")
    query = {
        "method": "flickr.photos.getSizes", "photo_id": photo, "api_key": key, "format": "json", "nojsoncallback": "1"
    }  # fmt: skip
    deadline = Deadline(options.total_seconds)
    with get(f"{api_url}?{urlencode(query)}", options.route(resolve), deadline, {}) as answer:
        require_usable(answer)
        body = b""
        while piece := answer.read(_MAX_ANSWER_BYTES):
            body += piece
            if len(body) > _MAX_ANSWER_BYTES:
                raise SourceAnswerError("Flickr's answer is too long.")
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SourceAnswerError("Flickr's answer is not what its documentation says.")
    if document.get("stat") != "ok":
        raise _failure(document)
    return largest(document)


def largest(document: Mapping[str, Any]) -> str:
    """The URL of the size that comes first in the order above. Raises SourceAnswerError, SourceNotFoundError."""
    try:
        urls = {str(size["label"]): str(size["source"]) for size in document["sizes"]["size"]}
    except (KeyError, TypeError):
        raise SourceAnswerError("Flickr's answer is not what its documentation says.") from None
    for label in (*_LARGEST_FIRST, *_SMALLER):
        if label in urls:
            return urls[label]
    raise SourceNotFoundError("Flickr has no size of this photo that may be fetched.")


def _failure(document: Mapping[str, Any]) -> SourceError:
    code = document.get("code")
    if code == _NOT_FOUND:
        return SourceNotFoundError("There is no such photo on Flickr, or it is not public.")
    if code == _BAD_KEY:
        return SourceForbiddenError("Flickr does not accept the API key of the store.")
    return SourceAnswerError("Flickr cannot answer for this photo.", f"code {code!r}")
