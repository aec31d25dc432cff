"""How large a derivative of each output format may become. Pure."""

import math
from decimal import Decimal

from images.decoders.errors import OutputLimitError
from images.decoders.render import RenderRequest
from images.iiif.geometry import Size

LONGEST_SIDE = {"jpg": 65_500, "pdf": 65_500, "webp": 16_383, "avif": 16_384, "gif": 65_535}
"""Pixels, set by the formats."""

LARGEST_AREA = {
    "gif": 12_000_000,  # finds and dithers a palette: 0.8 s a megapixel
    "jp2": 16_000_000,  # lossless: 0.6 s and 41 MB a megapixel
    "webp": 25_000_000,  # 0.2 s a megapixel, 0.3 s with alpha
    "avif": 25_000_000,  # 0.35 s and 20 MB a megapixel at the default effort
    "tif": 100_000_000,  # 0.1 s a megapixel; held until it is complete where it is not streamed
    "pdf": 100_000_000,  # as quick as JPEG; held until it is complete
}
"""Pixels, as measured with detailed pictures on one core of a small server: an answer takes ten seconds at the most.

JPEG, PNG and large TIFF leave while they are made, and need no limit but that of time.
"""


def canvas(request: RenderRequest) -> Size:
    """The size of the output: a rotation makes it another one."""
    degrees = Decimal(request.degrees)
    if degrees % 180 == 0:
        return request.size
    if degrees % 90 == 0:
        return Size(request.size.height, request.size.width)
    radians = math.radians(float(degrees))
    cosine, sine = abs(math.cos(radians)), abs(math.sin(radians))
    width, height = request.size.width, request.size.height
    return Size(math.ceil(width * cosine + height * sine), math.ceil(width * sine + height * cosine))


def check_output(request: RenderRequest) -> None:
    """Raises OutputLimitError for more than the format holds, or than can be made of it in time."""
    size = canvas(request)
    asked = f"{size.width} × {size.height} were asked for."
    longest = LONGEST_SIDE.get(request.format)
    if longest and max(size.width, size.height) > longest:
        raise OutputLimitError(f"A {request.format} image can be {longest} pixels wide and high at most; {asked}")
    largest = LARGEST_AREA.get(request.format)
    if request.format == "tif" and request.options.streams_tiff(size.area):
        return
    if largest and size.area > largest:
        millions = largest // 1_000_000
        raise OutputLimitError(f"A {request.format} image can have {millions} million pixels at most here; {asked}")
