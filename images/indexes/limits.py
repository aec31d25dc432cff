"""How much of a source's structure is believed before anything is allocated for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What a source may have at most. A server decodes for strangers: each figure bounds what one file can cost.

    `max_pixels_tiled`: of sources of which a part can be decoded alone; 100,000 pixels square.
    `max_pixels_untiled`: of sources that are decoded from the top for any region; A0 at 300 dpi has 139 million.
    `max_tile_pixels`: of one TIFF tile, which is always decoded whole; 4,000 pixels square.
    `max_components`: colours and other channels; T.800 allows 16,384, its conformance files need 257.
    `max_ifds`: TIFF directories, with SubIFDs; a stack of microscope images has some thousand.
    `max_ifd_entries`: tags of one TIFF directory; a few hundred are known at all.
    `max_tiff_tiles`: tiles or strips of one TIFF directory; 10 gigapixels in tiles of 128 pixels have 610,000.
    `max_jp2_tiles`: T.800 A.4.2 can't number more.
    `max_jp2_tile_pixels`: of one JPEG 2000 tile; its decoder keeps a record of each of its code-blocks.
    `max_jp2_packets`: of a JPEG 2000 codestream, which are all visited before the first pixel.
    `max_jp2_code_blocks`: of one JPEG 2000 tile; each costs the decoder some hundred bytes before the first pixel.
    `max_indexed_tiles`, `max_indexed_packets`: of a JPEG 2000 codestream whose packets are indexed; a packet takes 24
    bytes of a server's memory, 10 gigapixels of three colours in precincts of 256 and one layer have 600,000.
    `max_indexed_code_blocks`: of one JPEG 2000 tile whose packet headers are read; each takes some 30 bytes meanwhile.
    `max_indexed_contributions`: code-blocks times quality layers of a JPEG 2000 tile whose code-blocks are indexed;
    each takes 7 to 11 bytes of a server's memory, a gigapixel of three colours and one layer has 750,000.
    `max_boxes`: boxes of a JP2 file that are looked at before its codestream.
    `max_tile_parts_read`: JPEG 2000 tile-parts whose headers are looked at; each is a read.
    """

    max_pixels_tiled: int = 10_000_000_000
    max_pixels_untiled: int = 150_000_000
    max_tile_pixels: int = 16_000_000
    max_components: int = 512
    max_ifds: int = 4_096
    max_ifd_entries: int = 1_024
    max_tiff_tiles: int = 2_000_000
    max_jp2_tiles: int = 65_535
    max_jp2_tile_pixels: int = 2_000_000_000
    max_jp2_packets: int = 20_000_000
    max_jp2_code_blocks: int = 8_000_000
    max_indexed_tiles: int = 16_384
    max_indexed_packets: int = 2_000_000
    max_indexed_code_blocks: int = 2_000_000
    max_indexed_contributions: int = 4_000_000
    max_boxes: int = 4_096
    max_tile_parts_read: int = 1_024
