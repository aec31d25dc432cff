"""From a plan to encoded bytes: decode from a source that is pinned to its version."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from caching.derivatives import Derivative
from images.decoders.errors import DamagedSourceError, DecodeError, DecoderDiedError, UnsupportedSourceError
from images.decoders.pass_through import PassThrough
from images.decoders.pieces_job import find_pieces_job
from images.decoders.plan import DecodePlan
from images.decoders.records import Made, cuts_job, read_tiles, tiles_job
from images.decoders.runner import Rendered
from images.decoders.source import SourceData
from images.decoders.tiff_pieces import StoredPieces, joined, plan_pieces, write_pieces
from images.iiif.geometry import Region
from images.queue import enqueue_aside
from images.selectors.images import ServedImage
from images.services import levels
from images.services.copy_answers import copy_give_up
from images.services.decoding import get_runner
from images.services.indexing import decoder_input, find_stored_pieces
from images.services.splicing import find_whole_pieces, image_splice
from images.services.suspects import count_deaths, is_suspect
from images.services.thumbnail_bases import find_base
from images.sources.errors import SourceChangedError, SourceError, SourceNotFoundError
from images.sources.kept import keep_source
from images.sources.reader import ByteReader
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_REFRESH_EVERY_SECONDS = 10
_REFRESHES = 10_000
_refreshes: dict[int, float] = {}
_refreshes_lock = threading.Lock()


def image_render_stored(served: ServedImage, stored: PassThrough) -> Derivative | None:
    """A stored tile as it is; None where it is not fit to be sent. Raises SourceError."""
    with _refreshing_what_changed(served):
        return image_splice(served, stored)


def find_cut(served: ServedImage, stored: PassThrough, job: Mapping[str, Any]) -> bytes | None:
    """What is shown of a stored tile that reaches beyond the image's end, decoded alone by the `job` of `plan_cut`.

    None where it has to be decoded from the source. Raises SourceError and DecodeError.
    """
    with _refreshing_what_changed(served):
        (piece,) = find_whole_pieces(served, [stored])
    if piece is None:
        return None
    try:
        return _run(served, job, SourceData(data=piece)).read()
    except DamagedSourceError:
        return None
    except DecoderDiedError:
        count_deaths(served)
        raise


def find_plain_tile(served: ServedImage, job: Mapping[str, Any]) -> bytes | None:
    """One stored tile of a local file by the `job` of `find_tile_job`; None where it takes the long way.

    Raises SourceError and DecodeError.
    """
    try:
        with _refreshing_what_changed(served), keep_source(served.location, served.etag) as reader:
            descriptor = reader.fileno()
            if descriptor is None:
                return None
            source = SourceData(fd=descriptor, length=reader.stat().byte_size, uses_position=False)
            body = _run(served, job, source).read()
            reader.verify()
    except (DamagedSourceError, UnsupportedSourceError):
        if job["is_deflated"]:  # damaged for certain, so it is tried once only
            raise
        return None
    except DecoderDiedError:
        count_deaths(served)
        raise
    return body


def produce(served: ServedImage, planned: DecodePlan) -> Iterator[bytes]:
    """Decode from a kept level, from the raster for thumbnails, or from a source that is pinned to the version; the
    bytes count only if it still was that one at the end.
    """
    try:
        with _refreshing_what_changed(served):
            kept = levels.find_kept(served, planned) or find_base(served, planned.request)
        if kept is not None:
            yield from get_runner().run({"kind": "render", "plan": kept[0].to_json()}, kept[1]).chunks
            return
        if (body := _from_pieces(served, planned)) is not None:
            yield body
            return
        with (
            _refreshing_what_changed(served),
            open_source(served.location, etag=served.etag) as reader,
            decoder_input(served, planned, reader, is_whole=not planned.streams) as (carried_out, data),
        ):
            with _run(served, {"kind": "render", "plan": carried_out.to_json()}, data) as rendered:
                last, has_begun = b"", False
                for chunk in rendered.chunks:
                    if chunk and last:
                        yield last
                        has_begun = True
                    elif has_begun:
                        yield b""
                    last = chunk or last
            reader.verify()
            yield last  # the last piece leaves only when the others are known to be of one version
    except (SourceError, DecodeError) as error:
        if served.copy_fingerprint:
            copy_give_up(served, error)
        elif isinstance(error, DecoderDiedError):
            count_deaths(served)
        raise


def _from_pieces(served: ServedImage, planned: DecodePlan) -> bytes | None:
    """A region of a TIFF from the tiles or strips that it touches.

    None where the whole file had better be read: also where it may be more than pieces that have to be put right.
    """
    found = None if planned.streams else find_stored_pieces(served, planned)
    if found is None:
        return None
    with _refreshing_what_changed(served), keep_source(served.location, served.etag) as reader:
        # Others may have to be fetched as a whole to have a descriptor.
        descriptor = reader.fileno() if served.location.kind == "filesystem" else None
        job, data = _job_and_data(found, planned, reader, descriptor)
        try:
            body = _run(served, job, data).read()
        except (DamagedSourceError, UnsupportedSourceError) as error:
            if found.shows_damage:
                raise
            logger.info("Image %s: %s", served.identifier, error.detail)
            return None
        reader.verify()
    return body


def _job_and_data(
    found: StoredPieces, planned: DecodePlan, reader: ByteReader, descriptor: int | None
) -> tuple[dict[str, Any], SourceData]:
    """What is plain is read from a file by the decoder itself, which is a copy less."""
    job = find_pieces_job(found, planned, is_file=descriptor is not None)
    if job is not None and descriptor is not None:
        length = reader.stat().byte_size
        return job, SourceData(fd=descriptor, length=length, uses_position=False)
    read = reader.read_many(found.ranges)
    if job is not None:
        return job, SourceData(data=joined(read))
    render = {"kind": "render", "plan": plan_pieces(found, planned).to_json()}
    return render, SourceData(data=write_pieces(found, read))


@contextmanager
def produce_tiles(
    served: ServedImage, planned: DecodePlan, cuts: Sequence[Region], *, is_by_areas: bool
) -> Iterator[Made]:
    """Decode once and cut; number and bytes of each cut, which counts only if the source was still pinned then.

    `cuts`: in pixels of the answer that is planned. `is_by_areas`: they are decoded some after the others.
    """
    try:
        with (
            _refreshing_what_changed(served),
            open_source(served.location, etag=served.etag) as reader,
            decoder_input(served, planned, reader) as (carried_out, data),
            _run(served, tiles_job(carried_out, cuts), data, returns_early=True) as rendered,
        ):
            yield Made(_verified(read_tiles(rendered.chunks), reader), rendered.enough if is_by_areas else None)
    except DecoderDiedError:
        if not served.copy_fingerprint:
            count_deaths(served)
        raise


@contextmanager
def produce_cuts(served: ServedImage, wanted: Sequence[tuple[PassThrough, Mapping[str, Any]]]) -> Iterator[Made]:
    """Several of what `find_cut` gives, in one job: number and bytes of each as they are made, the first one first.

    Raises SourceError and DecodeError.
    """
    with _refreshing_what_changed(served):
        pieces = find_whole_pieces(served, [stored for stored, _ in wanted])
    if pieces[0] is None:
        raise DamagedSourceError("A tile of the file cannot be decoded alone.")
    numbers, jobs, data = [], [], bytearray()
    for number, (piece, (_, job)) in enumerate(zip(pieces, wanted, strict=True)):
        if piece is not None:
            numbers.append(number)
            jobs.append({**job, "place": [len(data), len(piece)]})
            data += piece
    try:
        with _run(served, cuts_job(jobs), SourceData(data=bytes(data)), returns_early=True) as rendered:
            yield Made((numbers[number], body) for number, body in read_tiles(rendered.chunks))
    except DecoderDiedError:
        count_deaths(served)
        raise


def _verified(tiles: Iterator[tuple[int, bytes]], reader: ByteReader) -> Iterator[tuple[int, bytes]]:
    for number, body in tiles:
        reader.verify()
        yield number, body


@contextmanager
def _refreshing_what_changed(served: ServedImage) -> Iterator[None]:
    try:
        yield
    except (SourceChangedError, SourceNotFoundError):
        if not served.copy_fingerprint:
            _refresh_soon(served)
        raise


def _refresh_soon(served: ServedImage) -> None:
    """Ask a worker to look at the source, once in a while however many requests find it changed."""
    now = time.monotonic()
    with _refreshes_lock:
        if now - _refreshes.get(served.pk, float("-inf")) < _REFRESH_EVERY_SECONDS:
            return
        if len(_refreshes) > _REFRESHES:
            _refreshes.clear()
        _refreshes[served.pk] = now
    enqueue_aside("images.refresh", served.pk)


def _run(served: ServedImage, job: Mapping[str, Any], data: SourceData, *, returns_early: bool = False) -> Rendered:
    """Raises DecodeError. What has ended decoders before is tried once only, so that it ends no more than it must."""
    once = {"once": True} if is_suspect(served) else {}
    return get_runner().run({**job, **once}, data, returns_early=returns_early)
