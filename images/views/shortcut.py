"""The short way: stored tiles and kept derivatives leave without Django's request machinery.

A WSGI application (PEP 3333) in front of Django's. It answers GET and HEAD of images that need no decoder and no query,
with the status, headers and bytes that Django's way gives, and small ones that a decoder makes of a TIFF without asking
the database; everything else it passes on as it came: what is unknown or not yet kept, and each image once in
IIIF_SERVED_IMAGE_TTL, which reads its record again.
"""

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import get_path_info
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.cache import get_conditional_response

from caching.derivatives import Derivative, get_derivative_cache
from caching.traffic import Answered, get_traffic
from images.conf import conf
from images.decoders.pass_through import PassThrough
from images.iiif.path import ImagePath, parse_path
from images.iiif.request import parse_image_request
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage, find_remembered_image
from images.services.copy_answers import answering
from images.services.planning import derivative_key, find_remembered_piece
from images.services.producing import image_render_stored
from images.services.rendering import image_make_tile
from images.sources.errors import SourceUnreachableError
from images.views.answers import ImageAnswer, image_answer
from images.views.counting import answered_by, count_passed_on
from images.views.errors import SERVED_ERRORS, exception_response
from images.views.headers import IIIF_HEADERS, WHOLE_BYTES, is_iiif_path

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

logger = logging.getLogger(__name__)

_REMEMBERED = 8192
"""Requests, of 2 KB each: all tiles of a few images of 100 megapixels."""

_TURN_SECONDS = 0.005

_PATH = re.compile(r"/iiif/(?:([23])/)?(.*)", re.DOTALL)
_METHODS = frozenset({"GET", "HEAD"})
_CONDITIONS = frozenset({"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"})
_RARE_CONDITIONS = frozenset({"HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"})
_OK, _NOT_MODIFIED = "200 OK", "304 Not Modified"


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that was understood.

    `source`: the image, or the service copy that answers in its place. `stored`: the tile of it that is the answer, if
    one is.
    """

    answer: ImageAnswer
    source: ServedImage
    stored: PassThrough | None


@dataclass(frozen=True, slots=True)
class Response:
    """`byte_size` is that of the body; `answered` says where it came from."""

    status: str
    headers: Sequence[tuple[str, str]]
    answered: str
    image: str
    byte_size: int = 0
    body: Iterable[bytes] = ()


_Name = tuple[str, str, str]


class _Memo:
    """The requests used last. Whoever takes one looks whether its image is still the one that is served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: OrderedDict[_Name, _Request] = OrderedDict()

    def get(self, name: _Name) -> _Request | None:
        with self._lock:
            request = self._requests.get(name)
            if request is not None:
                self._requests.move_to_end(name)
            return request

    def put(self, name: _Name, request: _Request) -> None:
        with self._lock:
            self._requests[name] = request
            if len(self._requests) > _REMEMBERED:
                self._requests.popitem(last=False)

    def clear(self, **_kwargs: object) -> None:
        with self._lock:
            self._requests.clear()


_memo = _Memo()
setting_changed.connect(_memo.clear, dispatch_uid="images.views.shortcut")


class Turn:
    """The right to be the one thread of this process that understands requests and reads tiles of local files.

    Python runs one thread at a time and changes it at every read: threads that do the same at once wait for each other
    several times in a request, and some for long. Where a disk is slow nobody waits longer than `_TURN_SECONDS`.
    """

    __slots__ = ("_has_begun",)

    def __init__(self) -> None:
        self._has_begun = _turns.acquire(timeout=_TURN_SECONDS)

    def end(self) -> None:
        if self._has_begun:
            self._has_begun = False
            _turns.release()


_turns = threading.Lock()


