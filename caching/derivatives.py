"""The derivative cache of this process, as the settings describe it, and what it hears of other processes."""

import os
from collections.abc import Sequence

from django.dispatch import receiver

from caching.backends.registry import build_tiers
from caching.bus import get_bus, news_missed, news_received
from caching.conf import conf
from caching.counters import get_counters
from caching.derivative_cache import DerivativeCache
from caching.locks import KeyLocks, Locks
from caching.node_locks import NodeLocks, SharedLocks
from caching.once import Once
from caching.production import Derivative, Outcome, Production
from caching.second_demand import SecondDemand
from caching.shared import find_shared_server
from caching.singleflight import SingleFlight
from caching.stats import CacheStats
from caching.tiers import FarTier, FarTiers

__all__ = ["Derivative", "DerivativeCache", "Outcome", "Production", "get_derivative_cache"]

_DISCARDED = "discarded"


@Once
def get_derivative_cache() -> DerivativeCache:
    """The cache that the settings describe; one per process."""
    is_on = conf.switch != "off"
    near, *below = build_tiers(conf.tiers if is_on else [{"BACKEND": "null"}])
    far = FarTiers(
        [
            FarTier(
                tier.name,
                tier.backend,
                CacheStats(get_counters(), "iiif_derivative_tier", tier=tier.name),
                waiting=conf.tier_queue,
                entry_bytes=conf.entry_bytes,
            )
            for tier in below
        ]
    )
    locks = _build_locks(far)
    return DerivativeCache(
        near.backend,
        # Half a follower's patience: a leader that waits for another process must not lose them all.
        SingleFlight(locks, lock_seconds=conf.wait_seconds / 2),
        wait_seconds=conf.wait_seconds,
        entry_bytes=conf.entry_bytes,
        memory_bytes=conf.memory_bytes if is_on else 0,
        bypass_seconds=conf.bypass_seconds,
        locks=locks,
        far=far,
        demand=SecondDemand(conf.second_demand_seconds, find_shared_server()),
        announce=lambda image, before_version: get_bus().publish(_DISCARDED, image, before_version),
        counters=get_counters(),
    )


def _build_locks(far: FarTiers) -> Locks | None:
    """Between nodes, too, where there is a tier in which one finds what the other has made."""
    host = KeyLocks(conf.lock_file) if conf.lock_file is not None else None
    server = find_shared_server()
    return host if server is None or not far else NodeLocks(host, SharedLocks(server), far.after_writes)


@receiver(news_received, dispatch_uid="caching.derivatives.news_received")
def _hear(topic: str, names: Sequence[str], **_kwargs: object) -> None:
    if topic == _DISCARDED and get_derivative_cache.is_made:
        image, before_version = names
        get_derivative_cache().follow(image or None, int(before_version) if before_version else None)


@receiver(news_missed, dispatch_uid="caching.derivatives.news_missed")
def _forget_all(**_kwargs: object) -> None:
    if get_derivative_cache.is_made:
        get_derivative_cache().forget()


os.register_at_fork(after_in_child=get_derivative_cache.cache_clear)
