"""Where a source lies, and how it is to be fetched from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_noop

from images.sources.errors import SourceNotAllowedError


class Strategy(StrEnum):
    """How the bytes of a store come here.

    STREAM: only the ranges that are needed. CACHE: the whole source to a local disk, once. MEMORY: the whole source
    into memory, once.
    """

    STREAM = "stream"
    CACHE = "cache"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a store says of fetching from it.

    `store` is its name, empty for what lies in none. `prefetch`: fetch the source as soon as its info.json is asked
    for. `freshness_seconds`: how long a version may be trusted before the store is asked again; 0: until a read
    notices. `max_connections`: requests at a time by one process. `max_bytes_per_second`: by one process; None is no
    limit. `is_enabled`: False opens nothing.
    """

    store: str = ""
    strategy: Strategy = Strategy.STREAM
    prefetch: bool = False
    freshness_seconds: int = 0
    max_connections: int = 16
    max_bytes_per_second: int | None = None
    is_enabled: bool = True


NO_STORE = Retrieval()


@dataclass(frozen=True, slots=True)
class Location:
    """A key below a root.

    `kind` names the implementation (see `images.sources.registry`). For "filesystem", `root` is an absolute folder and
    `key` a relative path with slashes. For "http", `root` is a base URL that the key is appended to, a template with
    `{id}` for the key (RFC 6570), or empty, and then `key` is the whole URL. For "s3", "gcs" and "azure", `root` is a
    bucket, with or without a prefix after a slash. For "storage", `root` is an alias of Django's STORAGES and `key` a
    name in that storage. For "flickr", `key` is the number of a photo. `options` are those of the implementation
    (`images.sources.kinds`); neither they nor `retrieval` are part of the location's identity.
    """

    kind: str
    root: str
    key: str
    options: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    retrieval: Retrieval = field(default=NO_STORE, compare=False, repr=False)

    def is_fetched_like(self, other: "Location") -> bool:
        """Whether the other location is the same, to be fetched in the same way."""
        return self == other and self.options == other.options and self.retrieval == other.retrieval


def key_segments(key: str) -> tuple[str, ...]:
    """The parts of a key between its slashes. One source has one spelling: nothing is normalised, only refused.

    Raises SourceNotAllowedError for a key that is empty, absolute, has empty, `.` or `..` parts, control characters,
    backslashes or lone surrogates.
    """
    if not key:
        raise SourceNotAllowedError(gettext_noop("The name of the source file is empty."))
    if not key.isascii() and any("\ud800" <= character <= "\udfff" for character in key):
        raise SourceNotAllowedError(gettext_noop("The name of the source file is not valid Unicode."))
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in key):
        raise SourceNotAllowedError(gettext_noop("The name of the source file has control characters in it."))
    if "\\" in key:
        raise SourceNotAllowedError(gettext_noop("The name of the source file has a backslash in it."))
    segments = tuple(key.split("/"))
    if not segments[0]:
        raise SourceNotAllowedError(gettext_noop("The name of the source file must be relative to its folder."))
    if not {"", ".", ".."}.isdisjoint(segments):
        raise SourceNotAllowedError(
            gettext_noop("The name of the source file has an empty part or one that leads to another folder.")
        )
    return segments
