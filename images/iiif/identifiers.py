"""Identifiers of images: which are refused, and how they are written in a URI (Image API 3.0 §3 and §9).

An identifier is a key of the database and never a path. The rules keep out what no honest one has, so that nothing
behind it ever meets it, in whatever encoding it comes.
"""

import re
from urllib.parse import quote, unquote

from images.iiif.errors import MalformedIdentifierError

MAX_IDENTIFIER_BYTES = 1024
"""In UTF-8: as long as a key of S3 may be, and short enough for an index entry of any database (2,700 bytes)."""

_SAFE = "!$&'()*+,;=:"
"""What 3.0 §9 leaves as it is and RFC 3986 allows in a segment of a path, besides letters, digits and `-._~`."""

_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
"""Control characters, and what a decoder leaves of bad UTF-8: surrogates or U+FFFD."""

_DOT = r"(?:\.|%(?:25)*2[eE])"
_SEPARATOR = r"(?:[/\\]|%(?:25)*(?:2[fF]|5[cC]))"
_DOT_SEGMENT = re.compile(rf"(?:^|{_SEPARATOR}){_DOT}{{1,2}}(?={_SEPARATOR}|\Z)")
"""A segment `.` or `..` between slashes or backslashes, each of them raw or encoded any number of times."""

_ENCODED_CONTROL = re.compile(r"%(?:25)*(?:[01][0-9a-fA-F]|7[fF])")


def validate_identifier(text: str) -> None:
    """Raise MalformedIdentifierError unless an image may have this identifier, which was decoded once.

    `.` and `..` segments can't be asked for anyway: clients take them out of a URL before they send it (RFC 3986
    §5.2.4). `%2F` and the like may be part of an identifier.
    """
    if not text:
        raise MalformedIdentifierError("The identifier is empty.")
    if _FORBIDDEN.search(text):
        raise MalformedIdentifierError("The identifier contains control characters or is not valid UTF-8.")
    if len(text.encode()) > MAX_IDENTIFIER_BYTES:
        raise MalformedIdentifierError(f"The identifier is longer than {MAX_IDENTIFIER_BYTES} bytes.")
    if _ENCODED_CONTROL.search(text) or _FORBIDDEN.search(unquote(text)):
        raise MalformedIdentifierError(
            "The identifier contains encoded control characters or encoded bytes that are not UTF-8."
        )
    if _DOT_SEGMENT.search(text) or _DOT_SEGMENT.search(unquote(text)):
        raise MalformedIdentifierError("The identifier contains a '.' or '..' segment.")


def encode_identifier(identifier: str) -> str:
    """A valid identifier as one segment of a URI's path: `/ ? # [ ] @ %`, spaces and non-ASCII are encoded."""
    return quote(identifier, safe=_SAFE)
