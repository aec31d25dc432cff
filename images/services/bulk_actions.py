"""What curators do with many images at once, as a job that can be watched."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist

from caching.errors import CacheError
from images.decoders.errors import DecodeError
from images.iiif.errors import IIIFError
from images.models import Image, Job
from images.queue import enqueue
from images.selectors.images import ImageNotFoundError, ImageNotReadyError
from images.services.audit import image_note_action, image_note_changed
from images.services.copy_policy import copy_remove, copy_request
from images.services.invalidation import image_invalidate
from images.services.jobs import JobProgress, job_create
from images.services.registration import image_reingest, image_restore_source
from images.services.seeding import image_seed_by_id
from images.sources.errors import SourceError

KIND = "images"
MOST_REASONS = 100
"""Of items that failed, kept with the job: enough to see what is wrong, and no novel."""

_CHANGED = {"set_profile": "profile", "move": "collection"}
"""Actions that write one field of the record."""

_Action = Callable[[Image, Mapping[str, Any], JobProgress], None]
_FAILURES = (
    CacheError,
    DecodeError,
    IIIFError,
    ImageNotFoundError,
    ImageNotReadyError,
    SourceError,
    ObjectDoesNotExist,
    ValueError,
)


def bulk_action_create(
    action: str, pks: list[int], arguments: Mapping[str, Any] | None = None, *, user: AbstractBaseUser | None = None
) -> Job:
    """A job that does one of ACTIONS with each image. Raises ValueError for an action that is none."""
    if action not in ACTIONS:
        raise ValueError(f"There is no action {action!r}; there are {', '.join(ACTIONS)}.")
    parameters = {"action": action, "images": pks, "arguments": dict(arguments or {})}
    return job_create(KIND, parameters, user=user, total=len(pks))


def run_bulk_action(progress: JobProgress) -> None:
    """Raises JobCancelledError. An image that fails is noted, and the others go on."""
    name = progress.parameters["action"]
    action, user = ACTIONS[name], Job.objects.select_related("created_by").get(pk=progress.job_pk).created_by
    pks, arguments = progress.parameters["images"], progress.parameters["arguments"]
    progress.expect(len(pks))
    reasons: list[dict[str, str]] = []
    progress.detail["failures"] = reasons
    for pk in pks:
        image = Image.objects.select_related("collection", "profile").filter(pk=pk).first()
        try:
            if image is not None:  # else it was deleted meanwhile
                action(image, arguments, progress)
                _note(user, image, name)
        except _FAILURES as error:
            if len(reasons) < MOST_REASONS:
                identifier = image.identifier if image is not None else str(pk)
                reasons.append({"identifier": identifier, "reason": str(getattr(error, "detail", "") or error)})
            progress.advance(failed=1)
        else:
            progress.advance()


def _note(user: Any, image: Image, action: str) -> None:
    changed = _CHANGED.get(action)
    if changed:
        image_note_changed(user, image, [changed])
    else:
        image_note_action(user, image, action)


def _reingest(image: Image, _arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    image_reingest(image.pk)


def _restore(image: Image, _arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    image_restore_source(image.pk)


def _refresh(image: Image, _arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    enqueue("images.refresh", image.pk)


def _purge(image: Image, _arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    image_invalidate(image)


def _warm(image: Image, _arguments: Mapping[str, Any], progress: JobProgress) -> None:
    """May take minutes, in which the job shows that it lives."""
    options = {"scale_factors": "", "output_format": "jpg", "quality": "default"}
    image_seed_by_id(image.pk, **options, refresh=False, watch=lambda _done, _wanted: progress.beat())


def _make_copy(image: Image, _arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    if not copy_request(image.pk):
        raise ImageNotReadyError(image.identifier, image.state, image.error_detail)


def _remove_copy(image: Image, _arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    copy_remove(image.pk)


def _set_profile(image: Image, arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    image.profile_id = arguments["profile"]
    image.save(update_fields=["profile", "modified"])


def _move(image: Image, arguments: Mapping[str, Any], _progress: JobProgress) -> None:
    image.collection_id = arguments["collection"]
    image.save(update_fields=["collection", "modified"])
    enqueue("images.service_copy_settle", image.pk)


ACTIONS: Mapping[str, _Action] = {
    "reingest": _reingest,
    "restore": _restore,
    "refresh": _refresh,
    "purge": _purge,
    "warm": _warm,
    "make_copy": _make_copy,
    "remove_copy": _remove_copy,
    "set_profile": _set_profile,
    "move": _move,
}
"""What can be done; `set_profile` and `move` have a key as argument, or None for none."""
