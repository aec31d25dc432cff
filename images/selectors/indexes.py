"""The inside of sources, memoised by bytes: a few images are asked for again and again while somebody looks at them."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from django.core.signals import setting_changed

from images.indexes.errors import IndexingError
from images.indexes.jp2.packet_index import PacketIndex
from images.models import Tiling
from images.selectors.images import ServedImage

_BLOBS_BYTES = 32 * 1024 * 1024
_PACKETS_BYTES = 128 * 1024 * 1024
_ENTRY_BYTES = 256

T = TypeVar("T")
_Key = tuple[int, int]


class _Memo(Generic[T]):
    """The last values that were used, `most_bytes` of them together."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, tuple[T, int]] = OrderedDict()
        self._bytes = 0

    def find(self, key: _Key) -> tuple[T, int] | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: _Key, value: T, size_bytes: int) -> None:
        with self._lock:
            self._bytes += size_bytes - self._entries.pop(key, (value, 0))[1]
            self._entries[key] = (value, size_bytes)
            while self._bytes > self._most_bytes and self._entries:
                self._bytes -= self._entries.popitem(last=False)[1][1]

    def clear(self, **_kwargs: object) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0


_blobs: _Memo[bytes | None] = _Memo(_BLOBS_BYTES)
_packets: _Memo[PacketIndex | None] = _Memo(_PACKETS_BYTES)
setting_changed.connect(_blobs.clear, dispatch_uid="images.selectors.indexes.blobs")
setting_changed.connect(_packets.clear, dispatch_uid="images.selectors.indexes.packets")


def get_index(served: ServedImage) -> bytes | None:
    """The index of the version that is served as it is stored, or None where it has none."""
    key = (served.pk, served.version)
    found = _blobs.find(key)
    if found is not None:
        return found[0]
    stored = Tiling.objects.filter(image_id=served.pk, version=served.version).values_list("index", flat=True).first()
    blob = None if stored is None else bytes(stored)
    _blobs.put(key, blob, _ENTRY_BYTES + len(blob or b""))
    return blob


def find_packet_index(served: ServedImage) -> PacketIndex | None:
    """The packets of a JPEG 2000 source; None where they are not indexed, or by another version of this server."""
    key = (served.pk, served.version)
    found = _packets.find(key)
    if found is not None:
        return found[0]
    blob = get_index(served)
    try:
        index = PacketIndex.from_bytes(blob) if blob else None
    except IndexingError:
        index = None
    _packets.put(key, index, _ENTRY_BYTES + (index.memory_bytes if index else 0))
    return index
