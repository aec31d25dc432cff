"""A PDF of one page that shows one JPEG. Pure (ISO 32000-1, sections 7.5 and 8.9.5)."""

_SPACES = {1: b"/DeviceGray", 3: b"/DeviceRGB"}


def page(jpeg: bytes, width: int, height: int, bands: int, dots_per_inch: int) -> bytes:
    """`width`, `height`: pixels of the JPEG; the page is as large as they are at the density."""
    box = b"%.2f %.2f" % (width * 72 / dots_per_inch, height * 72 / dots_per_inch)
    wide, high = box.split()
    drawing = b"q %b 0 0 %b 0 0 cm /I Do Q" % (wide, high)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %b]/Resources<</XObject<</I 5 0 R>>>>/Contents 4 0 R>>" % box,
        b"<</Length %d>>\nstream\n%b\nendstream" % (len(drawing), drawing),
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8"
        b"/ColorSpace%b/Filter/DCTDecode/Length %d>>\nstream\n%b\nendstream"
        % (width, height, _SPACES[bands], len(jpeg), jpeg),
    )
    return _file(objects)


def _file(objects: tuple[bytes, ...]) -> bytes:
    """Number the objects and list where each begins."""
    pieces = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"]
    offsets = []
    position = len(pieces[0])
    for number, content in enumerate(objects, start=1):
        offsets.append(position)
        pieces.append(b"%d 0 obj\n%b\nendobj\n" % (number, content))
        position += len(pieces[-1])
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    pieces.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, entries))
    pieces.append(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count, position))
    return b"".join(pieces)
