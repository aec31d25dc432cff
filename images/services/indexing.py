"""Indexing the inside of a source at ingest, and decoding from what the index knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from images.conf import conf
from images.decoders.jp2_sparse import SparseDecode, find_sparse
from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.indexes import parsing
from images.indexes.description import SourceDescription, SourceFormat
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.indexing import index_packets, reads_and_bytes
from images.selectors.images import ServedImage
from images.selectors.indexes import find_packet_index
from images.services.proof import source_data
from images.sources.reader import ByteReader


def index_source(description: SourceDescription, reader: ByteReader) -> tuple[SourceDescription, bytes | None]:
    """The index of a source to store, if it can have one; the description says so, or why not.

    Raises SourceError only: a source without an index is decoded from its file.
    """
    if description.source_format is not SourceFormat.JP2:
        return description, None
    byte_size = reader.stat().byte_size
    limits = conf.source_limits

    def read(start: int, length: int) -> bytes:
        length = max(0, min(length, byte_size - start))
        return reader.read(start, length) if length else b""

    max_reads, max_bytes = reads_and_bytes(byte_size, limits)
    indexed = parsing.run(index_packets(byte_size, limits), read, max_reads=max_reads, max_bytes=max_bytes)
    packets = indexed.index.packets if indexed.index else None
    detail = {**description.detail, "indexed_packets": packets, "not_indexed": indexed.reason}
    blob = indexed.index.to_bytes() if indexed.index else None
    return replace(description, detail=detail), blob


def find_shortcut(served: ServedImage, planned: DecodePlan) -> SparseDecode | None:
    """How to answer from parts of the source, where its index knows them and that costs less."""
    index = find_packet_index(served) if planned.source_format is SourceFormat.JP2 else None
    return find_sparse(index, planned) if index else None


@contextmanager
def decoder_input(
    served: ServedImage, planned: DecodePlan, reader: ByteReader
) -> Iterator[tuple[DecodePlan, SourceData]]:
    """The plan as it is carried out and what it is carried out on: the packets needed, or the source itself."""
    found = find_shortcut(served, planned)
    if found is None:
        with source_data(reader) as data:
            yield planned, data
        return
    chunks = reader.read_many(found.sparse.ranges)
    yield found.plan, SourceData(data=assemble(found.sparse, chunks))
