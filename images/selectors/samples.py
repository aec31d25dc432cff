"""How far the making of the sample images has come: what `manage.py make_samples` writes for the gallery to show."""

import json
from dataclasses import dataclass

from images.conf import conf


@dataclass(frozen=True, slots=True)
class SampleProgress:
    """One sample; `percent` is 0 to 100, `state` one of waiting, making, ready, failed."""

    identifier: str
    label: str
    percent: int
    state: str


def get_sample_progress() -> tuple[SampleProgress, ...]:
    """The samples in the making; empty where none were asked for or the file cannot be read just now."""
    try:
        rows = json.loads((conf.data_dir / "samples" / "progress.json").read_text())
        return tuple(
            SampleProgress(str(row["identifier"]), str(row["label"]), int(row["percent"]), str(row["state"]))
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ()
