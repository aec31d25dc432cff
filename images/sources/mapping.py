"""From the name in an identifier to a key: by prefix, suffix and a regular expression."""

import re
from dataclasses import dataclass

from images.sources.errors import SourceNotAllowedError
from images.sources.location import key_segments

_REFERENCE = re.compile(r"\\(?:([1-9])|g<([A-Za-z_][A-Za-z0-9_]*)>)")
"""Of a group: `\\1` or `\\g<name>`."""


@dataclass(frozen=True, slots=True)
class KeyMapping:
    """`pattern` must match a name as a whole; `template` makes the key of its groups, and may stay empty."""

    prefix: str = ""
    suffix: str = ""
    pattern: str = ""
    template: str = ""

    def key(self, name: str) -> str | None:
        """The key for a name; None where the pattern does not match, or what comes out cannot be a key."""
        middle = name
        if self.pattern:
            match = re.fullmatch(self.pattern, name)
            if match is None:
                return None
            if self.template:
                middle = _REFERENCE.sub(lambda found: match[_group(found)] or "", self.template)
        key = f"{self.prefix}{middle}{self.suffix}"
        try:
            key_segments(key)
            key_segments(middle)
        except SourceNotAllowedError:
            return None
        return key


def pattern_problem(pattern: str) -> str:
    """What is wrong with a regular expression; empty if nothing is."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"It is no regular expression: {error}."
    return ""


def template_problem(template: str, pattern: str) -> str:
    """What is wrong with a template for the groups of a pattern; empty if nothing is."""
    if not template or pattern_problem(pattern):
        return ""
    if not pattern:
        return "A key template needs an identifier pattern."
    compiled = re.compile(pattern)
    for found in _REFERENCE.finditer(template):
        group = _group(found)
        if group not in compiled.groupindex and (isinstance(group, str) or group > compiled.groups):
            return f"The pattern has no group {found[0]}."
    return ""


def _group(found: "re.Match[str]") -> int | str:
    return int(found[1]) if found[1] else found[2]
