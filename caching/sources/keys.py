"""What the bytes of a source are kept under."""

import hashlib
from dataclasses import dataclass

_PLACE_DIGITS = 32
_VERSION_DIGITS = 32


@dataclass(frozen=True, slots=True)
class SourceKey:
    """One version of one source. `place` and `version` are hexadecimal digests: of where it lies and of its etag.

    `store` is the name under which counters are kept; it is no part of the identity.
    """

    place: str
    version: str
    store: str = ""

    @classmethod
    def of(cls, place: str, etag: str, store: str = "") -> "SourceKey":
        return cls(place, _digest(etag.encode())[:_VERSION_DIGITS], store)

    @property
    def name(self) -> str:
        """The name of its files; the versions of one source begin alike."""
        return f"{self.place}-{self.version}"

    @property
    def digest(self) -> str:
        """For locks: as random in its first digits as everywhere."""
        return _digest(self.name.encode())


def place_digest(place: tuple[str, ...]) -> str:
    """Of all that says where a source lies; parts cannot run into each other."""
    return _digest("\0".join(place).encode("utf-8", "surrogatepass"))[:_PLACE_DIGITS]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
