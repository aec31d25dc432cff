"""What a file is, by its first bytes only: neither its name nor what a server says of it counts."""

from images.indexes.description import SourceFormat
from images.indexes.errors import IndexingError, NotAnImageError, NotSupportedError

SNIFF_BYTES = 64
"""As many of the first bytes as are looked at."""

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # T.800 I.5.1
_ISO_BRAND_AT = 8
_JP2_BRAND_AT = 20

_SOURCES = (
    (b"II*\x00", SourceFormat.TIFF),
    (b"MM\x00*", SourceFormat.TIFF),
    (b"II+\x00", SourceFormat.TIFF),
    (b"MM\x00+", SourceFormat.TIFF),
    (b"\xff\xd8\xff", SourceFormat.JPEG),
    (b"\x89PNG\r\n\x1a\n", SourceFormat.PNG),
    (b"GIF87a", SourceFormat.GIF),
    (b"GIF89a", SourceFormat.GIF),
    (b"\xff\x4f\xff\x51", SourceFormat.JP2),
)

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_JP2_OTHERS = {
    b"jpm ": "a compound JPM document",
    b"mjp2": "a Motion JPEG 2000 film",
    b"mj2s": "a Motion JPEG 2000 film",
}

_UNREADABLE_IMAGES = (
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (b"II\xbc", "a JPEG XR image"),
    (b"BM", "a BMP image"),
    (b"\x00\x00\x01\x00", "a Windows icon"),
    (b"8BPS", "a Photoshop document"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"msid", "a MrSID image"),
    (b"qoif", "a QOI image"),
    (b"SIMPLE  =", "a FITS image"),
    (b"gimp xcf", "a GIMP document"),
    (b"FUJIFILM", "a raw camera image"),
    (b"IIRO", "a raw camera image"),
    (b"IIU\x00", "a raw camera image"),
    *((b"P%d" % kind + space, "a PNM image") for kind in range(1, 8) for space in (b"\n", b" ", b"\r", b"\t")),
)

_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound or film file"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"{\\rtf", "a text document"),
    (b"version https://git-lfs", "a Git LFS placeholder, which stands for a file that was not fetched"),
)

_TEXTS = (
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document or an SVG drawing"),
    (b"{", "a text file"),
    (b"<", "a text file"),
)


def sniff(head: bytes) -> SourceFormat:
    """The format of a source that begins with `head`, of which 64 bytes are enough.

    Raises NotAnImageError or NotSupportedError, which say what the file is where that is known.
    """
    if not head:
        raise NotAnImageError("The file is empty.")
    for magic, source_format in _SOURCES:
        if head.startswith(magic):
            return source_format
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return SourceFormat.WEBP
    if head.startswith(_JP2_SIGNATURE):
        return _sniff_jp2(head)
    if head[4:8] == b"ftyp":
        return _sniff_iso(head)
    raise _name_other(head)


def _sniff_jp2(head: bytes) -> SourceFormat:
    brand = head[_JP2_BRAND_AT : _JP2_BRAND_AT + 4]
    if brand in _JP2_OTHERS and b"jp2 " not in head[_JP2_BRAND_AT:]:
        raise NotSupportedError(f"This is {_JP2_OTHERS[brand]}, not a single JPEG 2000 image.")
    return SourceFormat.JP2


def _sniff_iso(head: bytes) -> SourceFormat:
    """The brands of a file type box: the major one, a version, the compatible ones (ISO/IEC 14496-12 §4.3)."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[at : at + 4] for at in range(_ISO_BRAND_AT, length - 3, 4) if at != _ISO_BRAND_AT + 4]
    if _AVIF_BRANDS.intersection(brands):
        return SourceFormat.AVIF
    if _HEIF_BRANDS.intersection(brands):
        raise NotSupportedError("This is a HEIC photo, which this server doesn't read. Save it as JPEG or TIFF.")
    raise NotAnImageError("This is a film, not an image.")


def _name_other(head: bytes) -> IndexingError:
    for magic, name in _UNREADABLE_IMAGES:
        if head.startswith(magic):
            return NotSupportedError(f"This is {name}, which this server doesn't read.")
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return NotAnImageError(f"This is {name}, not an image.")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, name in _TEXTS:
        if text.startswith(start):
            return NotAnImageError(f"This is {name}, not an image made of pixels.")
    if not head.strip(b"\x00"):
        return NotAnImageError("The file begins with nothing but zeros: it was probably not copied to the end.")
    if head.isascii() and not any(byte < 9 for byte in head):
        return NotAnImageError("This is a text file, not an image.")
    return NotAnImageError("This is not an image in a format that this server knows.")
