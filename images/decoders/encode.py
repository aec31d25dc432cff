"""Raster to bytes of an output format."""

from images.decoders.options import EncodeOptions

__all__ = ["EncodeOptions"]
