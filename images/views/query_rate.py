"""How often one address may have sets of images looked for."""

import logging
from collections.abc import Callable
from time import time

from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from images.conf import conf

_MINUTE = 60
logger = logging.getLogger(__name__)


class QueryRateError(Exception):
    """An address has asked too often; it may ask again in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Sets were looked for too often from your address; ask again in {seconds} seconds.")
        self.seconds = seconds


def admission(request: HttpRequest) -> Callable[[], None]:
    """To be called before a search: counts it for the address, and raises QueryRateError where it is one too many.

    Counted in Django's cache, by the minute (IIIF_QUERIES_PER_MINUTE); while that is away, nobody waits.
    """

    def admit() -> None:
        minute, second = divmod(int(time()), _MINUTE)
        name = f"iiif:query-rate:{request.META.get('REMOTE_ADDR', '')}:{minute}"
        try:
            cache.add(name, 0, 2 * _MINUTE)
            count = cache.incr(name)
        except (OSError, RedisError, ValueError) as error:  # ValueError: the entry is gone again
            logger.warning("The cache that counts named queries cannot be reached: %s", error)
            return
        if count > conf.queries_per_minute:
            raise QueryRateError(_MINUTE - second)

    return admit
