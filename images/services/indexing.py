"""Indexing the inside of a source at ingest, and decoding from what the index knows."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import DatabaseError

from images.conf import conf
from images.decoders.jp2_parts import find_cuts, piece_decode
from images.decoders.jp2_sparse import SparseDecode, find_sparse
from images.decoders.parts import Part, Parts
from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.decoders.tiff_pieces import (
    MOST_BYTES,
    MOST_FILE_BYTES,
    StoredPieces,
    find_pieces,
    plan_pieces,
    write_pieces,
)
from images.indexes import parsing
from images.indexes.description import SourceDescription, SourceFormat
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.block_plan import window_step
from images.indexes.jp2.indexing import Indexed, index_packets, reads_and_bytes
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.packet_storage import SCHEMA
from images.indexes.jp2.reads import DISK_GAP_BYTES, REMOTE_GAP_BYTES
from images.indexes.tiff.index import TiffIndex, describe_and_index
from images.selectors.images import ServedImage
from images.selectors.indexes import find_index, find_packet_index
from images.services.proof import source_data
from images.sources.reader import ByteReader

logger = logging.getLogger(__name__)


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
    return described(description, indexed), indexed.index.to_bytes() if indexed.index else None


def index_tiff(reader: ByteReader) -> TiffIndex | None:
    """Raises IndexingError and SourceError."""
    byte_size = reader.stat().byte_size

    def read(start: int, length: int) -> bytes:
        length = max(0, min(length, byte_size - start))
        return reader.read(start, length) if length else b""

    return parsing.run(describe_and_index(byte_size, conf.source_limits), read)[1]


def described(description: SourceDescription, indexed: Indexed) -> SourceDescription:
    """The description with what the index holds, or why there is none; see `decoded_at_once` for the window."""
    index = indexed.index
    detail: dict[str, Any] = {
        **description.detail,
        "indexed_packets": index.packets if index else None,
        "indexed_code_blocks": index.block_count if index else None,
        "not_indexed": indexed.reason,
        "index_schema": SCHEMA,
    }
    detail.pop("window", None)
    if index is not None and (step := window_step(index)) is not None:
        detail["window"] = step.to_json()
    return replace(description, detail=detail)


def is_index_current(description: SourceDescription) -> bool:
    """Whether the source was indexed, or refused to be, by this version of the program."""
    return description.detail.get("index_schema") == SCHEMA


def find_shortcut(served: ServedImage, planned: DecodePlan) -> SparseDecode | None:
    """How to answer from parts of the source, where its index knows them and that costs less."""
    index = _usable_index(served, planned)
    return find_sparse(index, planned, _gap_bytes(served)) if index else None


def _gap_bytes(served: ServedImage) -> int:
    return DISK_GAP_BYTES if _is_file(served) else REMOTE_GAP_BYTES


def _is_file(served: ServedImage) -> bool:
    return served.location.kind == "filesystem"


def _usable_index(served: ServedImage, planned: DecodePlan) -> PacketIndex | None:
    """None, too, where the database is down and nobody else knows it: the file gives the same pixels, more slowly."""
    if planned.source_format is not SourceFormat.JP2 or not conf.uses_jp2_index:
        return None
    try:
        return find_packet_index(served)
    except DatabaseError as error:
        logger.warning("Image %s is decoded from its file, as its index cannot be had: %s", served.identifier, error)
        return None


def find_stored_pieces(served: ServedImage, planned: DecodePlan) -> StoredPieces | None:
    """The tiles or strips that the plan reads of a TIFF; None where the decoder had better read the file."""
    if planned.source_format is not SourceFormat.TIFF or not conf.uses_tiff_pieces:
        return None
    try:
        index = find_index(served)
    except DatabaseError:  # the file is enough
        return None
    most_bytes = MOST_FILE_BYTES if _is_file(served) else MOST_BYTES
    return None if index is None else find_pieces(index, planned, _gap_bytes(served), most_bytes)


@contextmanager
def decoder_input(
    served: ServedImage, planned: DecodePlan, reader: ByteReader, *, is_whole: bool = False
) -> Iterator[tuple[DecodePlan, SourceData]]:
    """The plan as it is carried out and what it is carried out on: the packets or tiles needed, or the source itself.

    `is_whole`: of a TIFF, the source in any case.
    """
    index = _usable_index(served, planned)
    found = find_sparse(index, planned, _gap_bytes(served)) if index else None
    if found is not None:
        yield found.plan, SourceData(data=_packets(found, reader))
        return
    parts = parts_for(index, planned, reader, _gap_bytes(served)) if index else None
    if parts is not None:
        yield planned, SourceData(parts=parts)
        return
    pieces = None if is_whole else find_stored_pieces(served, planned)
    if pieces is not None:
        yield plan_pieces(pieces, planned), SourceData(data=write_pieces(pieces, reader.read_many(pieces.ranges)))
        return
    with source_data(reader) as data:
        yield planned, data


def parts_for(index: PacketIndex, planned: DecodePlan, reader: ByteReader, gap_bytes: int) -> Parts | None:
    """What a large region is decoded from, piece by piece, where that costs less than decoding from the source."""
    cuts = find_cuts(index, planned)
    if cuts is None:
        return None

    def get(number: int) -> Part:
        found = piece_decode(index, planned, cuts.piece(number), gap_bytes)
        level = found.plan.level
        x, y = found.plan.horizontal.start, found.plan.vertical.start
        return Part(_packets(found, reader), level.width, level.height, level.reduction, x, y)

    return Parts(cuts, get)


def _packets(found: SparseDecode, reader: ByteReader) -> bytes:
    return assemble(found.sparse, reader.read_many(found.sparse.ranges))
