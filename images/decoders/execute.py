"""Carry out a plan: decode, transform, encode. Runs in a decoder process, or in a thread."""

from collections.abc import Callable, Mapping
from typing import Any

from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.indexes.description import SourceDescription, SourceFormat


def execute(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    """Decode what `plan` asks from `source` and hand the encoded bytes to `write`, in pieces, as they are made.

    Raises DecodeError. What `write` raises is raised again once the encoder has stopped.
    """
    raise NotImplementedError


def inspect(source_format: SourceFormat, source: SourceData) -> dict[str, Any]:
    """What the headers of a JPEG, PNG, WebP, GIF or AVIF say: JSON values only. Raises DecodeError."""
    raise NotImplementedError


def describe_inspected(
    source_format: SourceFormat, inspected: Mapping[str, Any]
) -> SourceDescription:
    """The description of a source from what `inspect` found. Pure."""
    raise NotImplementedError


def prepare() -> None:
    """Load the libraries and settle their switches once, before any child is forked or any source is opened."""
