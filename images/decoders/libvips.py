"""libvips, set up for files from strangers, and its errors in plain words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyvips

from images.decoders.errors import DamagedSourceError, DecodeError, UnsupportedSourceError
from images.decoders.failures import out_of_memory, tells_of_memory

_ALLOWED_LOADERS = ("Tiff", "Jpeg", "Png", "Webp", "Nsgif", "Heif")
"""libvips' class names; Nsgif reads GIF, Heif reads AVIF."""

_PREFIX = re.compile(r"^(?:[A-Za-z_]\w*(?: \w+)?: )+")

_UNSUPPORTED = re.compile(r"unsupported|not supported|unknown compression|not configured", re.IGNORECASE)


def settle() -> None:
    """Keep nothing between operations, and block every loader that nobody meant to offer."""
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", state=True)
    for loader in _ALLOWED_LOADERS:
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", state=False)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn libvips' errors into a DecodeError that a curator can read."""
    try:
        yield
    except pyvips.Error as error:
        raise _translated(error) from error


def _translated(error: pyvips.Error) -> DecodeError:
    lines = [line.strip() for line in f"{error.detail or error.message}".splitlines()]
    told = [line for line in lines if line] or ["no reason was given"]
    if any(map(tells_of_memory, told)):
        return out_of_memory()
    unsupported = next((line for line in told if _UNSUPPORTED.search(line)), None)
    if unsupported:
        return UnsupportedSourceError(f"The file holds something that is not read here: {_reason(unsupported)}.")
    return DamagedSourceError(f"The file is damaged: {_reason(told[0])}.")


def _reason(line: str) -> str:
    """Without the names of the libraries that pass the sentence on."""
    return _PREFIX.sub("", line).rstrip(".") or line
