"""Where a source lies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from images.sources.errors import SourceNotAllowedError


@dataclass(frozen=True, slots=True)
class Location:
    """A key below a root.

    `kind` names the implementation (see `images.sources.registry`). For "filesystem", `root` is an absolute folder and
    `key` a relative path with slashes. For "http", `root` is a base URL that the key is appended to, or empty, and
    then `key` is the whole URL. `options` are those of the implementation and no part of the location's identity.
    """

    kind: str
    root: str
    key: str
    options: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def key_segments(key: str) -> tuple[str, ...]:
    """The parts of a key between its slashes. One source has one spelling: nothing is normalised, only refused.

    Raises SourceNotAllowedError for a key that is empty, absolute, has empty, `.` or `..` parts, control characters,
    backslashes or lone surrogates.
    """
    if not key:
        raise SourceNotAllowedError("The name of the source file is empty.")
    if not key.isascii() and any("\ud800" <= character <= "\udfff" for character in key):
        raise SourceNotAllowedError("The name of the source file is not valid Unicode.")
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in key):
        raise SourceNotAllowedError("The name of the source file has control characters in it.")
    if "\\" in key:
        raise SourceNotAllowedError("The name of the source file has a backslash in it.")
    segments = tuple(key.split("/"))
    if not segments[0]:
        raise SourceNotAllowedError("The name of the source file must be relative to its folder.")
    if not {"", ".", ".."}.isdisjoint(segments):
        raise SourceNotAllowedError(
            "The name of the source file has an empty part or one that leads to another folder."
        )
    return segments
