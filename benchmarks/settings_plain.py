"""The ordinary region decode: what is measured against."""

from benchmarks.settings_common import *  # noqa: F403

IIIF_JP2_INDEX = False
IIIF_TIFF_PIECES = False
IIIF_METATILE_SIZE = 0
IIIF_PASS_THROUGH = False
