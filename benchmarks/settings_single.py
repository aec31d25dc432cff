"""The index of the source, but each tile by itself."""

from benchmarks.settings_common import *  # noqa: F403

IIIF_METATILE_SIZE = 0
