"""Names of derivatives: the pixels asked for, the encoding of them, and the version of their source.

Whatever changes the bytes of a response is a field here, so committing a new version of a source
makes every older entry unreachable at once.
"""

import hashlib
import re
from dataclasses import dataclass, field

_IMAGE = re.compile(r"[0-9a-f]{32}")
_DOMAIN = b"derivative/1"


@dataclass(frozen=True, slots=True)
class DerivativeKey:
    """The name of one encoded response.

    `image` is a UUID as 32 hexadecimal digits (it becomes the name of a folder, so anything else is
    a ValueError); `version` counts versions of the source; `parameters` names the pixels; `encoding`
    is the fingerprint of the encoder's options. `digest`: SHA-256 in hexadecimal over the fields, each after its
    length: no two keys run together.
    """

    image: str
    version: int
    parameters: str
    encoding: str
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _IMAGE.fullmatch(self.image):
            raise ValueError(f"an image is named by 32 lower-case hexadecimal digits, not {self.image!r}")
        if self.version < 0:
            raise ValueError(f"versions count up from 0; got {self.version}")
        object.__setattr__(self, "digest", self._digest())

    def _digest(self) -> str:
        fields = (self.image, str(self.version), self.parameters, self.encoding)
        digest = hashlib.sha256(_DOMAIN)
        for text in fields:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)
        return digest.hexdigest()

    @property
    def etag(self) -> str:
        """A strong entity tag (RFC 9110, section 8.8.3), quotes included."""
        return f'"{self.digest[:32]}"'
