"""Purges: what the caches hold of one image, a collection, a store, all, or what is of no use any more.

Never a source. Each can be tried out: a dry run tells what would be freed.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from caching.derivatives import get_derivative_cache
from caching.errors import CacheError
from caching.eviction import NOTHING, Amount
from images.models import Collection, Image, Job, Store
from images.services.invalidation import derivatives_discard, image_invalidate
from images.services.jobs import JobProgress, job_create

KIND = "purge"


class PurgeScopeError(LookupError):
    """There is no such image, collection or store."""


class Scope(StrEnum):
    ALL = "all"
    EXPIRED = "expired"
    IMAGE = "image"
    COLLECTION = "collection"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Purge:
    """What is to go. `name`: of the image (its identifier), the collection or the store; `prefix`: of keys in it."""

    scope: Scope
    name: str = ""
    prefix: str = ""

    def images(self) -> QuerySet[Image]:
        """Of which anything may be kept. Raises PurgeScopeError."""
        images = Image.objects.select_related("store").filter(version__gt=0).order_by("pk")
        match self.scope:
            case Scope.IMAGE:
                self._require(Image.objects.filter(identifier=self.name).exists())
                return images.filter(identifier=self.name)
            case Scope.COLLECTION:
                self._require(Collection.objects.filter(name=self.name).exists())
                return images.filter(collection__name=self.name)
            case Scope.STORE:
                self._require(Store.objects.filter(name=self.name).exists())
                return images.filter(store__name=self.name, key__startswith=self.prefix)
            case Scope.EXPIRED:
                return images.filter(version__gt=1)
            case Scope.ALL:
                return images

    def _require(self, exists: bool) -> None:  # noqa: FBT001
        if not exists:
            raise PurgeScopeError(f"There is no {self.scope} named {self.name!r}.")


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What was freed of derivatives, or would be; `failed` images of which not all could be removed."""

    images: int
    entries: int
    bytes: int
    failed: int = 0


def purge_run(purge: Purge, *, dry_run: bool = False, progress: JobProgress | None = None) -> PurgeReport:
    """Purge now. Raises PurgeScopeError; CacheError where the caches as a whole cannot be swept."""
    images = purge.images()
    if dry_run and purge.scope is Scope.ALL:
        kept = get_derivative_cache().discard_all(dry_run=True)
        return PurgeReport(images.count(), kept.entries, kept.bytes)
    if progress is not None:
        progress.expect(images.count())
    freed, failed, count = NOTHING, 0, 0
    for image in images.iterator(chunk_size=500):
        count += 1
        try:
            freed += _purge_image(purge, image, dry_run=dry_run)
        except CacheError:
            failed += 1
            if progress is not None:
                progress.advance(failed=1)
        else:
            if progress is not None:
                progress.advance()
    if not dry_run and purge.scope is Scope.ALL:
        freed += get_derivative_cache().discard_all()  # of images without a record, too
    if not dry_run and purge.scope is Scope.EXPIRED:
        freed += get_derivative_cache().sweep().evicted
    return PurgeReport(count, freed.entries, freed.bytes, failed)


def _purge_image(purge: Purge, image: Image, *, dry_run: bool) -> Amount:
    if purge.scope is not Scope.EXPIRED:
        return image_invalidate(image, dry_run=dry_run)
    if dry_run:
        return get_derivative_cache().discard_image(image.uuid.hex, before_version=image.version, dry_run=True)
    return derivatives_discard(image.uuid.hex, image.version)


def purge_start(purge: Purge, *, dry_run: bool = False, user: AbstractBaseUser | None = None) -> Job:
    """Have a worker do it; the report is the job's `detail`. Raises PurgeScopeError."""
    parameters = {"scope": purge.scope.value, "name": purge.name, "prefix": purge.prefix, "dry_run": dry_run}
    return job_create(KIND, parameters, user=user, total=purge.images().count())


def run_purge(progress: JobProgress) -> None:
    """The runner of such a job."""
    parameters: Any = progress.parameters
    purge = Purge(Scope(parameters["scope"]), parameters["name"], parameters["prefix"])
    report = purge_run(purge, dry_run=bool(parameters["dry_run"]), progress=progress)
    progress.detail = asdict(report)
