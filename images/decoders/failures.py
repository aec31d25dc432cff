"""Decoder errors as JSON and back, so that a failure in a decoder process is raised again in the server."""

import re
from collections.abc import Mapping
from typing import Any

from images.decoders.errors import (
    DamagedSourceError,
    DecodeError,
    DecodeLimitError,
    UnsupportedSourceError,
)

_DETAIL_LENGTH = 500
_CODE_LENGTH = 50
_MEMORY = re.compile(
    r"(?:out of|not enough|insufficient) memory|memory (?:allocation|error)|out_of_memory"
    r"|(?:fail|error|can't|cannot|could not|couldn't|unable)[^:]{0,20}\balloc"
    r"|av1_create_context_and_bufferpool\(\) failed",
    re.IGNORECASE,
)
# What a decoder may say. Being overloaded or dead is for the server alone to say.
_TYPES: dict[str, type[DecodeError]] = {
    "failed": DecodeError,
    "damaged": DamagedSourceError,
    "unsupported": UnsupportedSourceError,
    "limit": DecodeLimitError,
}


def translate(error: Exception) -> DecodeError:
    """Any exception of a job as a DecodeError; what only a programmer understands is left out."""
    if isinstance(error, DecodeError):
        return error
    if isinstance(error, MemoryError):
        return out_of_memory()
    return DecodeError("The image could not be decoded.")


def tells_of_memory(message: str) -> bool:
    """Whether a library's message means that it got no memory, and not that the file is damaged."""
    return _MEMORY.search(message) is not None


def out_of_memory() -> DecodeLimitError:
    return DecodeLimitError("Decoding this image needs more memory than is allowed.", "out_of_memory")


def out_of_time() -> DecodeLimitError:
    return DecodeLimitError("Decoding this image takes longer than is allowed.", "out_of_time")


def failure_to_json(error: DecodeError) -> dict[str, Any]:
    name = next((name for name, type_ in _TYPES.items() if type(error) is type_), "failed")
    return {
        "type": name,
        "code": error.code[:_CODE_LENGTH],
        "detail": error.detail[:_DETAIL_LENGTH],
    }


def failure_from_json(data: Mapping[str, Any]) -> DecodeError:
    """Believes neither the type nor the length of anything in `data`."""
    type_ = _TYPES.get(str(data.get("type")), DecodeError)
    code = str(data.get("code") or type_.code)[:_CODE_LENGTH]
    return type_(str(data.get("detail", ""))[:_DETAIL_LENGTH], code)
