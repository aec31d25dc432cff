"""What each place of the caches holds of its budget, now."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from caching.backends.protocol import Usage
from caching.derivatives import get_derivative_cache
from caching.errors import CacheError
from caching.sources.caches import get_source_caches

logger = logging.getLogger(__name__)

FIRST = "derivatives"
"""The first tier of derivatives; those below it are called as they are."""


@dataclass(frozen=True, slots=True)
class Holding:
    """`kind` is "derivatives" or "sources"; `usage` is None where the place cannot be asked."""

    kind: str
    name: str
    usage: Usage | None


def list_holdings() -> list[Holding]:
    """Of this host, and of the tiers that it shares with others; no folder is walked. Raises nothing."""
    return list(_holdings())


def _holdings() -> Iterator[Holding]:
    cache = get_derivative_cache()
    try:
        yield Holding("derivatives", FIRST, cache.usage())
    except CacheError as error:
        logger.warning("the cache does not say what it holds: %s", error.detail)
        yield Holding("derivatives", FIRST, None)
    usages = cache.far_usage()
    for name in cache.far_names:
        yield Holding("derivatives", name, usages.get(name))
    sources = get_source_caches()
    held = sources.usage()
    for name in sources.folders:
        yield Holding("sources", name, held.get(name))


def held_bytes() -> dict[str, int]:
    """By kind and name, as "sources/blocks"; of those that can be asked."""
    return {f"{one.kind}/{one.name}": one.usage.held.bytes for one in list_holdings() if one.usage is not None}
