"""The two versions of the IIIF Image API that are answered, and the URIs that belong to each."""

import enum

PROTOCOL_URI = "http://iiif.io/api/image"


class ApiVersion(enum.IntEnum):
    """Major version of the Image API: 2 is 2.1.1, 3 is 3.0."""

    V2 = 2
    V3 = 3

    @property
    def protocol(self) -> str:
        return PROTOCOL_URI

    @property
    def context_uri(self) -> str:
        return f"{PROTOCOL_URI}/{self.value}/context.json"

    def profile_uri(self, level: int) -> str:
        """The URI of a compliance level's document (Image API 3.0 §6, 2.1 §6)."""
        return f"{PROTOCOL_URI}/{self.value}/level{level}.json"
