"""The jobs that a decoder process, or a thread, knows how to do. Importing this loads every library they need."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import pyvips
from pyvips.voperation import Introspect

from images.decoders import cut, execute, kept_level, pieces, service_copy, tiles
from images.decoders.errors import UnsupportedSourceError
from images.decoders.plan import DecodePlan
from images.decoders.records import cuts_from_json
from images.decoders.service_copy_plan import CopyPlan
from images.decoders.source import SourceData
from images.decoders.wire import encode_json
from images.indexes.description import SourceFormat

_OPERATIONS = (
    "tiffload_source",
    "jpegload_source",
    "pngload_source",
    "webpload_source",
    "gifload_source",
    "heifload_source",
    "jpegsave_target",
    "pngsave_target",
    "webpsave_target",
    "tiffsave_target",
    "jpegsave_buffer",
    "affine",
    "bandjoin",
    "cast",
    "colourspace",
    "copy",
    "crop",
    "embed",
    "extract_area",
    "icc_transform",
    "join",
    "ifthenelse",
    "reduceh",
    "reducev",
    "resize",
    "shrink",
    "shrinkh",
    "shrinkv",
)


def look_up_operations() -> None:
    """Let pyvips learn the operations now, without running any: 15 ms that the first job of a decoder need not wait."""
    for name in _OPERATIONS:
        with contextlib.suppress(pyvips.Error):
            Introspect.get(name)


def perform(
    job: Mapping[str, Any],
    source: SourceData,
    write: Callable[[bytes], None],
    is_enough: Callable[[], bool] = lambda: False,
) -> None:
    """Do `job` and hand the result to `write` in pieces; `is_enough` tells whether nobody wants the rest.

    Raises DecodeError.
    """
    match job["kind"]:
        case "render":
            execute.execute(DecodePlan.from_json(job["plan"]), source, write)
        case "cut":
            cut.execute(job, source, write)
        case "pieces":
            pieces.execute(job, source, write)
        case "cuts":
            cut.execute_several(job, source, write)
        case "tiles":
            tiles.execute(DecodePlan.from_json(job["plan"]), cuts_from_json(job["cuts"]), source, write, is_enough)
        case "service_copy":
            service_copy.execute(CopyPlan.from_json(job["copy"]), DecodePlan.from_json(job["plan"]), source, write)
        case "level":
            kept_level.execute(DecodePlan.from_json(job["plan"]), source, write)
        case "thumbnail":
            kept_level.execute_reduced(DecodePlan.from_json(job["plan"]), source, write)
        case "inspect":
            write(encode_json(execute.inspect(SourceFormat(job["format"]), source)))
        case kind:
            raise UnsupportedSourceError(f"No decoder knows the job {kind!r}.")


look_up_operations()
