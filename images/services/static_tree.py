"""A level 0 service as a folder of files: any web server answers from it."""

import hashlib
import json
import os
import re
import shutil
import threading
from contextlib import suppress
from pathlib import Path, PurePosixPath

from images.iiif.capabilities import Capabilities
from images.iiif.errors import IIIFError
from images.iiif.geometry import Size
from images.iiif.identifiers import encode_identifier, validate_identifier
from images.iiif.information import ImageInformation, build
from images.iiif.output import OutputFormat, Quality
from images.iiif.request import ResolvedRequest
from images.iiif.static import static_path
from images.iiif.tiles import TileSet, level_sizes
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage
from images.services.information import information_body
from images.services.planning import derivative_key

_STATE = ".seeded.json"
_INFORMATION = "info.json"
_REGION = re.compile(r"full|\d+,\d+,\d+,\d+")


class TreeError(ValueError):
    """The tree cannot be there or be written; the message says why."""


class StaticTree:
    """The files of one image below `root`, each written whole or not at all. Thread-safe.

    A tree is of one version of the image and of one encoding: what another seeding left is taken away first. Files that
    no seeding made are written over, and nothing else is touched.
    """

    def __init__(self, root: Path, name: str, served: ServedImage, api_version: ApiVersion) -> None:
        self.folder = root / _relative(name)
        self._name = name
        self._served = served
        self._api_version = api_version
        self._made: set[Path] = set()
        self._lock = threading.Lock()

    def open(self, template: ResolvedRequest, tile: Size, *, refresh: bool) -> bool:
        """Make ready for files that are encoded like `template`; whether those that are there are good.

        Raises TreeError.
        """
        encoding = derivative_key(self._served, template).encoding
        facts = [self._served.uuid, str(self._served.version), repr(tile), str(int(self._api_version))]
        copy = self._served.copy
        facts += [str(template.quality), str(template.format), encoding, copy.copy_fingerprint if copy else ""]
        state = json.dumps({"seeded": hashlib.sha256(json.dumps(facts).encode()).hexdigest()}).encode()
        try:
            known = self._read_state()
            if known == state and not refresh:
                return True
            regions = self._regions()
            if known is not None:
                (self.folder / _INFORMATION).unlink(missing_ok=True)
                for folder in regions:
                    shutil.rmtree(folder)
            if known is not None or not regions:
                self._write(_STATE, state)
        except OSError as error:
            raise TreeError(f"{self.folder}: {error.strerror}") from error
        return known is not None or not regions

    def has(self, request: ResolvedRequest) -> bool:
        return (self.folder / self.path(request)).is_file()

    def put(self, request: ResolvedRequest, body: bytes) -> None:
        """Raises TreeError."""
        self._write(self.path(request), body)

    def finish(self, base_uri: str, tiles: TileSet, sizes: tuple[int, ...], request: ResolvedRequest) -> None:
        """Write info.json, which makes a tree of the files. `sizes`: scale factors of whole images.

        Raises TreeError.
        """
        full = self._served.full
        information = ImageInformation(
            uri=f"{base_uri}/{encode_identifier(self._name)}",
            full=full,
            capabilities=Capabilities(
                features=frozenset(),
                qualities=frozenset({Quality.DEFAULT, request.quality}),
                formats=frozenset({OutputFormat.JPG, request.format}),
            ),
            sizes=level_sizes(full, sizes),
            tiles=(tiles,),
            is_grayscale=self._served.description.is_grayscale,
            is_static=True,
            rights=self._served.rights,
            attribution=self._served.attribution,
            preferred_formats=() if request.format is OutputFormat.JPG else (request.format,),
        )
        self._write(_INFORMATION, information_body(build(information, self._api_version)))

    def path(self, request: ResolvedRequest) -> str:
        """Below the folder of the image. In 2.1, very narrow regions have one path for two heights."""
        return static_path(
            request.region, request.size, self._served.full, self._api_version, request.quality, request.format
        )

    def _read_state(self) -> bytes | None:
        try:
            return (self.folder / _STATE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _regions(self) -> list[Path]:
        """Folders of regions; an image `a` and an image `a/b` may share a folder."""
        if not self.folder.is_dir():
            return []
        return [child for child in self.folder.iterdir() if child.is_dir() and _REGION.fullmatch(child.name)]

    def _write(self, relative: str, body: bytes) -> None:
        path = self.folder / relative
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self._make_folder(path.parent)
            try:
                partial.write_bytes(body)
                partial.replace(path)
            finally:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
        except OSError as error:
            raise TreeError(f"{path} could not be written: {error.strerror}") from error

    def _make_folder(self, folder: Path) -> None:
        with self._lock:
            if folder in self._made:
                return
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._made.add(folder)


def _relative(name: str) -> PurePosixPath:
    """The folders that a web server looks in when the encoded name is asked for. Raises TreeError."""
    try:
        validate_identifier(name)
    except IIIFError as error:
        raise TreeError(f"{name!r} cannot name a folder: {error}") from error
    parts = name.split("/")
    is_taken = any(_REGION.fullmatch(part) or part in {_INFORMATION, _STATE} for part in parts)
    if "" in parts or any(len(part.encode()) > 255 for part in parts) or is_taken:
        raise TreeError(f"{name!r} cannot name a folder; give another name as alternate_id in a CSV file.")
    return PurePosixPath(*parts)
