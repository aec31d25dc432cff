"""The samples, and the making of those that are not there yet."""

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pyvips

from images.samples.agate import make_agate
from images.samples.chart import make_chart
from images.samples.guilloche import make_guilloche
from images.samples.writing import write_jpeg, write_jpeg2000, write_tiff

logger = logging.getLogger(__name__)

Report = Callable[[float], None]
_REPORT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture: `make` writes it to a path and tells the finished part, 0 to 1.

    The name of the file changes with the picture, so that a new one is a new source.
    """

    identifier: str
    label: str
    file_name: str
    make: Callable[[Path, Report], None]


@dataclass(slots=True)
class _Row:
    identifier: str
    label: str
    percent: int = 0
    state: str = "waiting"


class Progress:
    """`progress.json` for the gallery: one row a sample, in state waiting, making, ready or failed."""

    def __init__(self, folder: Path, samples: tuple[Sample, ...]) -> None:
        self._path = folder / "progress.json"
        self._rows = {sample.identifier: _Row(sample.identifier, sample.label) for sample in samples}
        self._written = 0.0

    def set(self, identifier: str, state: str, part: float) -> None:
        row = self._rows[identifier]
        is_step = row.state != state
        row.state, row.percent = state, min(100, int(part * 100))
        if is_step or time.monotonic() - self._written > _REPORT_SECONDS:
            self._write()

    def _write(self) -> None:
        draft = self._path.with_name(f".progress-{os.getpid()}.json")
        draft.write_text(json.dumps([asdict(row) for row in self._rows.values()]))
        draft.replace(self._path)
        self._written = time.monotonic()


def guilloche_jpeg(path: Path, report: Report) -> None:
    write_jpeg(make_guilloche(report=lambda part: report(part * 0.9)), path)


def chart_tiff(path: Path, report: Report) -> None:
    chart = make_chart(report=lambda part: report(part * 0.7))
    write_tiff(chart, path, lambda part: report(0.7 + part * 0.3))


def agate_jpeg2000(path: Path, report: Report) -> None:
    write_jpeg2000(make_agate(report=lambda part: report(part * 0.3)), path)


# The quickest first, so that the gallery is soon not empty.
SAMPLES = (
    Sample("guilloche", "Guilloche (JPEG, 13 megapixels)", "guilloche-1.jpg", guilloche_jpeg),
    Sample("map", "Sea chart (pyramidal TIFF, 107 megapixels)", "sea-chart-1.tif", chart_tiff),
    Sample("agate", "Agate (JPEG 2000, 25 megapixels)", "agate-1.jp2", agate_jpeg2000),
)


def make_samples(
    folder: Path, on_ready: Callable[[Sample, Path], None], samples: tuple[Sample, ...] = SAMPLES
) -> list[str]:
    """Makes the samples that are missing in the folder, one after the other.

    Args:
        on_ready: is told of each that is there, made now or before.

    Returns:
        What went wrong, one sentence a sample: the others are made all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(".*"):
        left_over.unlink(missing_ok=True)
    progress = Progress(folder, samples)
    # Those that are there are shown at once.
    waiting = sorted(samples, key=lambda sample: not (folder / sample.file_name).exists())
    problems = []
    for sample in waiting:
        path = folder / sample.file_name
        try:
            if not path.exists():
                progress.set(sample.identifier, "making", 0)
                sample.make(path, partial(progress.set, sample.identifier, "making"))
        except (pyvips.Error, OSError, RuntimeError, MemoryError) as error:
            logger.exception("sample_failed", extra={"sample": sample.identifier})
            problems.append(f"{sample.label}: {error}")
            progress.set(sample.identifier, "failed", 1)
        else:
            on_ready(sample, path)
            progress.set(sample.identifier, "ready", 1)
    return problems
