"""Make a service copy: one pass over the source from top to bottom, all levels at once. Runs in a decoder process.

Of each level only the rows of one row of tiles are held: as soon as they are complete they are encoded, and halved into
rows of the next level.
"""

from collections.abc import Callable, Iterator

import pyvips

from images.decoders import colour, libvips, transform
from images.decoders.execute import opened_region
from images.decoders.options import EncodeOptions
from images.decoders.plan import DecodePlan
from images.decoders.service_copy_plan import CopyPlan
from images.decoders.service_copy_tiff import CopyWriter
from images.decoders.source import SourceData
from images.iiif.geometry import Size


def execute(copy: CopyPlan, planned: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    """Hand the copy to `write` in pieces, as `service_copy_tiff` says.

    `planned`: the whole image, as it is decoded from `source`. Raises DecodeError.
    """
    with libvips.plain_errors(), opened_region(planned, source) as raster:
        shown = transform.orient(colour.to_display(raster), planned.orientation)
        if shown.hasalpha():
            shown = transform.flatten(shown, EncodeOptions(background=copy.options.background).background_rgb())
        pyramid = _Pyramid(copy, shown.bands, write)
        for rows in _rows(shown, copy.tile):
            pyramid.feed(rows)
        pyramid.finish()


def _rows(image: pyvips.Image, height: int) -> Iterator[pyvips.Image]:
    """All of an image that can only be read from the top, so many rows at a time, in memory.

    One region reads it: with one pipeline after the other, libvips would forget in between what it has read beyond the
    end of each.
    """
    region = pyvips.Region.new(image)
    for y in range(0, image.height, height):
        rows = min(height, image.height - y)
        pixels = region.fetch(0, y, image.width, rows)
        held = pyvips.Image.new_from_memory(pixels, image.width, rows, image.bands, image.format)
        yield held.copy(interpretation=image.interpretation)


class _Pyramid:
    """Takes the rows of the full image and passes them on, level by level."""

    def __init__(self, copy: CopyPlan, bands: int, write: Callable[[bytes], None]) -> None:
        self._tile = copy.tile
        self._levels = copy.levels
        self._writer = CopyWriter(self._levels, copy.tile, bands, is_subsampled=copy.options.is_subsampled, write=write)
        self._chosen = {
            "Q": copy.options.quality,
            "subsample_mode": "on" if copy.options.is_subsampled else "off",
            "keep": "none",
        }
        self._waiting: list[list[pyvips.Image]] = [[] for _ in self._levels]
        self._rows = [0] * len(self._levels)

    def feed(self, strip: pyvips.Image, number: int = 0) -> None:
        """Rows of a level, all of one row of tiles at the most."""
        waiting, level = self._waiting[number], self._levels[number]
        waiting.append(strip)
        self._rows[number] += strip.height
        height = sum(part.height for part in waiting)
        if height < self._tile and self._rows[number] < level.height:
            return
        rows = waiting[0]
        for part in waiting[1:]:
            rows = rows.join(part, "vertical").copy_memory()
        waiting.clear()
        self._encode(rows, number)
        if number + 1 < len(self._levels):
            self.feed(rows.shrink(2, 2, ceil=True).copy_memory(), number + 1)

    def finish(self) -> None:
        self._writer.finish()

    def _encode(self, rows: pyvips.Image, number: int) -> None:
        for x in range(0, rows.width, self._tile):
            shown = Size(min(self._tile, rows.width - x), rows.height)
            piece = rows.crop(x, 0, shown.width, shown.height)
            if shown == Size(self._tile, self._tile):
                self._writer.add(number, piece.jpegsave_buffer(**self._chosen))
                continue
            self._writer.add_edge(number, piece.jpegsave_buffer(**self._chosen))
            padded = piece.embed(0, 0, self._tile, self._tile, extend="copy")
            self._writer.add(number, padded.jpegsave_buffer(**self._chosen))
