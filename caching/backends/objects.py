"""Derivatives in object storage, or whatever else Django has a storage for: large, slow, shared by all nodes.

    <prefix><last 2 digits of the image>/<image>/<version>-<digest>   the packed entry
    <prefix>usage.json                                                what the last sweep counted

An object is whole or absent, and the names of an image's objects have a prefix of their own. What is held is known from
the last sweep, plus what this process has written since. Objects have no time of their last use: the oldest go first.
"""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from caching.backends.object_clients import Listed, ObjectClient, ObstoreClient, StorageClient
from caching.backends.packing import pack, unpack
from caching.backends.protocol import Entry, SweepReport, Usage
from caching.backends.whole import WholeEntryWriter
from caching.errors import CacheFullError, CorruptEntryError
from caching.eviction import NOTHING, Amount, EntryInfo, plan_eviction
from caching.keys import DerivativeKey

_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{32})/(\d{1,19})-([0-9a-f]{64})")
_USAGE = "usage.json"
_USAGE_SECONDS = 60.0
"""For which a process trusts what it knows of the last sweep."""


class _ObjectBackend:
    """`sweep_seconds`: listings cost money, so a sweep that comes sooner after the last one does nothing."""

    def __init__(
        self,
        client: ObjectClient,
        byte_budget: int,
        entry_budget: int,
        *,
        entry_bytes: int,
        sweep_seconds: float,
        grace: float,
        low_water: float,
        image_share: float,
    ) -> None:
        self._client = client
        self._budget = Amount(byte_budget, entry_budget)
        self._entry_bytes = entry_bytes
        self._sweep_seconds = sweep_seconds
        self._grace = grace
        self._low_water = low_water
        self._image_share = image_share
        self._lock = threading.Lock()
        self._counted: Amount | None = None
        self._counted_at = float("-inf")
        self._since = NOTHING

    def find(self, key: DerivativeKey) -> Entry | None:
        data = self._client.get(_name(key))
        if data is None:
            return None
        try:
            content_type, body = unpack(data, key.digest)
        except CorruptEntryError:
            self._client.delete([_name(key)])
            self._note(Amount(-len(data), -1))
            raise
        return Entry(content_type, len(body), iter((body,)))

    def open_writer(self, key: DerivativeKey, content_type: str) -> WholeEntryWriter:
        usage = self.usage()
        if not usage.held.fits(usage.budget):
            raise CacheFullError(f"{usage.held.bytes} bytes in {usage.held.entries} objects are kept already")
        return WholeEntryWriter(lambda body: self._put(key, content_type, body), self._entry_bytes)

    def discard(self, image: str | None = None, before_version: int | None = None, *, dry_run: bool = False) -> Amount:
        chosen = [
            entry
            for entry in self._entries("" if image is None else f"{image[-2:]}/{image}/")
            if before_version is None or entry.version < before_version
        ]
        freed = _sum(chosen)
        if chosen and not dry_run:
            self._client.delete([_name_of(entry) for entry in chosen])
            self._note(NOTHING - freed)
        return freed

    def sweep(self) -> SweepReport:
        last = self._read_usage()
        if last is not None and time.time() - last.get("time", 0) < self._sweep_seconds and self._fits():
            return SweepReport(ran=False)
        with self._lock:
            before = self._since
        entries = list(self._entries(""))
        chosen = plan_eviction(
            entries,
            self._budget,
            now=time.time(),
            grace_seconds=self._grace,
            low_water=self._low_water,
            image_share=self._image_share,
            folder=NOTHING,
        )
        if chosen:
            self._client.delete([_name_of(entry) for entry in chosen])
        evicted = _sum(chosen)
        held = _sum(entries) - evicted
        document = {"bytes": held.bytes, "entries": held.entries, "time": time.time()}
        self._client.put(_USAGE, json.dumps(document).encode())
        with self._lock:
            # What was put or discarded while the list was read is not forgotten.
            self._counted, self._counted_at, self._since = held, time.monotonic(), self._since - before
        return SweepReport(ran=True, evicted=evicted, usage=Usage(held, self._budget))

    def usage(self) -> Usage:
        if time.monotonic() - self._counted_at > _USAGE_SECONDS:
            counted = self._read_usage()
            with self._lock:
                self._counted_at = time.monotonic()
                if counted is not None:
                    amount = Amount(int(counted.get("bytes", 0)), int(counted.get("entries", 0)))
                    if amount != self._counted:
                        self._counted, self._since = amount, NOTHING
        with self._lock:
            held = (self._counted or NOTHING) + self._since
            return Usage(Amount(max(0, held.bytes), max(0, held.entries)), self._budget)

    def _fits(self) -> bool:
        usage = self.usage()
        return usage.held.fits(usage.budget)

    def _put(self, key: DerivativeKey, content_type: str, body: bytes) -> Usage:
        data = pack(key.digest, content_type, body)
        cost = Amount(len(data), 1)
        usage = self.usage()
        if not (usage.held + cost).fits(usage.budget):
            raise CacheFullError(f"{usage.held.bytes} bytes in {usage.held.entries} objects leave no room")
        there = self._client.size(_name(key))
        if there != len(data):  # else another node has written the same
            self._client.put(_name(key), data)
            self._note(cost if there is None else Amount(len(data) - there, 0))
        return self.usage()

    def _note(self, change: Amount) -> None:
        with self._lock:
            self._since += change

    def _read_usage(self) -> Mapping[str, Any] | None:
        data = self._client.get(_USAGE)
        try:
            document = json.loads(data) if data is not None else None
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def _entries(self, prefix: str) -> Iterator[EntryInfo]:
        for listed in self._client.list(prefix):
            entry = _info(listed)
            if entry is not None:
                yield entry


