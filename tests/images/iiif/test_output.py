import pytest

from images.iiif.errors import MalformedParameterError
from images.iiif.output import OutputFormat, Quality, parse_quality_format


@pytest.mark.parametrize("quality", Quality)
@pytest.mark.parametrize("output_format", OutputFormat)
def test_reads_every_pair(quality: Quality, output_format: OutputFormat) -> None:
    assert parse_quality_format(f"{quality}.{output_format}") == (quality, output_format)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "quality.format"),
        ("default", "quality.format"),
        ("default.", "quality.format"),
        (".jpg", "quality.format"),
        ("native.jpg", "quality"),
        ("grey.jpg", "quality"),
        ("Default.jpg", "quality"),
        ("default.JPG", "format"),
        ("default.jpeg", "format"),
        ("default.jpg.png", "format"),
        ("default.jpg\n", "format"),
        ("default.svg", "format"),
    ],
)
def test_malformed(text: str, word: str) -> None:
    with pytest.raises(MalformedParameterError, match=word):
        parse_quality_format(text)


def test_media_types() -> None:
    assert OutputFormat.JPG.media_type == "image/jpeg"
    assert OutputFormat.PDF.media_type == "application/pdf"
    assert all("/" in output_format.media_type for output_format in OutputFormat)
    assert OutputFormat.PNG.has_alpha
    assert not OutputFormat.JPG.has_alpha
