"""What the ways to an IIIF answer have in common."""

IIIF_HEADERS = (
    # Image API 3.0, sections 7.1 and 9.
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "Link, ETag, Last-Modified, Content-Disposition, Content-Length, Location, Retry-After",
    ),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
"""On every answer below /iiif/, errors, redirects and 304 included."""


WHOLE_BYTES = 1_048_576
"""Larger bodies are relayed piece by piece."""


def is_iiif_path(path: str) -> bool:
    return path.startswith("/iiif/")
