"""Tiles made ahead, each level in as few decodes as can be: into the derivative cache, or into a tree of files.

What lands in the cache has the very keys and bytes that the server would give it on request.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from django.conf import settings
from django.db import connections

from images.decoders.errors import DamagedSourceError, DecodeError
from images.decoders.records import read_tiles, tiles_job
from images.iiif.errors import IIIFError
from images.iiif.geometry import Region
from images.iiif.request import ResolvedRequest
from images.iiif.static import THUMBNAIL_PIXELS
from images.iiif.tiles import TileSet, reduced_size, tile_regions, tile_set
from images.models import Image
from images.selectors.images import ImageNotFoundError, ImageNotReadyError, ServedImage, get_served_image
from images.services.copy_answers import answering
from images.services.decoding import get_runner
from images.services.indexing import decoder_input
from images.services.planning import find_pass_through, render_plan
from images.services.producing import image_render_stored, produce
from images.services.requests import resolve_whole
from images.services.seed_options import SeedOptions, SeedReport, parse_options
from images.services.seed_plan import Band, Piece, level_pieces, plan_bands
from images.services.seed_sinks import CacheSink, SeedError, Sink, TreeSink
from images.services.static_tree import StaticTree, TreeError
from images.sources.errors import SourceError
from images.sources.registry import open_source

Watch = Callable[[int, int], None]

SEED_ERRORS = (ImageNotFoundError, ImageNotReadyError, IIIFError, SourceError, DecodeError, SeedError, TreeError)

_VERIFIED_AT_ONCE = 32
"""Tiles that are held until the source is known to have been of one version while they were made."""


@dataclass(slots=True)
class _Seeding:
    """One image being seeded; several threads put what they have made."""

    served: ServedImage
    sink: Sink
    report: SeedReport
    watch: Watch
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, chosen: ServedImage, request: ResolvedRequest, body: bytes) -> None:
        self.sink.put(chosen, request, body)
        with self.lock:
            self.report.made += 1
            self.report.byte_size += len(body)
            self.tell()

    def tell(self) -> None:
        self.watch(self.report.made + self.report.kept + self.report.stored, self.report.wanted)


def image_seed(
    served: ServedImage,
    options: SeedOptions,
    *,
    name: str = "",
    workers: int | None = None,
    watch: Watch = lambda _done, _wanted: None,
) -> SeedReport:
    """Make the tiles of an image ahead. `name`: of its tree, else its identifier. `workers`: decoders kept busy.

    `watch` is told how many of how many are done, from any thread but never twice at once. Raises SEED_ERRORS;
    what was made until then stays, and is not made again the next time.
    """
    began = time.monotonic()
    tiles, left_out = seed_tiles(served, options)
    template = resolve_whole(served, quality_format=f"{options.quality}.{options.format}")
    report = SeedReport(name or served.identifier, left_out=left_out)
    pieces = [piece for step in tiles.scale_factors for piece in _level(served, template, tiles, step)]
    trusts = not options.refresh
    sizes: tuple[int, ...] = ()
    tree = None
    if options.out is not None:
        tree = StaticTree(options.out, report.identifier, served, options.api_version)
        trusts = tree.open(template, tiles.size, refresh=options.refresh) and trusts
        sizes = tuple(step for step in tiles.scale_factors if _is_thumbnail(served, step))
        pieces += _wholes(served, template, sizes)
        pieces = list({tree.path(piece.request): piece for piece in reversed(pieces)}.values())
    sink: Sink = CacheSink() if tree is None else TreeSink(tree)
    report.wanted = len(pieces)
    seeding = _Seeding(served, sink, report, watch)
    _make(seeding, _missing(seeding, pieces, trusts=trusts), workers or settings.DECODE_PROCESSES)
    if tree is not None:
        tree.finish(options.base_uri, tiles, sizes, template)
    report.seconds = time.monotonic() - began
    return report


def image_seed_by_id(
    pk: int,
    *,
    scale_factors: str,
    output_format: str,
    quality: str,
    refresh: bool,
    watch: Watch = lambda _done, _wanted: None,
) -> int:
    """Seed the cache from a worker, leaving a decoder to others. How many tiles were made. Raises as `image_seed`."""
    identifier = Image.objects.values_list("identifier", flat=True).filter(pk=pk).first()
    if identifier is None:
        return 0
    options = parse_options(scale_factors, output_format, quality, refresh=refresh)
    workers = max(1, settings.DECODE_PROCESSES - 1)
    return image_seed(get_served_image(identifier), options, workers=workers, watch=watch).made


def seed_tiles(served: ServedImage, options: SeedOptions) -> tuple[TileSet, tuple[int, ...]]:
    """The tiles that info.json advertises, at the scale factors chosen, and the factors that are too high for them."""
    advertised = tile_set(served.full, served.tile, served.limits)
    if options.scale_factors is None:
        return advertised, ()
    chosen = tuple(factor for factor in options.scale_factors if factor in advertised.scale_factors)
    left_out = tuple(factor for factor in options.scale_factors if factor not in advertised.scale_factors)
    if not chosen:
        highest = advertised.scale_factors[-1]
        raise SeedError(f"At scale factor {highest} the image fits into one tile; there are no tiles above it.")
    return TileSet(advertised.size, chosen), left_out


def _level(served: ServedImage, template: ResolvedRequest, tiles: TileSet, step: int) -> Iterator[Piece]:
    return level_pieces(step, template, tile_regions(served.full, tiles.size, step))


def _is_thumbnail(served: ServedImage, step: int) -> bool:
    size = reduced_size(served.full, step)
    return max(size.width, size.height) <= THUMBNAIL_PIXELS


def _wholes(served: ServedImage, template: ResolvedRequest, steps: Sequence[int]) -> Iterator[Piece]:
    """Whole images at these scale factors."""
    whole = Region(0, 0, served.full.width, served.full.height)
    for step in steps:
        yield Piece(step, replace(template, region=whole, size=reduced_size(served.full, step)))


def _missing(seeding: _Seeding, pieces: Sequence[Piece], *, trusts: bool) -> Iterator[tuple[ServedImage, Piece]]:
    """The pieces that have to be decoded, each with what answers it: the image, or its service copy.

    What one of these holds ready is put where it is wanted.
    """
    report = seeding.report
    for piece in pieces:
        chosen = answering(seeding.served, piece.request)
        stored = find_pass_through(chosen, piece.request)
        has_it = trusts and seeding.sink.has(chosen, piece.request)
        spliced = (
            None if stored is None or (has_it and seeding.sink.takes_stored) else image_render_stored(chosen, stored)
        )
        if has_it and spliced is None:
            report.kept += 1
            seeding.tell()
            continue
        if spliced is None:
            if stored is not None and chosen.copy_fingerprint:
                raise DamagedSourceError("A tile of the service copy is damaged.")
            yield chosen, piece
            continue
        body = b"".join(spliced.chunks)
        if seeding.sink.takes_stored:
            seeding.sink.put(chosen, piece.request, body)
            report.byte_size += len(body)
        report.stored += 1
        seeding.tell()


def _make(seeding: _Seeding, missing: Iterator[tuple[ServedImage, Piece]], workers: int) -> None:
    """Decode the bands at the same time, and then what cannot be cut from any."""
    chosen = list(missing)
    bands: list[tuple[ServedImage, Band]] = []
    alone: list[tuple[ServedImage, Piece]] = []
    for is_copy in (False, True):
        group = [(served, piece) for served, piece in chosen if bool(served.copy_fingerprint) is is_copy]
        if not group:
            continue
        answers = replace(group[0][0], copy=None)  # a source that answers though there is a copy
        together, single = plan_bands(answers, [piece for _, piece in group], workers)
        bands += [(answers, band) for band in together]
        alone += [(answers, piece) for piece in single]
    if bands:
        _run_all(seeding, bands, workers)
    for served, piece in alone:
        seeding.put(served, piece.request, b"".join(produce(served, render_plan(served, piece.request))))


def _run_all(seeding: _Seeding, bands: Sequence[tuple[ServedImage, Band]], workers: int) -> None:
    """The first failure ends the others. An interruption leaves at once; decoders that are at work end with them."""
    executor = ThreadPoolExecutor(min(workers, len(bands)), thread_name_prefix="seed")
    try:
        for made in as_completed([executor.submit(_make_band, seeding, served, band) for served, band in bands]):
            made.result()
    except BaseException:
        seeding.stopped.set()
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def _make_band(seeding: _Seeding, served: ServedImage, band: Band) -> None:
    """One decode; its pieces are put away as they come, each when the source is known to have stayed the same."""
    # Nobody waits for single tiles in this process, so all decoders may do dear work.
    planned = replace(band.planned, is_dear=False)
    try:
        with (
            open_source(served.location, etag=served.etag) as reader,
            decoder_input(served, planned, reader) as (carried_out, data),
            get_runner().run(tiles_job(carried_out, band.cuts()), data, returns_early=True) as rendered,
        ):
            made = read_tiles(rendered.chunks)
            while batch := list(islice(made, _VERIFIED_AT_ONCE)):
                reader.verify()
                for number, body in batch:
                    if seeding.stopped.is_set():
                        return
                    seeding.put(served, band.pieces[number].request, body)
    finally:
        with suppress(Exception):
            connections.close_all()
