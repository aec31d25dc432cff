"""The short way where a web server in front sends again what left it once (`images.services.offload`)."""

from collections.abc import Callable
from typing import Any

from images.conf import conf
from images.iiif.identifiers import encode_identifier
from images.iiif.path import ImagePath, parse_path
from images.services.foreseen import is_foreseen
from images.services.offload import Offload, find_tree
from images.views.answers import ImageAnswer
from images.views.shortcut import Application, Environ, Response, Shortcut, split_path


class OffloadingShortcut(Shortcut):
    def __init__(self, application: Application, origin_of: Callable[[Environ], str], offload: Offload) -> None:
        super().__init__(application, origin_of)
        self._offload = offload

    def _respond(self, environ: Environ) -> Response | None:
        response = super()._respond(environ)
        if (
            response is not None
            and response.status == "200 OK"
            and environ["REQUEST_METHOD"] == "GET"
            and isinstance(response.body, list)
            and not environ.get("QUERY_STRING")
        ):
            self._offer(environ, response)
        return response

    def _offer(self, environ: Environ, response: Response) -> None:
        """Publish what was foreseen, under the spelling that was asked for."""
        request = self._understand(environ)
        if request is None or ("ETag", request.answer.etag) not in response.headers:
            return
        answer: ImageAnswer = request.answer
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
            self._offload.publish(answer.served, tree, spelling, answer.key, b"".join(response.body))
