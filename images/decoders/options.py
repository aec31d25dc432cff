"""How derivatives are encoded: what an administrator may choose, and the name of that choice."""

from dataclasses import dataclass

ENCODER_REVISION = 1
"""Raised whenever the same request and options give other bytes than before, so that cached ones are not reused."""

_USED_BY_FORMAT = {
    "jpg": ("jpeg_quality", "jpeg_progressive"),
    "pdf": ("jpeg_quality", "jpeg_progressive"),
    "png": ("png_compression",),
    "webp": ("webp_quality",),
    "avif": ("avif_quality", "avif_effort"),
    "tif": ("tiff_compression", "tiff_streamed_area"),
    "gif": (),
    "jp2": ("jp2_ratio",),
}


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """Choices of the encoders.

    Qualities are 1 to 100. `png_compression`: 0 to 9. `avif_effort`: 0 (fast) to 9. `tiff_compression`: none, lzw,
    deflate or jpeg; from `tiff_streamed_area` pixels on, TIFF is not compressed, so that it can leave while it is
    made. `jp2_ratio`: raw bytes per encoded byte, 0 for lossless. `icc`: "srgb" converts to sRGB, "keep"
    embeds the source's profile instead. `background`: #rrggbb, behind transparent and rotated images in formats
    without transparency. `bitonal_threshold`: gray values from this up become white. `dots_per_inch`: written into
    formats that can say it, or None for the format's default.
    """

    jpeg_quality: int = 85
    jpeg_progressive: bool = False
    webp_quality: int = 80
    avif_quality: int = 60
    avif_effort: int = 2
    png_compression: int = 6
    tiff_compression: str = "deflate"
    tiff_streamed_area: int = 25_000_000
    jp2_ratio: float = 0.0
    icc: str = "srgb"
    background: str = "#ffffff"
    bitonal_threshold: int = 128
    dots_per_inch: int | None = None

    def fingerprint(self, output_format: str) -> str:
        """A short name of everything here that changes the bytes of `output_format`; it enters the cache key."""
        used = (
            *_USED_BY_FORMAT[output_format],
            "icc",
            "background",
            "bitonal_threshold",
            "dots_per_inch",
        )
        return ",".join([f"r{ENCODER_REVISION}", *(f"{name}={getattr(self, name)}" for name in used)])

    def streams_tiff(self, area: int) -> bool:
        """Whether a TIFF of `area` pixels leaves while it is made."""
        return area >= self.tiff_streamed_area

    def background_rgb(self) -> list[int]:
        """The background as three numbers from 0 to 255."""
        return list(bytes.fromhex(self.background.removeprefix("#")))
