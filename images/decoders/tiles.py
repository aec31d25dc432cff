"""Many tiles from one raster: decode a region once, cut it, encode each piece.

The answer is a sequence of records (see `records`), the first cut first.
"""

from collections.abc import Callable, Iterator, Sequence

from images.decoders import execute as rendering
from images.decoders import jp2, libvips, pixels
from images.decoders.plan import DecodePlan
from images.decoders.records import pack_record
from images.decoders.source import SourceData
from images.iiif.geometry import Region
from images.indexes.description import SourceFormat

Write = Callable[[bytes], None]


def execute(
    plan: DecodePlan,
    cuts: Sequence[Region],
    source: SourceData,
    write: Write,
    is_enough: Callable[[], bool] = lambda: False,
) -> None:
    """Write a record for each cut, the first one first, in the order in which their pixels are there.

    Where areas are decoded one after the other, `is_enough` is asked before each but the first. Raises DecodeError.
    """
    waiting = dict(enumerate(cuts))
    with libvips.plain_errors():
        for area, encoded in _rasters(plan, cuts, source):
            there = [number for number, cut in waiting.items() if _holds(area, cut)]
            for number in there:
                cut = waiting.pop(number)
                body = encoded(Region(cut.x - area.x, cut.y - area.y, cut.width, cut.height))
                write(pack_record(number, len(body)))
                write(body)
                if number == 0:
                    write(b"")
            write(b"")
            if is_enough():
                break


def _holds(area: Region, cut: Region) -> bool:
    return (
        area.x <= cut.x
        and area.y <= cut.y
        and cut.x + cut.width <= area.x + area.width
        and cut.y + cut.height <= area.y + area.height
    )


def _rasters(
    plan: DecodePlan, cuts: Sequence[Region], source: SourceData
) -> Iterator[tuple[Region, Callable[[Region], bytes]]]:
    """Areas of the answer, with what encodes parts of them; the first holds the first cut."""
    if source.parts is None and _comes_in_parts(plan):
        for area, image in jp2.load_areas(plan, source, cuts):
            yield area, pixels.cutter(rendering.displayed(image, plan), plan.request)
        return
    with rendering.opened_region(plan, source) as image:
        raster = rendering.shown(image, plan)
        yield Region(0, 0, raster.width, raster.height), pixels.cutter(raster, plan.request)


def _comes_in_parts(plan: DecodePlan) -> bool:
    """Whether pixels of the answer are pixels of the level, so that a part of one is a part of the other."""
    return (
        plan.source_format is SourceFormat.JP2
        and all(axis.is_plain and axis.length == axis.output for axis in (plan.horizontal, plan.vertical))
        and plan.orientation == 1
    )
