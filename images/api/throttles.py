"""How often one caller may ask: by token, by user, or by address."""

import logging
from typing import Any

from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from images.api.conf import api_conf
from images.models import ApiToken

logger = logging.getLogger(__name__)


class CallerThrottle(SimpleRateThrottle):
    """IIIF_API_RATES: `anonymous`, `read` and `write`. Counted in Django's cache; while that is away, nobody waits."""

    cache_format = "api-throttle-%(scope)s-%(ident)s"

    def __init__(self) -> None:
        """The rate depends on the request."""

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = _kind(request)
        self.rate = api_conf.rates[self.scope]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        try:
            return super().allow_request(request, view)
        except (OSError, RedisError) as error:
            logger.warning("The cache that counts requests cannot be reached: %s", error)
            return True

    def get_cache_key(self, request: Request, _view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": _caller(request)}


def _kind(request: Request) -> str:
    if not request.user.is_authenticated:
        return "anonymous"
    return "read" if request.method in {"GET", "HEAD"} else "write"


def _caller(request: Request) -> str:
    if isinstance(request.auth, ApiToken):
        return f"token-{request.auth.pk}"
    if request.user.is_authenticated:
        return f"user-{request.user.pk}"
    return str(request.META.get("REMOTE_ADDR", ""))
