"""Fewer quality layers at reduced levels."""

from benchmarks.settings_common import *  # noqa: F403

IIIF_LAYER_POLICY = "reduced"
