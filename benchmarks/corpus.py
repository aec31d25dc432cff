"""The files that are measured with: made on the spot, and made anew when how they are made changes."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands import Missing
from benchmarks.encoders import (
    Encode,
    crop_jpeg,
    htj2k,
    jpeg2000_lossless_tiles,
    jpeg2000_progressive,
    jpeg2000_streamed,
    jpeg2000_without_precincts,
    tiff_tiles,
)
from benchmarks.picture import RECIPE, repeat_picture, write_picture

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A file of the corpus: `encode` makes it of the picture, which is a TIFF without compression."""

    name: str
    file_name: str
    what: str
    version: str
    encode: Encode


CROP = "jpeg-4096"
"""The only file that has not the picture's size."""

RECIPES = (
    Recipe(
        "jp2-rpcl-plt",
        "jp2-rpcl-plt.jp2",
        "JPEG 2000, one tile, RPCL, precincts 256, 5 layers to 10:1, PLT and TLM",
        "1",
        jpeg2000_progressive(packet_lengths=True),
    ),
    Recipe("tiff-jpeg", "tiff-jpeg.tif", "pyramidal TIFF, JPEG tiles of 256, quality 85", "1", tiff_tiles("jpeg")),
    Recipe(
        "jp2-tiled",
        "jp2-tiled.jp2",
        "JPEG 2000, tiles of 1024, 5/3 lossless, RPCL, PLT and TLM",
        "1",
        jpeg2000_lossless_tiles,
    ),
    Recipe(
        "jp2-lrcp",
        "jp2-lrcp.jp2",
        "JPEG 2000, one tile, LRCP, no precincts, 5 layers to 10:1, no PLT",
        "1",
        jpeg2000_without_precincts,
    ),
    Recipe(
        "jp2-rpcl",
        "jp2-rpcl.jp2",
        "JPEG 2000, one tile, RPCL, precincts 256, 5 layers to 10:1, no PLT",
        "1",
        jpeg2000_progressive(packet_lengths=False),
    ),
    Recipe("tiff-deflate", "tiff-deflate.tif", "pyramidal TIFF, deflate tiles of 256", "1", tiff_tiles("deflate")),
    Recipe(CROP, "jpeg-4096.jpg", "JPEG of 3897x4096, quality 90, as in go-iiif's README", "1", crop_jpeg),
    Recipe("htj2k", "htj2k.jp2", "HTJ2K (JPEG 2000 part 15), one tile, RPCL, lossy", "1", htj2k),
)
BIG_RECIPES = (
    Recipe("big-tiff", "big-tiff.tif", "pyramidal TIFF, JPEG tiles of 256, quality 85", "1", tiff_tiles("jpeg")),
    Recipe("big-jp2", "big-jp2.jp2", "JPEG 2000, tiles of 1024, lossy, by libvips", "1", jpeg2000_streamed),
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of files of one picture."""

    folder: Path
    width: int
    height: int

    def find(self, name: str) -> Path | None:
        """The file of this name where it could be made."""
        recipe = next(recipe for recipe in (*RECIPES, *BIG_RECIPES) if recipe.name == name)
        path = self.folder / recipe.file_name
        return path if path.exists() else None


def make_corpus(
    work: Path,
    width: int,
    height: int,
    recipes: Iterable[Recipe],
    say: Say,
    *,
    copies_of: tuple[int, int] | None = None,
) -> tuple[Corpus, dict[str, str]]:
    """Makes what is missing or was made by another recipe.

    Args:
        work: the folder of the benchmarks; the corpus is a folder in it, named by its size.
        copies_of: the size of the picture that is repeated to fill this one.

    Returns:
        The corpus, and why each file is missing that could not be made.
    """
    folder = work / f"{width}x{height}"
    folder.mkdir(parents=True, exist_ok=True)
    stamp_path = folder / "recipes.json"
    stamp: dict[str, str] = json.loads(stamp_path.read_text()) if stamp_path.exists() else {}
    problems = {}
    for recipe in recipes:
        path = folder / recipe.file_name
        wanted = _digest(recipe)
        if path.exists() and stamp.get(recipe.name) == wanted:
            continue
        say(f"Making {recipe.file_name} ({width}x{height}): {recipe.what} …")
        try:
            _make(recipe, _picture(work, width, height, copies_of), path)
        except Missing as error:
            problems[recipe.name] = str(error)
            path.unlink(missing_ok=True)
            continue
        stamp[recipe.name] = wanted
        stamp_path.write_text(json.dumps(stamp, indent=1))
    return Corpus(folder, width, height), problems


def _make(recipe: Recipe, picture: Path, path: Path) -> None:
    draft = path.with_name(f"draft-{path.name}")
    try:
        recipe.encode(picture, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _picture(work: Path, width: int, height: int, copies_of: tuple[int, int] | None) -> Path:
    path = work / f"{width}x{height}" / f"picture-{RECIPE}.tif"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"draft-{path.name}")
    if copies_of:
        repeat_picture(_picture(work, *copies_of, None), draft, width, height)
    else:
        write_picture(draft, width, height)
    draft.replace(path)
    return path


def _digest(recipe: Recipe) -> str:
    return hashlib.sha256(f"{RECIPE} {recipe.version} {recipe.what}".encode()).hexdigest()
