"""Trying a store out: what works, what does not, and how long it takes, in plain words."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.utils import timezone

from images.indexes.errors import IndexingError
from images.indexes.sniff import sniff
from images.models import Image, Store, StoreTestState
from images.selectors.stores import store_location
from images.services.stores import SUFFIXES, store_list
from images.sources.errors import SourceError
from images.sources.listing import ListingUnsupportedError
from images.sources.reader import ByteReader
from images.sources.registry import open_source

Result = TypeVar("Result")

_HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class StoreTestStep:
    """One thing that was tried. `technical` is for administrators and holds no secret."""

    passed: bool
    sentence: str
    milliseconds: int
    technical: str = ""

    def __str__(self) -> str:
        text = f"{'✓' if self.passed else '✗'} {self.sentence} ({self.milliseconds} ms)"
        return f"{text} [{self.technical}]" if self.technical else text


@dataclass(frozen=True, slots=True)
class StoreTestResult:
    steps: tuple[StoreTestStep, ...]

    @property
    def passed(self) -> bool:
        return all(step.passed for step in self.steps)

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


class _Trial:
    """The steps so far."""

    def __init__(self) -> None:
        self.steps: list[StoreTestStep] = []

    def attempt(self, work: Callable[[], Result], sentence: Callable[[Result], str]) -> Result | None:
        """Note how it went; None where it failed."""
        began = time.monotonic()
        try:
            result = work()
        except ListingUnsupportedError as error:
            self.note(f"Not listed: {error.detail}", began)
        except SourceError as error:
            self.note(error.detail, began, passed=False, technical=error.technical)
        except IndexingError as error:
            self.note(f"What was read is no image: {error.detail}", began, passed=False)
        else:
            self.note(sentence(result), began)
            return result
        return None

    def note(self, sentence: str, began: float, *, passed: bool = True, technical: str = "") -> None:
        self.steps.append(StoreTestStep(passed, sentence, round((time.monotonic() - began) * 1000), technical))


def store_test(store: Store, key: str = "") -> StoreTestResult:
    """List the store, open one of its sources and read a range of it; write down and return how that went.

    `key`: the source to try; else one that is registered, or the first image that is listed.
    """
    trial = _Trial()
    listed = trial.attempt(
        lambda: store_list(store),
        lambda listing: f"Listing works: {len(listing.sources)}{'+' if listing.cursor else ''} objects.",
    )
    images = [one.key for one in listed.sources if one.key.lower().endswith(SUFFIXES)] if listed else []
    key = key or (images[0] if images else "") or _registered_key(store)
    if key:
        _try_source(trial, store, key)
    elif not listed or not listed.sources:
        trial.note("There is no source to read: name a key.", time.monotonic(), passed=listed is not None)
    else:
        trial.note("No image was found among the first objects: name a key to read one.", time.monotonic())
    result = StoreTestResult(tuple(trial.steps))
    state = StoreTestState.PASSED if result.passed else StoreTestState.FAILED
    Store.objects.filter(pk=store.pk).update(tested=timezone.now(), test_state=state, test_detail=str(result))
    return result


def _registered_key(store: Store) -> str:
    return Image.objects.filter(store=store).order_by("pk").values_list("key", flat=True).first() or ""


def _try_source(trial: _Trial, store: Store, key: str) -> None:
    """Open it as ingest does, then as a request does: pinned to the version that was found."""
    opened = trial.attempt(lambda: _stat(store, key), lambda found: f"{key} is there: {found[1]:,} bytes.")
    if opened is None:
        return
    etag, byte_size = opened
    trial.attempt(
        lambda: _head(open_source(store_location(store, key), etag), byte_size),
        lambda source_format: f"Reading a part of it works: it is {source_format}.",
    )


def _stat(store: Store, key: str) -> tuple[str, int]:
    with open_source(store_location(store, key)) as reader:
        return reader.stat().etag, reader.stat().byte_size


def _head(reader: ByteReader, byte_size: int) -> str:
    with reader:
        return sniff(reader.read(0, min(_HEAD_BYTES, byte_size))).value
