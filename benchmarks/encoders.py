"""The encoders of the corpus: programs and libraries that others encode with, not this server's own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvips

from benchmarks.commands import Missing, find_program, run
from benchmarks.environment import tools_python
from images.samples.writing import _glymur as bind_glymur

Encode = Callable[[Path, Path], None]
"""Makes the second file of the first, which is an uncompressed TIFF."""

LAYERS = (160, 80, 40, 20, 10)
RESOLUTIONS = 7
PRECINCT = 256
JPEG_QUALITY = 85
README_WIDTH, README_HEIGHT = 3897, 4096
HTJ2K_SCRIPT = Path(__file__).with_name("htj2k_script.py")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a JPEG 2000 is laid out; its first resolution is 1/64 of the image."""

    progression: str
    is_lossy: bool
    has_precincts: bool = False
    tile: int = 0
    has_lengths: bool = False

    def options(self) -> list[str]:
        """Of opj_compress."""
        lossy = ["-r", ",".join(map(str, LAYERS)), "-I"] if self.is_lossy else []
        precincts = ["-c", ",".join([f"[{PRECINCT},{PRECINCT}]"] * RESOLUTIONS)] if self.has_precincts else []
        tiles = ["-t", f"{self.tile},{self.tile}"] if self.tile else []
        lengths = ["-PLT", "-TLM"] if self.has_lengths else []
        return [*lossy, "-p", self.progression, "-b", "64,64", "-n", str(RESOLUTIONS), *precincts, *tiles, *lengths]

    def arguments(self) -> dict[str, object]:
        """Of glymur, which writes either PLT or TLM: the lengths of packets are what decoders need."""
        arguments: dict[str, object] = {"prog": self.progression, "cbsize": (64, 64), "numres": RESOLUTIONS}
        arguments |= {"irreversible": self.is_lossy, "plt": self.has_lengths}
        if self.is_lossy:
            arguments["cratios"] = LAYERS
        if self.has_precincts:
            arguments["psizes"] = [(PRECINCT, PRECINCT)] * RESOLUTIONS
        if self.tile:
            arguments["tilesize"] = (self.tile, self.tile)
        return arguments


def jpeg2000_progressive(*, packet_lengths: bool) -> Encode:
    """What digitisation guidelines recommend: resolutions in precincts, and quality layers."""
    layout = Layout("RPCL", is_lossy=True, has_precincts=True, has_lengths=packet_lengths)
    return lambda picture, path: _compress(picture, path, layout)


def jpeg2000_without_precincts(picture: Path, path: Path) -> None:
    """What an encoder makes where nobody told it more than the ratios."""
    _compress(picture, path, Layout("LRCP", is_lossy=True))


def jpeg2000_lossless_tiles(picture: Path, path: Path) -> None:
    _compress(picture, path, Layout("RPCL", is_lossy=False, tile=1024, has_lengths=True))


def jpeg2000_streamed(picture: Path, path: Path) -> None:
    """Tile by tile: opj_compress holds all samples as four bytes each, 11 GB of a picture of 900 megapixels."""
    program = find_program("vips", package="libvips-tools")
    tiles = ("--tile-width", "1024", "--tile-height", "1024")
    run([program, "jp2ksave", picture, path, *tiles, "--Q", "45"], timeout_seconds=7200)


def _compress(picture: Path, path: Path, layout: Layout) -> None:
    """With opj_compress where it is installed, else with the OpenJPEG that the server decodes with."""
    try:
        program = find_program("opj_compress", package="libopenjp2-tools")
    except Missing:
        _compress_in_process(picture, path, layout)
        return
    run([program, "-i", picture, "-o", path, "-threads", "2", *layout.options()], timeout_seconds=7200)


def _compress_in_process(picture: Path, path: Path, layout: Layout) -> None:
    try:
        glymur = bind_glymur()
        glymur.set_option("lib.num_threads", 2)
        pixels: Any = pyvips.Image.new_from_file(str(picture)).numpy()
        glymur.Jp2k(str(path), data=pixels, **layout.arguments())
    except (RuntimeError, OSError) as error:
        raise Missing(f"OpenJPEG did not encode: {error}") from None


def tiff_tiles(compression: str) -> Encode:
    """A pyramid as `vips tiffsave` makes it: SubIFDs are not used, each level is a page."""

    def encode(picture: Path, path: Path) -> None:
        image: Any = pyvips.Image.new_from_file(str(picture), access="sequential")
        options: dict[str, object] = {"Q": JPEG_QUALITY} if compression == "jpeg" else {"predictor": "horizontal"}
        image.tiffsave(
            str(path),
            tile=True,
            pyramid=True,
            tile_width=256,
            tile_height=256,
            compression=compression,
            bigtiff=image.width * image.height > 500_000_000,
            **options,
        )

    return encode


def crop_jpeg(picture: Path, path: Path) -> None:
    """As many pixels as the picture in go-iiif's README, from the middle."""
    image: Any = pyvips.Image.new_from_file(str(picture), access="random")
    width, height = min(README_WIDTH, image.width), min(README_HEIGHT, image.height)
    middle = image.crop((image.width - width) // 2, (image.height - height) // 2, width, height)
    middle.jpegsave(str(path), Q=90)


def htj2k(picture: Path, path: Path) -> None:
    """Raises Missing where the encoder cannot be installed."""
    run([tools_python(), HTJ2K_SCRIPT, picture, path])
