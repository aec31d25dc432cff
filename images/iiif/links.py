"""Values of the Link header (RFC 8288; Image API 3.0 §4.8 and §6, 2.1 §4.7 and §6)."""

from images.iiif.negotiation import JSON
from images.iiif.version import ApiVersion

_CONTEXT_RELATION = "http://www.w3.org/ns/json-ld#context"


def image_uri(base_uri: str, canonical_path: str) -> str:
    """The URI of an image; of the characters in a canonical path only `^` must be encoded (RFC 3986 §3.3)."""
    return f"{base_uri}/{canonical_path.replace('^', '%5E')}"


def canonical_link(uri: str) -> str:
    return f'<{uri}>;rel="canonical"'


def profile_link(level: int, api_version: ApiVersion) -> str:
    return f'<{api_version.profile_uri(level)}>;rel="profile"'


def context_link(api_version: ApiVersion) -> str:
    """Tells that plain JSON can be read as JSON-LD (JSON-LD 1.1 §6.1)."""
    return f'<{api_version.context_uri}>;rel="{_CONTEXT_RELATION}";type="application/ld+json"'


def image_link_header(canonical_uri: str | None, level: int | None, api_version: ApiVersion) -> str:
    """One header for an image; a part that is None (switched off) is left out, and all of it may be ""."""
    links = []
    if canonical_uri is not None:
        links.append(canonical_link(canonical_uri))
    if level is not None:
        links.append(profile_link(level, api_version))
    return ", ".join(links)


def information_link_header(media_type: str, level: int | None, api_version: ApiVersion) -> str:
    """One header for info.json: the context where 2.1 is answered as plain JSON, and the profile unless None."""
    links = []
    if api_version is ApiVersion.V2 and media_type == JSON:
        links.append(context_link(api_version))
    if level is not None:
        links.append(profile_link(level, api_version))
    return ", ".join(links)
