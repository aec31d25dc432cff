"""The real jobs in real decoder processes, which may open no file: each format in, each format out."""

import io
import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image as PillowImage

from images.decoders.errors import DamagedSourceError
from images.decoders.plan import plan
from images.decoders.pool import DecoderPool
from images.decoders.source import SourceData
from images.indexes.description import SourceDescription, SourceFormat
from tests.images.decoders import scenes

SIDE = 300
PICTURE = PillowImage.fromarray(scenes.picture(SIDE, SIDE))
SOURCES = {"TIFF": "tif", "JPEG": "jpg", "JPEG2000": "jp2", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
OUTPUTS = ("jpg", "png", "webp", "gif", "tif", "avif", "jp2", "pdf")


@pytest.fixture(scope="module")
def real_pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(1, queue_wait=60)
    yield pool
    pool.close()


def described(name: str, data: bytes) -> SourceDescription:
    return scenes.jp2_description(SIDE, SIDE) if name == "JPEG2000" else scenes.described(name, data)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", SOURCES)
def test_every_format_in_and_out(real_pool: DecoderPool, name: str, output: str) -> None:
    data = scenes.saved(PICTURE, name)
    # Turned and enlarged, so that every step has something to do.
    request = scenes.request((10, 10, 200, 200), (250, 240), output, degrees="30")
    job = {"kind": "render", "plan": plan(described(name, data), request).to_json()}
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        source = SourceData(fd=file.fileno(), length=len(data))
        result = real_pool.run(job, source).read()
    if output == "pdf":
        assert result.startswith(b"%PDF")
    else:
        with PillowImage.open(io.BytesIO(result)) as image:
            assert image.size[0] > 250


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in {"TIFF", "JPEG2000"}])
def test_every_format_is_inspected(real_pool: DecoderPool, name: str) -> None:
    data = scenes.saved(PICTURE, name)
    job = {"kind": "inspect", "format": SourceFormat(name.lower()).value}
    assert f'"width":{SIDE}'.encode() in real_pool.run(job, SourceData(data=data)).read()


def test_colours_that_need_a_profile(real_pool: DecoderPool) -> None:
    data = scenes.saved(PICTURE.convert("CMYK"), "JPEG")
    request = scenes.request((0, 0, SIDE, SIDE), (SIDE, SIDE), "png")
    job = {"kind": "render", "plan": plan(scenes.described("JPEG", data), request).to_json()}
    shown = scenes.pixels_of(real_pool.run(job, SourceData(data=data)).read())
    assert shown.shape == (SIDE, SIDE, 3)
    assert np.ptp(shown) > 100


def test_a_damaged_file_is_still_explained(real_pool: DecoderPool) -> None:
    with pytest.raises(DamagedSourceError):
        real_pool.run({"kind": "inspect", "format": "jpeg"}, SourceData(data=b"\xff\xd8\xff\xe0 no more"))
