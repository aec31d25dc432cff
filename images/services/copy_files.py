"""The bytes of service copies: written beside, completed, checked, and then given to their storage."""

import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import Storage, storages
from django.utils import timezone

from images.conf import conf
from images.decoders.service_copy_plan import CopyPlan
from images.indexes.errors import DamagedError
from images.indexes.parsing import run as run_parser
from images.indexes.tiff.copy_index import TAIL_AT, TAIL_BYTES, describe_and_index_copy
from images.models import ServiceCopy
from images.selectors.images import ServedImage
from images.services.decoding import get_copier
from images.services.indexing import decoder_input
from images.sources.errors import SourceError
from images.sources.registry import open_source
from images.sources.stored import stored_location

logger = logging.getLogger(__name__)

_SUFFIX = ".tif"
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}-v[0-9]+-[0-9a-f]{12}\.tif")
_ORPHAN = timedelta(days=1)  # longer than between giving bytes to a storage and the commit that names them
_PART_GRACE_SECONDS = 3600


class CopyStorageError(Exception):
    """The copy could not be kept: the storage, or the disk of this machine, didn't take it."""

    code = "storage_failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class MadeCopy:
    """A copy that lies in its storage: the fields of its record."""

    storage: str
    name: str
    byte_size: int
    etag: str
    encoding: str
    description: dict[str, Any]
    index: bytes


def copy_write(served: ServedImage, copy: CopyPlan, beat: Callable[[], bool]) -> MadeCopy | None:
    """Make a copy of the version that is served and give it to the storage; None where `beat` says to stop.

    Nothing is left where this fails. Raises SourceError, DecodeError, IndexingError and CopyStorageError.
    """
    copy.check(conf.decode_memory_limit_bytes)
    with _part(served) as path:
        if not _stream(served, copy, path, beat):
            return None
        with path.open("rb") as file:
            byte_size = file.seek(0, os.SEEK_END)

            def read(start: int, length: int) -> bytes:
                return os.pread(file.fileno(), length, start)

            description, index = run_parser(describe_and_index_copy(byte_size, conf.source_limits), read)
        if (description.width, description.height, len(description.levels)) != (*_size(copy), len(copy.levels)):
            raise DamagedError("The service copy is not what it should be.")
        name, etag = _keep(served, path)
    return MadeCopy(
        storage=conf.service_copy_storage,
        name=name,
        byte_size=byte_size,
        etag=etag,
        encoding=copy.fingerprint,
        description=description.to_json(),
        index=index.to_bytes(),
    )


def _size(copy: CopyPlan) -> tuple[int, int]:
    return copy.full.width, copy.full.height


@contextmanager
def _part(served: ServedImage) -> Iterator[Path]:
    """A name for what is not complete yet; gone afterwards, whatever happens."""
    folder = _parts()
    path = folder / f"{served.uuid}-{secrets.token_hex(8)}{_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise CopyStorageError(f"The service copy could not be written: {error.strerror}.") from error
    finally:
        path.unlink(missing_ok=True)


def _parts() -> Path:
    return conf.data_dir / "cache" / "making"


def _stream(served: ServedImage, copy: CopyPlan, path: Path, beat: Callable[[], bool]) -> bool:
    """From the decoder into the file, with the header completed at the end (`images.decoders.service_copy_tiff`)."""
    with open_source(served.location, etag=served.etag) as reader, path.open("xb+") as file:
        with decoder_input(served, copy.planned, reader) as (carried_out, data):
            job = {"kind": "service_copy", "copy": copy.to_json(), "plan": carried_out.to_json()}
            with get_copier().run(job, data) as made:
                for chunk in made.chunks:
                    file.write(chunk)
                    if not beat():
                        return False
        reader.verify()
        byte_size = file.seek(-TAIL_BYTES, os.SEEK_END)
        tail = file.read(TAIL_BYTES)
        file.truncate(byte_size)
        file.seek(TAIL_AT)
        file.write(tail)
        file.flush()
        os.fsync(file.fileno())
    return True


class _Movable(File):  # type: ignore[type-arg]
    """A file that a storage of files may take by renaming it, as it takes uploads."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def _keep(served: ServedImage, path: Path) -> tuple[str, str]:
    """Give the file to the storage; its name there, and the etag of what lies there now."""
    alias = conf.service_copy_storage
    wanted = f"{served.uuid[:2]}/{served.uuid}-v{served.version}-{secrets.token_hex(6)}{_SUFFIX}"
    try:
        with path.open("rb") as file:
            name = storages[alias].save(wanted, _Movable(file, str(path)))
    except Exception as error:
        raise CopyStorageError(f"The storage of service copies does not take them: {error!r}") from error
    try:
        with open_source(stored_location(alias, name)) as reader:
            return name, reader.stat().etag
    except SourceError:
        copy_discard(alias, name)
        raise


def copy_discard(alias: str, name: str) -> None:
    """Remove the bytes of a copy, unless a record names them."""
    if ServiceCopy.objects.filter(storage=alias, name=name).exists():
        return
    try:
        storages[alias].delete(name)
    except Exception as error:  # noqa: BLE001 - storages raise anything; the sweep tries again
        logger.warning("The service copy %s could not be removed from %s: %r", name, alias, error)


def orphans_remove() -> int:
    """Remove what a crash has left: objects of the storage that no record names, and parts. Returns how many."""
    alias, removed = conf.service_copy_storage, 0
    known = set(ServiceCopy.objects.filter(storage=alias).values_list("name", flat=True))
    for name in _names(storages[alias]):
        if name not in known and _is_old(storages[alias], name):
            copy_discard(alias, name)
            removed += 1
    before = time.time() - conf.service_copy_seconds - _PART_GRACE_SECONDS
    for path in _parts().glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # it may be finished just now
            if path.stat().st_mtime < before:
                path.unlink()
                removed += 1
    return removed


def _names(storage: Storage) -> Iterator[str]:
    """Copies by their names, two levels deep; none where a storage cannot list what it has."""
    try:
        folders, _ = storage.listdir("")
        for folder in folders:
            _, files = storage.listdir(folder)
            yield from (f"{folder}/{file}" for file in files if _NAME.fullmatch(f"{folder}/{file}"))
    except (NotImplementedError, FileNotFoundError):
        return


def _is_old(storage: Storage, name: str) -> bool:
    try:
        return storage.get_modified_time(name) < timezone.now() - _ORPHAN
    except (NotImplementedError, OSError):
        return False
