"""The inside of sources: read from the database once, then remembered within a budget of bytes.

A few images are asked for again and again while somebody looks at them.
"""

import logging
import threading
from collections import OrderedDict
from functools import partial

from django.core.signals import setting_changed
from django.db import DatabaseError

from images.conf import conf
from images.indexes import parsing
from images.indexes.description import SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.tiff.copy_index import CopyIndex
from images.indexes.tiff.index import TiffIndex, describe_and_index
from images.models import ServiceCopy, Tiling
from images.selectors.asking import Turns, ask
from images.selectors.images import ServedImage
from images.selectors.last_known import recall_index, remember_index
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_ENTRY_BYTES = 500
"""What remembering that there is no index takes."""

_Key = tuple[str, int, str, int]
"""Image, version, service copy, and the form of the index: one that was made anew in place is another."""
_Index = TiffIndex | PacketIndex | CopyIndex | None


class _Memo:
    """The indexes used last, by image and version. What is newest stays even where it alone is over the budget."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, _Index] = OrderedDict()
        self._bytes = 0

    def get(self, key: _Key) -> _Index:
        """Raises KeyError."""
        with self._lock:
            self._entries.move_to_end(key)
            return self._entries[key]

    def has(self, key: _Key) -> bool:
        with self._lock:
            return key in self._entries

    def put(self, key: _Key, index: _Index, budget_bytes: int) -> None:
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = index
            self._bytes += _cost(index)
            while self._bytes > budget_bytes and len(self._entries) > 1:
                _, dropped = self._entries.popitem(last=False)
                self._bytes -= _cost(dropped)

    def clear(self, **_kwargs: object) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0


_memo = _Memo()
_turns = Turns(patience_seconds=2.0)
"""An index may have megabytes: to read it twice takes longer than to wait for it."""
setting_changed.connect(_memo.clear, dispatch_uid="images.selectors.indexes")


def find_index(served: ServedImage) -> TiffIndex | None:
    """Where the pieces of a TIFF lie, in the version that is served; one query the first time.

    While the database is down it is had from Redis, or read from the source again. Raises SourceError then.
    """
    index = _find(served) if served.description.source_format is SourceFormat.TIFF else None
    return index if isinstance(index, TiffIndex) else None


def remembers_index(served: ServedImage) -> bool:
    """Whether asking for the index takes no query."""
    return _memo.has(_key(served))


def find_packet_index(served: ServedImage) -> PacketIndex | None:
    """Where the packets of a JPEG 2000 source lie; one query the first time.

    Raises DatabaseError while the database is down, for an index that neither this process nor Redis has.
    """
    index = _find(served) if served.description.source_format is SourceFormat.JP2 else None
    return index if isinstance(index, PacketIndex) else None


def find_copy_index(copy: ServedImage) -> CopyIndex | None:
    """Where the tiles of a service copy lie; None where the copy is no longer there. Raises as above."""
    index = _find(copy)
    return index if isinstance(index, CopyIndex) else None


def _find(served: ServedImage) -> _Index:
    key = _key(served)
    try:
        return _memo.get(key)
    except KeyError:
        pass
    with _turns.turn(key):
        try:
            return _memo.get(key)
        except KeyError:
            index = _read_index(served)
        _memo.put(key, index, conf.index_memory_bytes)
    return index


def _key(served: ServedImage) -> _Key:
    copy = served.location.key if served.copy_fingerprint else ""
    return served.uuid, served.version, copy, int(served.description.detail.get("index_schema", 0))


def _read_index(served: ServedImage) -> _Index:
    name = "/".join(map(str, _key(served)))
    try:
        data = ask(partial(_query, served))
    except DatabaseError:
        data = recall_index(name)
        if data is not None:
            return _parsed(served, _kind(served), data)
        if _kind(served) is TiffIndex:
            return _read_again(served)
        raise
    if data:
        remember_index(name, data)
    return _parsed(served, _kind(served), data)


def _kind(served: ServedImage) -> type[PacketIndex | TiffIndex | CopyIndex]:
    if served.copy_fingerprint:
        return CopyIndex
    return PacketIndex if served.description.source_format is SourceFormat.JP2 else TiffIndex


def _query(served: ServedImage) -> bytes | None:
    if served.copy_fingerprint:
        copies = ServiceCopy.objects.filter(image_id=served.pk, version=served.version, name=served.location.key)
        found = copies.values_list("index", flat=True).first()
    else:
        tilings = Tiling.objects.filter(image_id=served.pk, version=served.version)
        found = tilings.values_list("index", flat=True).first()
    return None if found is None else bytes(found)


def _read_again(served: ServedImage) -> TiffIndex | None:
    """From the source itself, which has it in few places. Raises SourceError."""
    with open_source(served.location, etag=served.etag) as reader:
        byte_size = reader.stat().byte_size

        def read(start: int, length: int) -> bytes:
            length = max(0, min(length, byte_size - start))
            return reader.read(start, length) if length else b""

        try:
            index = parsing.run(describe_and_index(byte_size, conf.source_limits), read)[1]
        except IndexingError as error:
            logger.warning("Image %s: %s", served.identifier, error.detail)
            return None
        reader.verify()
    return index


def _parsed(served: ServedImage, kind: type[PacketIndex | TiffIndex | CopyIndex], data: bytes | None) -> _Index:
    if not data:
        return None
    try:
        return kind.from_bytes(data)
    except IndexingError as error:
        logger.warning("Image %s: %s", served.identifier, error.detail)
        return None


def _cost(index: _Index) -> int:
    match index:
        case TiffIndex() | CopyIndex():
            return index.byte_size + _ENTRY_BYTES
        case PacketIndex():
            return index.memory_bytes + _ENTRY_BYTES
        case None:
            return _ENTRY_BYTES
