"""Derivatives in Redis, which the nodes share: within a budget of its own, the least recently used leave first.

    <prefix>entry:<image>/<version>-<digest>   the packed entry, for `seconds` since it was last used
    <prefix>image:<image>                      a hash: <version>-<digest> -> bytes, so that an image can be discarded
    <prefix>used                               a sorted set of <image>/<version>-<digest> by the time of their last use
    <prefix>held                               a hash: bytes and entries

Scripts change them together, by the clock of Redis. All of it lies on one server: a cluster would need other names.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from redis import Redis
from redis.commands.core import Script

from caching.backends.packing import pack, unpack
from caching.backends.protocol import Entry, SweepReport, Usage
from caching.backends.redis_scripts import DROP, FIND, PUT
from caching.backends.whole import WholeEntryWriter
from caching.breaker import Breaker
from caching.conf import conf
from caching.errors import CacheFullError, CorruptEntryError
from caching.eviction import NOTHING, Amount, EntryInfo, plan_eviction
from caching.keys import DerivativeKey
from caching.shared import SharedServer, find_shared_server

_SWEEP_SECONDS = 60
_AT_ONCE = 500
_TOUCH_SECONDS = 60
"""How often a hit may renew the time of the last use."""


class RedisBackend:
    """`url` is another server than IIIF_REDIS_URL; `seconds` is how long an unused entry stays.

    `entry_bytes`: longer ones would hold up everybody else who asks Redis. `low_water` and `image_share` are fractions
    of the budget, see caching.eviction. Raises ValueError where there is no server.
    """

    def __init__(
        self,
        byte_budget: int = 256 * 2**20,
        entry_budget: int = 20_000,
        *,
        url: str = "",
        namespace: str = "derivatives",
        seconds: int = 7 * 86_400,
        entry_bytes: int = 2**20,
        low_water: float = 0.9,
        image_share: float = 0.05,
    ) -> None:
        server = _server(url) if url else find_shared_server()
        if server is None:
            raise ValueError("there is no Redis: set REDIS_URL, or the option url")
        self._server = server
        self._prefix = f"{server.namespace}:{namespace}:"
        self._budget = Amount(byte_budget, entry_budget)
        self._seconds = seconds
        self._entry_bytes = entry_bytes
        self._low_water = low_water
        self._image_share = image_share

    def find(self, key: DerivativeKey) -> Entry | None:
        member = _member(key)
        data = self._run(FIND, [], [self._prefix, member, self._seconds, _TOUCH_SECONDS])
        if data is None:
            return None
        try:
            content_type, body = unpack(data, key.digest)
        except CorruptEntryError:
            self._drop([member])
            raise
        return Entry(content_type, len(body), iter((body,)))

    def open_writer(self, key: DerivativeKey, content_type: str) -> WholeEntryWriter:
        return WholeEntryWriter(lambda body: self._put(key, content_type, body), self._entry_bytes)

    def discard(self, image: str | None = None, before_version: int | None = None, *, dry_run: bool = False) -> Amount:
        freed = NOTHING
        for entries in self._pages(image):
            chosen = [each for each in entries if before_version is None or each.version < before_version]
            if dry_run:
                freed += _sum(chosen)
            else:
                freed += self._drop([_name(each) for each in chosen])
        return freed

    def sweep(self) -> SweepReport:
        lock = f"{self._prefix}sweep"
        if not self._server.call(lambda redis: redis.set(lock, b"1", nx=True, ex=_SWEEP_SECONDS)):
            return SweepReport(ran=False)
        try:
            return self._sweep()
        finally:
            self._server.call(lambda redis: redis.delete(lock))

    def usage(self) -> Usage:
        held = self._held()
        return Usage(Amount(max(0, held.bytes), max(0, held.entries)), self._budget)

    def _held(self) -> Amount:
        """As the account says, which may be below nothing until the next sweep."""
        found = self._server.call(lambda redis: redis.hmget(f"{self._prefix}held", ["bytes", "entries"]))
        held_bytes, entries = (int(value or 0) for value in cast("list[bytes | None]", found))
        return Amount(held_bytes, entries)

    def _sweep(self) -> SweepReport:
        now = int(cast("Any", self._server.call(lambda redis: redis.time()))[0])
        counted = self._held()
        entries = [entry for page in self._pages(None) for entry in page]
        # What others put and drop meanwhile goes on being counted: the account is set right, not set anew.
        self._correct(_sum(entry for entry in entries if entry.byte_size) - counted)
        gone = [entry for entry in entries if entry.used < now - self._seconds]
        self._drop([_name(entry) for entry in gone])
        left = [entry for entry in entries if entry.used >= now - self._seconds]
        chosen = plan_eviction(
            left,
            self._budget,
            now=now,
            grace_seconds=0,
            low_water=self._low_water,
            image_share=self._image_share,
            folder=NOTHING,
        )
        evicted = self._drop([_name(entry) for entry in chosen])
        return SweepReport(ran=True, evicted=evicted, leftovers=len(gone), usage=self.usage())

    def _correct(self, difference: Amount) -> None:
        def add(redis: Redis) -> None:
            with redis.pipeline() as pipeline:
                pipeline.hincrby(f"{self._prefix}held", "bytes", difference.bytes)
                pipeline.hincrby(f"{self._prefix}held", "entries", difference.entries)
                pipeline.execute()

        self._server.call(add)

    def _put(self, key: DerivativeKey, content_type: str, body: bytes) -> Usage:
        data = pack(key.digest, content_type, body)
        if len(data) > self._budget.bytes:
            raise CacheFullError("the entry alone is larger than the budget")
        limits = [self._budget.bytes, self._budget.entries]
        held = self._run(PUT, [], [self._prefix, _member(key), data, self._seconds, *limits])
        return Usage(Amount(int(held[0]), int(held[1])), self._budget)

    def _pages(self, image: str | None) -> Iterator[list[EntryInfo]]:
        """The entries of one image or of all, some hundred at a time."""
        if image is not None:
            sizes = self._sizes([image])[image]
            yield [_info(f"{image}/{field}", size, 0.0) for field, size in sizes.items()]
            return
        members: list[tuple[str, float]] = [
            (member.decode(), score)
            for member, score in self._server.call(
                lambda redis: list(redis.zscan_iter(f"{self._prefix}used", count=1000))
            )
        ]
        for at in range(0, len(members), _AT_ONCE):
            page = members[at : at + _AT_ONCE]
            sizes_of = self._sizes(sorted({member.partition("/")[0] for member, _ in page}))
            yield [
                _info(member, sizes_of[member.partition("/")[0]].get(member.partition("/")[2], 0), used)
                for member, used in page
            ]

    def _sizes(self, images: Sequence[str]) -> dict[str, dict[str, int]]:
        def ask(redis: Redis) -> list[dict[bytes, bytes]]:
            with redis.pipeline(transaction=False) as pipeline:
                for image in images:
                    pipeline.hgetall(f"{self._prefix}image:{image}")
                return cast("list[dict[bytes, bytes]]", pipeline.execute())

        found = self._server.call(ask)
        return {
            image: {field.decode(): int(size) for field, size in sizes.items()}
            for image, sizes in zip(images, found, strict=True)
        }

    def _drop(self, members: Sequence[str]) -> Amount:
        freed = NOTHING
        for at in range(0, len(members), _AT_ONCE):
            byte_size, entries = self._run(DROP, [], [self._prefix, *members[at : at + _AT_ONCE]])
            freed += Amount(int(byte_size), int(entries))
        return freed

    def _run(self, text: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return self._server.call(lambda redis: Script(redis, text)(keys=keys, args=arguments, client=redis))


def _server(url: str) -> SharedServer:
    breaker = Breaker(conf.redis_failures, conf.redis_rest_seconds)
    return SharedServer(url, namespace=conf.redis_namespace, seconds=conf.redis_seconds, breaker=breaker)


def _member(key: DerivativeKey) -> str:
    return f"{key.image}/{key.version}-{key.digest}"


def _name(entry: EntryInfo) -> str:
    return f"{entry.image}/{entry.version}-{entry.digest}"


def _info(member: str, byte_size: int, used: float) -> EntryInfo:
    image, _, field = member.partition("/")
    version, _, digest = field.partition("-")
    return EntryInfo(image, int(version), digest, byte_size, used, block=1)


def _sum(entries: Iterable[EntryInfo]) -> Amount:
    total = NOTHING
    for entry in entries:
        total += entry.cost
    return total
