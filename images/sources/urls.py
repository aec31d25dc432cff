"""The one parser of source URLs. What it returns is what is connected to: no second parser gets to disagree.

It is stricter than RFC 3986: a URL that two parsers could read in two ways is refused rather than repaired.
"""

import contextlib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin

from uritemplate import URITemplate

from images.sources.errors import SourceNotAllowedError
from images.sources.kinds import is_template
from images.sources.location import Location, key_segments

_MAX_LENGTH = 4096  # characters; servers commonly refuse longer request lines
_DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986, appendix B, narrowed: the authority has neither user information nor percent-encoding.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9_.-]{1,253}))"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
# WHATWG URL, "ends in a number checker": such a host is an IPv4 address to some resolvers.
_NUMBER = re.compile(r"[0-9]+|0[Xx][0-9A-Fa-f]*", re.ASCII)
_KEPT_IN_PATH = "/:@!$&'()*+,;=-._~%?"


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """What to ask, and whom. `host` is a name or an address without brackets, `target` the path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        return f"{self.origin}{self.target}"

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def source_url(location: Location) -> str:
    """The URL of a location of kind "http": the key itself, appended to the root, or in a template.

    Raises SourceNotAllowedError.
    """
    if not location.root:
        return location.key
    if is_template(location.root):
        key_segments(location.key)
        return URITemplate(location.root).expand(id=location.key)
    if "?" in location.root or "#" in location.root:
        raise SourceNotAllowedError("The base URL of this store must have no query.")
    segments = [quote(segment, safe="~") for segment in key_segments(location.key)]
    return "/".join([location.root.rstrip("/"), *segments])


def parse_url(url: str, ports: frozenset[int]) -> HttpTarget:
    """Take an absolute http or https URL apart. Raises SourceNotAllowedError with what is wrong about it.

    The host is checked in its form only; its addresses are for `images.sources.addresses`.
    """
    if len(url) > _MAX_LENGTH:
        raise SourceNotAllowedError(f"The URL is longer than {_MAX_LENGTH} characters.")
    if any(character <= " " or "\x7f" <= character <= "\xa0" for character in url):
        raise SourceNotAllowedError("The URL has spaces or control characters in it.")
    if "\\" in url:
        raise SourceNotAllowedError("The URL has a backslash in it.")
    match = _URL.fullmatch(url)
    if match is None:
        raise SourceNotAllowedError(_what_is_wrong(url))
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if port not in ports:
        raise SourceNotAllowedError(f"The URL names port {port}, which is not allowed here.")
    host = _ipv6(match["ipv6"]) if match["ipv6"] else _host_name(match["name"])
    target = quote((match["path"] or "/") + (match["query"] or ""), safe=_KEPT_IN_PATH)
    return HttpTarget(scheme, host, port, target)


def parse_redirect(base: HttpTarget, location: str, ports: frozenset[int]) -> HttpTarget:
    """The target of a Location header (RFC 9110, section 10.2.2), as strictly as the first URL.

    `location` is the field as `http.client` gives it, each byte one character.
    """
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    if "\\" not in location and not any(character <= " " or character == "\x7f" for character in location):
        with contextlib.suppress(ValueError):
            return parse_url(urljoin(base.url, location), ports)
    raise SourceNotAllowedError("The web server redirects to a URL that is not valid.", base.origin)


def _what_is_wrong(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _DEFAULT_PORTS:
        return "The URL must begin with http:// or https://."
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return "The URL has a user name or password in it."
    if not authority.isascii():
        return "The host name of the URL must be written in ASCII (xn--…)."
    return "The host or port of the URL is not valid."


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError as error:
        raise SourceNotAllowedError("The host or port of the URL is not valid.") from error


def _host_name(name: str) -> str:
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(name))  # four decimal numbers, no leading zeros
        except ValueError as error:
            raise SourceNotAllowedError("The URL writes an address in an unusual way.") from error
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise SourceNotAllowedError("The host or port of the URL is not valid.")
    return name.lower()
