"""The inside of sources: read from the database once, then remembered within a budget of bytes.

A few images are asked for again and again while somebody looks at them.
"""

import logging
import threading
from collections import OrderedDict

from django.core.signals import setting_changed

from images.conf import conf
from images.indexes.description import SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.tiff.index import TiffIndex
from images.models import Tiling
from images.selectors.images import ServedImage

logger = logging.getLogger(__name__)

_ENTRY_BYTES = 500
"""What remembering that there is no index takes."""

_Key = tuple[str, int]
_Index = TiffIndex | PacketIndex | None


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
setting_changed.connect(_memo.clear, dispatch_uid="images.selectors.indexes")


def find_index(served: ServedImage) -> TiffIndex | None:
    """Where the pieces of a TIFF lie, in the version that is served; one query the first time.

    Raises DatabaseError for a version whose index this process does not remember.
    """
    index = _find(served) if served.description.source_format is SourceFormat.TIFF else None
    return index if isinstance(index, TiffIndex) else None


def find_packet_index(served: ServedImage) -> PacketIndex | None:
    """Where the packets of a JPEG 2000 source lie; otherwise like `find_index`."""
    index = _find(served) if served.description.source_format is SourceFormat.JP2 else None
    return index if isinstance(index, PacketIndex) else None


def _find(served: ServedImage) -> _Index:
    key = (served.uuid, served.version)
    try:
        return _memo.get(key)
    except KeyError:
        index = _read_index(served)
    _memo.put(key, index, conf.index_memory_bytes)
    return index


def _read_index(served: ServedImage) -> _Index:
    tilings = Tiling.objects.filter(image_id=served.pk, version=served.version)
    data = tilings.values_list("index", flat=True).first()
    if not data:
        return None
    kind = PacketIndex if served.description.source_format is SourceFormat.JP2 else TiffIndex
    try:
        return kind.from_bytes(bytes(data))
    except IndexingError as error:
        logger.warning("Image %s: %s", served.identifier, error.detail)
        return None


def _cost(index: _Index) -> int:
    match index:
        case TiffIndex():
            return index.byte_size + _ENTRY_BYTES
        case PacketIndex():
            return index.memory_bytes + _ENTRY_BYTES
        case None:
            return _ENTRY_BYTES
