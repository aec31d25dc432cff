"""Under which scheme and host requests come in: asked of Django once for each way in which they do."""

import io
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import setting_changed

from iiifserver.middleware import FORWARDED, TrustedProxies

_REMEMBERED = 1024
"""A server has few names; hosts that it does not answer to are not remembered."""

_ASKED = ("wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT")


class Origins:
    """`https://images.example.org` of a WSGI environment, which is left as it is.

    Raises DisallowedHost, which is a SuspiciousOperation.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], str] = {}
        self._proxies = TrustedProxies()
        setting_changed.connect(self._forget)

    def __call__(self, environ: dict[str, Any]) -> str:
        name = tuple(map(environ.get, _ASKED))
        if not environ.keys().isdisjoint(FORWARDED):
            name += tuple(map(environ.get, (*FORWARDED, "REMOTE_ADDR")))
        known = self._known.get(name)
        if known is None:
            known = self._ask(environ)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = known
        return known

    def _ask(self, environ: dict[str, Any]) -> str:
        request = WSGIRequest({**environ, "wsgi.input": io.BytesIO()})
        self._proxies.believe(request)
        return f"{request.scheme}://{request.get_host()}"

    def _forget(self, **_kwargs: object) -> None:
        self._known.clear()
        self._proxies = TrustedProxies()
