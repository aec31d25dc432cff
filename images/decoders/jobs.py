"""The jobs that a decoder process, or a thread, knows how to do. Importing this loads every library they need."""

from collections.abc import Callable, Mapping
from typing import Any

from images.decoders import execute
from images.decoders.errors import UnsupportedSourceError
from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.decoders.wire import encode_json
from images.indexes.description import SourceFormat


def perform(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    """Do `job` and hand the result to `write` in pieces. Raises DecodeError."""
    match job["kind"]:
        case "render":
            execute.execute(DecodePlan.from_json(job["plan"]), source, write)
        case "inspect":
            write(encode_json(execute.inspect(SourceFormat(job["format"]), source)))
        case kind:
            raise UnsupportedSourceError(f"No decoder knows the job {kind!r}.")
