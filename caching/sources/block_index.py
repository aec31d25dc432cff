"""What one process knows of the kept ranges of one version of a source."""

import bisect
import threading
from collections.abc import Sequence

from caching.sources.block_file import BlockFile, Record
from caching.sources.extents import Extent
from caching.sources.flights import ExtentFlights
from caching.sources.keys import SourceKey


class BlockIndex:
    """Where ranges are kept: None stands for memory only. `file` is that of the records, if there is one."""

    def __init__(self, key: SourceKey) -> None:
        self.key = key
        self.flights = ExtentFlights()
        self.file: BlockFile | None = None
        self._lock = threading.Lock()
        self._records: dict[Extent, Record | None] = {}
        self._order: list[Extent] = []
        self._longest = 0

    def add(self, extents: Sequence[Extent]) -> None:
        """Ranges that are in memory."""
        with self._lock:
            for extent in extents:
                self._put(extent, self._records.get(extent))

    def add_records(self, file: BlockFile, records: Sequence[Record]) -> None:
        """Ranges that `file` has; of a file that another thread has put another in place of they say nothing."""
        with self._lock:
            if self.file is file:
                for record in records:
                    self._put((record.start, record.stop), record)

    def drop(self, extent: Extent) -> None:
        with self._lock:
            if extent in self._records:
                del self._records[extent]
                self._order.remove(extent)

    def adopt(self, file: BlockFile) -> BlockFile:
        """The file from now on: this one, or that of a thread which was faster."""
        with self._lock:
            if self.file is None:
                self.file = file
            return self.file

    def let_go(self, file: BlockFile | None) -> None:
        """What was in the file is in memory at most; nothing where another has taken its place already."""
        with self._lock:
            if file is not None and self.file is file:
                self.file = None
                self._records = dict.fromkeys(self._records)

    def kept(self, wanted: Sequence[Extent]) -> list[tuple[Extent, Record | None]]:
        """What is kept that has a part of it, as far as is known."""
        found: dict[Extent, Record | None] = {}
        with self._lock:
            for start, stop in wanted:
                at = bisect.bisect_left(self._order, (start - self._longest, 0))
                while at < len(self._order) and self._order[at][0] < stop:
                    if self._order[at][1] > start:
                        found[self._order[at]] = self._records[self._order[at]]
                    at += 1
        return list(found.items())

    def _put(self, extent: Extent, record: Record | None) -> None:
        if extent not in self._records:
            bisect.insort(self._order, extent)
            self._longest = max(self._longest, extent[1] - extent[0])
        self._records[extent] = record
