"""The short way where a web server in front sends again what left it once (`images.services.offload`).

Or sends the body of an answer whose status and headers are this server's: a thread is free again before the first byte
has left, however slow the client reads.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from caching.production import close_chunks
from images.conf import conf
from images.iiif.identifiers import encode_identifier
from images.iiif.path import ImagePath, parse_path
from images.offload_conf import offload_conf
from images.services.foreseen import is_foreseen
from images.services.offload import Offload, find_tree
from images.views.answers import ImageAnswer
from images.views.shortcut import Application, Environ, Response, Shortcut, Turn, split_path

_VERSION_ONLY = re.compile(r"(?:v=[0-9]+)?")
"""A query that this server's own pages add, so that browsers do not keep what was replaced."""

_NOT_FOUND = "HTTP_X_OFFLOAD_MISSED"
"""Set by the web server when it asks again, since the body had just been removed."""


class OffloadingShortcut(Shortcut):
    def __init__(self, application: Application, origin_of: Callable[[Environ], str], offload: Offload) -> None:
        super().__init__(application, origin_of)
        self._offload = offload
        self._publishes = "published" in offload_conf.ways
        self._accelerates = "accel" in offload_conf.ways

    def _respond(self, environ: Environ, turn: Turn) -> Response | None:
        response = super()._respond(environ, turn)
        turn.end()
        if response is None or response.status != "200 OK" or environ["REQUEST_METHOD"] != "GET":
            return response
        request = self._understand(environ)
        if request is None or ("ETag", request.answer.etag) not in response.headers:
            return response
        if self._publishes and isinstance(response.body, list) and _asks_no_more(environ):
            self._offer(environ, request.answer, response.body)
        if self._accelerates and response.byte_size >= offload_conf.accel_bytes and _NOT_FOUND not in environ:
            return self._accelerated(request.answer, response)
        return response

    def _accelerated(self, answer: ImageAnswer, response: Response) -> Response:
        """The same without its body where the web server has that."""
        path = self._offload.find_accelerated(answer.served, answer.key, response.byte_size)
        if path is None:
            return response
        close_chunks(iter(response.body))
        headers = [(name, value) for name, value in response.headers if name != "Content-Length"]
        return replace(response, headers=[*headers, ("X-Accel-Redirect", path)], body=())

    def _offer(self, environ: Environ, answer: ImageAnswer, body: list[bytes]) -> None:
        """Publish what was foreseen, under the spelling that was asked for."""
        if not is_foreseen(answer.served, answer.resolved):
            return
        version, rest = split_path(environ)
        path = parse_path(rest)
        if not isinstance(path, ImagePath):
            return
        spelling = f"{path.region}/{path.size}/{path.rotation}/{path.quality_format}"
        root = f"{conf.base_url or self._origin_of(environ)}/iiif/{version}{'/' if version else ''}"
        uri = root + encode_identifier(answer.served.identifier)
        headers: dict[str, Any] = dict(answer.headers)
        tree = find_tree(answer.served, headers["Link"], uri, spelling, version)
        if tree is not None:
            self._offload.publish(answer.served, tree, spelling, answer.key, b"".join(body))


def _asks_no_more(environ: Environ) -> bool:
    return _VERSION_ONLY.fullmatch(environ.get("QUERY_STRING", "")) is not None
