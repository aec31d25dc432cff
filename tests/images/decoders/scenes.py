"""Pictures made for the tests, their descriptions, and a renderer that answers with pixels."""

import io
import json
import os
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image as PillowImage

from images.decoders import jp2_library
from images.decoders.execute import describe_inspected, execute, inspect
from images.decoders.options import EncodeOptions
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.iiif.geometry import Region, Size
from images.indexes.description import Level, SourceDescription, SourceFormat

Pixels = npt.NDArray[np.uint8]


def picture(width: int, height: int, bands: int = 3) -> Pixels:
    """Smooth waves of another frequency in each band, so that no two places look the same."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [
        128 + 70 * np.sin(x / (9 + 4 * band) + y / 31) + 50 * np.cos(y / (7 + 3 * band) - x / 53)
        for band in range(bands)
    ]
    made: Pixels = np.clip(np.dstack(waves), 0, 255).astype(np.uint8)
    return made


def noise(width: int, height: int, bands: int = 3, seed: int = 1) -> Pixels:
    made: Pixels = np.random.default_rng(seed).integers(0, 256, (height, width, bands), np.uint8)
    return made


def vips_image(pixels: npt.NDArray[Any], interpretation: str | None = None) -> pyvips.Image:
    image = pyvips.Image.new_from_array(pixels)
    return image.copy(interpretation=interpretation) if interpretation else image


def saved(image: PillowImage.Image, name: str, **options: Any) -> bytes:
    """By Pillow, an encoder that is not the one under test."""
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def inspected(source_format: SourceFormat, data: bytes) -> SourceDescription:
    found = json.loads(json.dumps(inspect(source_format, SourceData(data=data))))
    return describe_inspected(source_format, found)


def tiff_description(
    data: bytes, *, pages: Iterable[int] = (0,), subifds: int = 0, tile: int | None = None, **facts: Any
) -> SourceDescription:
    """`subifds`: how many of the first page's SubIFDs are levels."""
    opened: list[tuple[pyvips.Image, int, int | None]] = [
        (pyvips.Image.tiffload_buffer(data, page=page), page, None) for page in pages
    ]
    opened += [(pyvips.Image.tiffload_buffer(data, subifd=n), 0, n) for n in range(subifds)]
    levels = tuple(
        Level(image.width, image.height, tile, tile, page=page, subifd=subifd) for image, page, subifd in opened
    )
    width, height = levels[0].width, levels[0].height
    if facts.get("orientation", 1) >= 5:
        width, height = height, width
    return SourceDescription(SourceFormat.TIFF, width, height, levels, **facts)


def jp2_description(width: int, height: int, reductions: int = 0, **facts: Any) -> SourceDescription:
    levels = tuple(Level(-(-width >> d), -(-height >> d), reduction=d) for d in range(reductions + 1))
    return SourceDescription(SourceFormat.JP2, width, height, levels, **facts)


def request(
    region: tuple[int, int, int, int], size: tuple[int, int], output: str = "png", **other: Any
) -> RenderRequest:
    options = EncodeOptions(**other.pop("options", {}))
    return RenderRequest(Region(*region), Size(*size), format=output, options=options, **other)


def encoded(
    data: bytes,
    description: SourceDescription,
    region: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    output: str = "png",
    *,
    from_file: bool = False,
    **other: Any,
) -> bytes:
    """Render through JSON, as a decoder process would."""
    region = region or (0, 0, description.width, description.height)
    size = size or (region[2], region[3])
    planned = plan(description, request(region, size, output, **other))
    planned = DecodePlan.from_json(json.loads(json.dumps(planned.to_json())))
    pieces: list[bytes] = []
    if from_file:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            execute(planned, SourceData(fd=file.fileno(), length=len(data)), pieces.append)
            os.fstat(file.fileno())
    else:
        execute(planned, SourceData(data=data), pieces.append)
    return b"".join(pieces)


def rendered(data: bytes, description: SourceDescription, *arguments: Any, **other: Any) -> npt.NDArray[Any]:
    return pixels_of(encoded(data, description, *arguments, **other))


def described(name: str, data: bytes) -> SourceDescription:
    """By the format's Pillow name."""
    return tiff_description(data) if name == "TIFF" else inspected(SourceFormat(name.lower()), data)


def opened(data: bytes) -> PillowImage.Image:
    image = PillowImage.open(io.BytesIO(data))
    image.load()
    return image


def component_planes(stream: bytes, reduction: int = 0) -> list[npt.NDArray[np.int32]]:
    """The ordinary decode of a whole JPEG 2000 codestream."""
    with jp2_library.decoded(SourceData(data=stream), 0, len(stream), reduction, None) as image:
        components = [image.comps[index] for index in range(image.numcomps)]
        return [np.ctypeslib.as_array(each.data, (each.h, each.w)).copy() for each in components]


def pixels_of_rgb(data: bytes) -> Pixels:
    return np.asarray(opened(data).convert("RGB"))


def pixels_of(data: bytes) -> npt.NDArray[Any]:
    with PillowImage.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def mosaic(data: bytes, description: SourceDescription, step: int, tile: int, **other: Any) -> npt.NDArray[Any]:
    """All tiles of one scale factor side by side."""
    rows = []
    for y in range(0, description.height, tile * step):
        row = []
        for x in range(0, description.width, tile * step):
            width = min(tile * step, description.width - x)
            height = min(tile * step, description.height - y)
            size = (-(-width // step), -(-height // step))
            row.append(rendered(data, description, (x, y, width, height), size, **other))
        rows.append(np.hstack(row))
    return np.vstack(rows)


def whole(data: bytes, description: SourceDescription, step: int, **other: Any) -> npt.NDArray[Any]:
    """One rendering of a whole level."""
    size = (-(-description.width // step), -(-description.height // step))
    return rendered(data, description, None, size, **other)