class ObjectBackend(_ObjectBackend):
    """In a bucket: `url` is s3://, gs:// or az:// with a prefix, or file:// or memory://; `config` is obstore's.

    Credentials come from the environment, as the makers of each storage have it, or stand in `config`.
    """

    def __init__(
        self,
        byte_budget: int = 100 * 2**30,
        entry_budget: int = 5_000_000,
        *,
        url: str,
        config: Mapping[str, Any] | None = None,
        seconds: float = 5.0,
        entry_bytes: int = 16 * 2**20,
        sweep_seconds: float = 6 * 3600.0,
        grace: float = 60.0,
        low_water: float = 0.9,
        image_share: float = 0.05,
    ) -> None:
        super().__init__(
            ObstoreClient(url, config or {}, seconds),
            byte_budget,
            entry_budget,
            entry_bytes=entry_bytes,
            sweep_seconds=sweep_seconds,
            grace=grace,
            low_water=low_water,
            image_share=image_share,
        )


class StorageBackend(_ObjectBackend):
    """In one of Django's STORAGES, by its alias, below `prefix`; nothing else may lie there."""

    def __init__(
        self,
        byte_budget: int = 100 * 2**30,
        entry_budget: int = 5_000_000,
        *,
        storage: str,
        prefix: str = "derivatives/",
        entry_bytes: int = 16 * 2**20,
        sweep_seconds: float = 6 * 3600.0,
        grace: float = 60.0,
        low_water: float = 0.9,
        image_share: float = 0.05,
    ) -> None:
        super().__init__(
            StorageClient(storage, prefix),
            byte_budget,
            entry_budget,
            entry_bytes=entry_bytes,
            sweep_seconds=sweep_seconds,
            grace=grace,
            low_water=low_water,
            image_share=image_share,
        )


def _name(key: DerivativeKey) -> str:
    return f"{key.image[-2:]}/{key.image}/{key.version}-{key.digest}"


def _name_of(entry: EntryInfo) -> str:
    return f"{entry.image[-2:]}/{entry.image}/{entry.version}-{entry.digest}"


def _info(listed: Listed) -> EntryInfo | None:
    match = _NAME.fullmatch(listed.name)
    if match is None:
        return None
    return EntryInfo(match[1], int(match[2]), match[3], listed.byte_size, listed.modified, block=1)


def _sum(entries: list[EntryInfo]) -> Amount:
    return Amount(sum(entry.byte_size for entry in entries), len(entries))
