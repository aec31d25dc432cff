"""By magic bytes only, and in words that tell a curator what was dropped."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.indexes.description import SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.sniff import SNIFF_BYTES, sniff

_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftyp"


@pytest.mark.parametrize(
    ("head", "source_format"),
    [
        (b"II*\x00\x08\x00\x00\x00", SourceFormat.TIFF),
        (b"MM\x00*\x00\x00\x00\x08", SourceFormat.TIFF),
        (b"II+\x00\x08\x00\x00\x00", SourceFormat.TIFF),
        (b"MM\x00+\x00\x08\x00\x00", SourceFormat.TIFF),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", SourceFormat.JPEG),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", SourceFormat.PNG),
        (b"GIF89a\x01\x00", SourceFormat.GIF),
        (b"GIF87a\x01\x00", SourceFormat.GIF),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", SourceFormat.WEBP),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf", SourceFormat.AVIF),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", SourceFormat.AVIF),
        (b"\xff\x4f\xff\x51\x00\x29", SourceFormat.JP2),
        (_JP2 + b"jp2 \x00\x00\x00\x00jp2 ", SourceFormat.JP2),
        (_JP2 + b"jpx \x00\x00\x00\x00jp2 ", SourceFormat.JP2),
        (_JP2 + b"jpx \x00\x00\x00\x00jpx ", SourceFormat.JP2),
    ],
)
def test_formats(head: bytes, source_format: SourceFormat) -> None:
    assert sniff(head) is source_format


@pytest.mark.parametrize(
    ("head", "code", "words"),
    [
        (b"", "not_an_image", "empty"),
        (b"%PDF-1.7", "not_an_image", "a PDF document"),
        (b"<svg xmlns=", "not_an_image", "an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "not_an_image", "an XML document or an SVG drawing"),
        (b"\n\n <!DOCTYPE html><html>", "not_an_image", "a web page"),
        (b"PK\x03\x04\x14\x00", "not_an_image", "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1", "not_an_image", "placeholder"),
        (b"\x00" * 64, "not_an_image", "nothing but zeros"),
        (b"Dear Sir or Madam", "not_an_image", "a text file"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", "not_an_image", "a film"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "not_supported", "a HEIC photo"),
        (_JP2 + b"jpm \x00\x00\x00\x00jpm ", "not_supported", "a compound JPM document"),
        (_JP2 + b"mjp2\x00\x00\x00\x00mjp2", "not_supported", "a Motion JPEG 2000 film"),
        (b"BM\x36\x00", "not_supported", "a BMP image"),
        (b"8BPS\x00\x01", "not_supported", "a Photoshop document"),
        (b"P6\n640 480\n255\n", "not_supported", "a PNM image"),
        (b"\xff\x0a\xfa", "not_supported", "a JPEG XL image"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "not_an_image", "not an image"),
        (b"\x01\x02\x03\x04", "not_an_image", "not an image"),
    ],
)
def test_others(head: bytes, code: str, words: str) -> None:
    with pytest.raises(IndexingError) as caught:
        sniff(head)
    assert caught.value.code == code
    assert words in caught.value.detail
    assert caught.value.detail.endswith(".")


@given(st.binary(max_size=SNIFF_BYTES))
def test_answers_or_refuses(head: bytes) -> None:
    with suppress(IndexingError):
        assert sniff(head) in SourceFormat
