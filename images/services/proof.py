"""Proof that a source can be decoded: headers alone prove nothing (reliability: success with grey pixels)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from images.conf import conf
from images.decoders.options import EncodeOptions
from images.decoders.plan import plan
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.iiif.geometry import Region, Size
from images.indexes.description import SourceDescription
from images.services.decoding import get_runner
from images.sources.reader import ByteReader

_OVERVIEW_PIXELS = 256
_CORNER_PIXELS = 64


@contextmanager
def source_data(reader: ByteReader) -> Iterator[SourceData]:
    """The bytes of an open source as a decoder takes them: a descriptor where there is one, else all of them."""
    descriptor = reader.fileno()
    length = reader.stat().byte_size
    if descriptor is not None:
        yield SourceData(fd=descriptor, length=length)
    else:
        yield SourceData(data=reader.read(0, length))


def prove(description: SourceDescription, reader: ByteReader, once: Mapping[str, bool]) -> None:
    """Decode the whole image small and, where regions are cheap, its four corners at full size.

    `once`: {"once": True} for what has ended decoders before. Raises DecodeError where any of it fails.
    """
    full = Size(description.width, description.height)
    regions = [(Region(0, 0, full.width, full.height), _confined(full, _OVERVIEW_PIXELS))]
    if description.levels[0].tile_width:
        regions += [(corner, corner.size) for corner in _corners(full)]
    limit = conf.decode_memory_limit_bytes
    with source_data(reader) as data:
        for region, size in regions:
            request = RenderRequest(
                region=region,
                size=size,
                mirrored=False,
                degrees="0",
                quality="default",
                format="jpg",
                options=EncodeOptions(),
            )
            job = {"kind": "render", "plan": plan(description, request, memory_limit=limit).to_json(), **once}
            for _chunk in get_runner().run(job, data).chunks:
                pass


def _confined(full: Size, longest: int) -> Size:
    scale = max(full.width, full.height, longest)
    return Size(max(1, full.width * longest // scale), max(1, full.height * longest // scale))


def _corners(full: Size) -> list[Region]:
    width, height = min(full.width, _CORNER_PIXELS), min(full.height, _CORNER_PIXELS)
    return [
        Region(x, y, width, height) for x in sorted({0, full.width - width}) for y in sorted({0, full.height - height})
    ]
