"""What is to be seeded, and what came of it."""

from dataclasses import dataclass
from pathlib import Path

from images.conf import conf
from images.iiif.output import OutputFormat, Quality
from images.iiif.version import ApiVersion
from images.services.seed_sinks import SeedError

_HIGHEST_SCALE_FACTOR = 1 << 20


@dataclass(frozen=True, slots=True)
class SeedOptions:
    """`scale_factors`: those that info.json advertises where None. `refresh`: make again what is there.

    `out`: a tree of files below this folder instead of the cache; `base_uri` is where it will be served.
    """

    scale_factors: tuple[int, ...] | None = None
    format: OutputFormat = OutputFormat.JPG
    quality: Quality = Quality.DEFAULT
    refresh: bool = False
    out: Path | None = None
    base_uri: str = ""
    api_version: ApiVersion = ApiVersion.V3


@dataclass(slots=True)
class SeedReport:
    """Counts of files or tiles; `stored`: pieces of the source that are answers as they are, and need no seeding."""

    identifier: str
    wanted: int = 0
    made: int = 0
    kept: int = 0
    stored: int = 0
    byte_size: int = 0
    seconds: float = 0.0
    left_out: tuple[int, ...] = ()
    """Scale factors at which the image is smaller than a tile at the one before."""


def parse_options(scale_factors: str | None, output_format: str, quality: str, *, refresh: bool) -> SeedOptions:
    """Options from text, as a command line or a task has them. Raises SeedError."""
    factors = None
    if scale_factors:
        try:
            factors = tuple(sorted({int(part) for part in scale_factors.split(",")}))
        except ValueError:
            factors = (0,)
        if any(not 1 <= factor <= _HIGHEST_SCALE_FACTOR or factor & (factor - 1) for factor in factors):
            raise SeedError(f"Scale factors are powers of two, such as 8,4,2,1, and not {scale_factors!r}.")
    if output_format not in conf.capabilities.formats:
        raise SeedError(f"The format {output_format!r} is not one of {', '.join(sorted(conf.capabilities.formats))}.")
    if quality not in conf.capabilities.qualities:
        raise SeedError(f"The quality {quality!r} is not one of {', '.join(sorted(conf.capabilities.qualities))}.")
    return SeedOptions(factors, OutputFormat(output_format), Quality(quality), refresh)
