"""What the tags of one TIFF directory say of its image, and the check that its tiles or strips are in the file."""

from array import array
from dataclasses import dataclass

from images.indexes.errors import DamagedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.tiff import tags
from images.indexes.tiff.directories import Directory, Layout, read_integer, read_integers

REDUCED = 1
MASK = 4
"""Bits of NewSubfileType (TIFF 6.0 p. 36)."""


@dataclass(frozen=True, slots=True)
class Page:
    """The image of one directory. Codes are those of TIFF 6.0; `tile_width` and `tile_height` are None for strips."""

    directory: Directory
    width: int
    height: int
    subfile_type: int
    compression: int
    photometric: int
    samples_per_pixel: int
    bits_per_sample: tuple[int, ...]
    sample_format: int
    planar_configuration: int
    rows_per_strip: int
    tile_width: int | None
    tile_height: int | None
    orientation: int
    extra_samples: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def is_tiled(self) -> bool:
        return self.tile_width is not None

    @property
    def piece_count(self) -> int:
        """Tiles or strips; of every plane where each sample has its own."""
        if self.tile_width and self.tile_height:
            pieces = -(-self.width // self.tile_width) * -(-self.height // self.tile_height)
        else:
            pieces = -(-self.height // self.rows_per_strip)
        return pieces * (self.samples_per_pixel if self.planar_configuration == tags.PLANAR_SEPARATE else 1)


def parse_page(window: Window, layout: Layout, directory: Directory, limits: SourceLimits) -> Parser[Page]:
    """Read the tags that say what and how large the image is; its tiles are not looked at.

    Raises DamagedError where a side is missing or 0, TooLargeError for more than `max_components` samples.
    """

    def integer(tag: int, default: int) -> Parser[int]:
        value = yield from read_integer(window, layout, directory, tag)
        return default if value is None else value

    width = yield from integer(tags.IMAGE_WIDTH, 0)
    height = yield from integer(tags.IMAGE_LENGTH, 0)
    if not width or not height:
        raise DamagedError(f"The width or height of {directory.name} is missing or 0.")
    samples = yield from integer(tags.SAMPLES_PER_PIXEL, 1)
    if not 0 < samples <= limits.max_components:
        raise TooLargeError(f"The pixels of {directory.name} have {samples:,} samples; {limits.max_components} may be.")
    bits = yield from read_integers(window, layout, directory, tags.BITS_PER_SAMPLE, samples)
    rows_per_strip = yield from integer(tags.ROWS_PER_STRIP, height)
    extra = yield from read_integers(window, layout, directory, tags.EXTRA_SAMPLES, samples)
    tile_width, tile_height = yield from _parse_tile_size(window, layout, directory)
    orientation = yield from integer(tags.ORIENTATION, 1)
    return Page(
        directory=directory,
        width=width,
        height=height,
        subfile_type=(yield from integer(tags.NEW_SUBFILE_TYPE, 0)),
        compression=(yield from integer(tags.COMPRESSION, 1)),
        photometric=(yield from integer(tags.PHOTOMETRIC, 0)),
        samples_per_pixel=samples,
        bits_per_sample=tuple(bits) or (1,),
        sample_format=(yield from integer(tags.SAMPLE_FORMAT, 1)),
        planar_configuration=(yield from integer(tags.PLANAR_CONFIGURATION, 1)),
        rows_per_strip=min(rows_per_strip, height) or height,
        tile_width=tile_width,
        tile_height=tile_height,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        extra_samples=tuple(extra),
    )


def _parse_tile_size(window: Window, layout: Layout, directory: Directory) -> Parser[tuple[int | None, int | None]]:
    """Both or none. A tiled page has TileWidth; TileOffsets alone do not make one."""
    width = yield from read_integer(window, layout, directory, tags.TILE_WIDTH)
    height = yield from read_integer(window, layout, directory, tags.TILE_LENGTH)
    if width is None and height is None:
        return None, None
    if not width or not height:
        raise DamagedError(f"The tile size of {directory.name} is missing or 0.")
    return width, height


@dataclass(frozen=True, slots=True)
class Pieces:
    """Where the tiles or strips of a page lie, in bytes from the beginning of the file, row by row.

    `byte_counts` is None where the file leaves them out, as old writers of strips did.
    """

    offsets: "array[int]"
    byte_counts: "array[int] | None"


def parse_pieces(window: Window, layout: Layout, page: Page, limits: SourceLimits) -> Parser[Pieces]:
    """Every tile or strip must lie in the file: libtiff would answer grey pixels for one that doesn't.

    Raises DamagedError, or TooLargeError for more pieces, or larger tiles, than the limits allow.
    """
    piece = "Tile" if page.is_tiled else "Strip"
    if page.tile_width and page.tile_height and page.tile_width * page.tile_height > limits.max_tile_pixels:
        raise TooLargeError(
            f"The tiles of {page.name} are {page.tile_width:,} × {page.tile_height:,} pixels; "
            f"a tile may have {limits.max_tile_pixels:,} pixels."
        )
    count = page.piece_count
    if count > limits.max_tiff_tiles:
        raise TooLargeError(
            f"The image of {page.name} is cut into {count:,} pieces; {limits.max_tiff_tiles:,} are allowed."
        )
    offsets = yield from _read_list(window, layout, page, (tags.TILE_OFFSETS, tags.STRIP_OFFSETS))
    byte_counts = yield from _read_list(window, layout, page, (tags.TILE_BYTE_COUNTS, tags.STRIP_BYTE_COUNTS))
    are_counted = bool(byte_counts) or page.is_tiled
    if not are_counted:
        byte_counts = array("Q", [1]) * len(offsets)  # old writers left them out, and libtiff works them out
    listed = min(len(offsets), len(byte_counts))
    if listed < count:
        raise DamagedError(f"Of the {count:,} {piece.lower()}s of {page.name}, only {listed:,} are in its list.")
    for number, (offset, byte_count) in enumerate(zip(offsets, byte_counts, strict=False), 1):
        if offset + byte_count > window.byte_size:
            raise DamagedError(
                f"{piece} {number:,} of {page.name} lies beyond the end of the file: "
                f"it was probably cut off during copying."
            )
        if not offset or not byte_count:
            raise DamagedError(f"{piece} {number:,} of {page.name} was never written: its place in the list is empty.")
    return Pieces(offsets, byte_counts if are_counted else None)


def _read_list(window: Window, layout: Layout, page: Page, either: tuple[int, int]) -> Parser["array[int]"]:
    """The offsets or lengths of all pieces, in one read. Some writers list tiles under the tags of strips."""
    tag = either[0] if page.is_tiled and either[0] in page.directory.fields else either[1]
    return (yield from read_integers(window, layout, page.directory, tag, page.piece_count))