class Shortcut:
    """`application` is Django's; `origin_of` gives scheme and host under which a request came in.

    It may raise SuspiciousOperation, and is asked only where IIIF_BASE_URL does not say it.
    """

    def __init__(self, application: Application, origin_of: Callable[[Environ], str]) -> None:
        self._application = application
        self._origin_of = origin_of

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = time.perf_counter()
        response = None
        if environ["REQUEST_METHOD"] in _METHODS and is_iiif_path(environ.get("PATH_INFO", "")):
            turn = Turn()
            try:
                response = self._respond(environ, turn)
            except (*SERVED_ERRORS, SuspiciousOperation):
                pass  # Django's way says it in words
            except Exception:
                logger.exception("the short way failed", extra={"path": environ["PATH_INFO"][:500]})
            finally:
                turn.end()
        if response is None:
            return count_passed_on(self._application(environ, start_response), started)
        start_response(response.status, [*response.headers, *IIIF_HEADERS])
        get_traffic().note(response.answered, time.perf_counter() - started, response.byte_size, response.image)
        return response.body

    def _respond(self, environ: Environ, turn: Turn) -> Response | None:
        request = self._understand(environ)
        if request is None or request.stored is None or request.source.location.kind != "filesystem":
            turn.end()
        if request is None or not _RARE_CONDITIONS.isdisjoint(environ):
            return None
        answer = request.answer
        if not _CONDITIONS.isdisjoint(environ) and _is_known(environ, answer):
            headers = (*answer.headers, *answer.validators)
            return Response(_NOT_MODIFIED, headers, Answered.NOT_MODIFIED, answer.served.identifier)
        if environ["REQUEST_METHOD"] == "HEAD":
            derivative = get_derivative_cache().find(answer.key)
            return None if derivative is None else _without_body(answer, derivative)
        derivative = None
        if request.stored is not None:
            try:
                derivative = image_render_stored(request.source, request.stored)
            except SourceUnreachableError as error:
                if answer.served.copy is not None:  # the source may answer in its place
                    raise
                return _failed(answer, error)
        turn.end()
        if derivative is None:
            derivative = get_derivative_cache().find(answer.key)
        if derivative is None:
            try:
                derivative = image_make_tile(request.source, answer.resolved, answer.key, request.stored)
            except SERVED_ERRORS as error:
                return _failed(answer, error)
        return None if derivative is None else _with_body(answer, derivative)

    def _understand(self, environ: Environ) -> _Request | None:
        """What is asked for, from memory or parsed anew; None where that needs the database."""
        origin = conf.base_url or self._origin_of(environ)
        name = (origin, environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        known = _memo.get(name)
        if known is not None and _is_current(known):
            return known
        request = _parse(environ, origin)
        if request is not None:
            _memo.put(name, request)
        return request


def split_path(environ: Environ) -> tuple[str, str]:
    """Of a path below /iiif/: the version as written, or "", and what stands after it."""
    match = _PATH.fullmatch(get_path_info(environ))
    return (match[1] or "", match[2]) if match else ("", "")


def _parse(environ: Environ, origin: str) -> _Request | None:
    match = _PATH.fullmatch(get_path_info(environ))
    path = parse_path(match[2]) if match else None
    if match is None or not isinstance(path, ImagePath):
        return None
    served = find_remembered_image(path.identifier)
    if served is None or served.wants_copy:
        return None
    version = ApiVersion(int(match[1] or conf.default_api_version))
    parameters = parse_image_request(path.region, path.size, path.rotation, path.quality_format, version)
    root = f"{origin}/iiif/{match[1]}/" if match[1] else f"{origin}/iiif/"
    answer = image_answer(served, parameters, root, environ.get("QUERY_STRING", ""))
    source = answering(served, answer.resolved)
    is_remembered, stored = find_remembered_piece(served, answer.resolved)
    request = _Request(answer, source, stored)
    return request if is_remembered and _is_current(request) else None


def _is_current(request: _Request) -> bool:
    """Whether the image is still the one that is served, and from where it was."""
    served = request.answer.served
    is_served = find_remembered_image(served.identifier) is served
    if not is_served or served.copy is None:
        return is_served
    resolved = request.answer.resolved  # a copy may be given up at any time; then the answer has another name
    return answering(served, resolved) is request.source and derivative_key(served, resolved) == request.answer.key


def _is_known(environ: Environ, answer: ImageAnswer) -> bool:
    """Whether the client has this very answer already (RFC 9110, section 13)."""
    request = cast("HttpRequest", SimpleNamespace(META=environ, method=environ["REQUEST_METHOD"]))
    return get_conditional_response(request, answer.etag, answer.modified_seconds) is not None


def _headers(answer: ImageAnswer, derivative: Derivative) -> list[tuple[str, str]]:
    return [
        ("Content-Type", derivative.content_type),
        ("Content-Length", str(derivative.length)),
        *answer.headers,
        *answer.validators,
    ]


def _failed(answer: ImageAnswer, error: Exception) -> Response:
    """Said here: to try again by Django's way would cost, and wait for, as much again."""
    said = exception_response(error)
    headers = [*said.items(), ("Content-Length", str(len(said.content)))]
    status = f"{said.status_code} {said.reason_phrase}"
    return Response(status, headers, answered_by(said), answer.served.identifier, body=[said.content])


def _without_body(answer: ImageAnswer, derivative: Derivative) -> Response:
    derivative.close()
    return Response(_OK, _headers(answer, derivative), derivative.outcome, answer.served.identifier)


def _with_body(answer: ImageAnswer, derivative: Derivative) -> Response:
    """Larger bodies are relayed piece by piece; the server closes them."""
    length = derivative.length or 0
    is_small = derivative.length is not None and length <= WHOLE_BYTES
    body = list(derivative.chunks) if is_small else derivative.chunks
    headers = _headers(answer, derivative)
    return Response(_OK, headers, derivative.outcome, answer.served.identifier, length, body)
