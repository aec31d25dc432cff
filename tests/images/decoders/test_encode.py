"""Each output format holds the picture, alone and always the same."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from images.decoders import encode
from images.decoders.errors import DecodeLimitError
from images.decoders.execute import execute
from images.decoders.options import EncodeOptions
from images.decoders.plan import plan
from images.decoders.source import SourceData
from images.indexes.description import SourceFormat
from tests.images.decoders import scenes

PICTURE = scenes.picture(120, 90)
PNG = scenes.saved(PillowImage.fromarray(PICTURE), "PNG", dpi=(300, 300))
DESCRIPTION = scenes.inspected(SourceFormat.PNG, PNG)
NAMES = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "tif": "TIFF", "avif": "AVIF", "jp2": "JPEG2000"}
FORMATS = [*NAMES, "pdf"]


@pytest.mark.parametrize("output", NAMES)
def test_the_picture_comes_back(output: str) -> None:
    data = scenes.encoded(PNG, DESCRIPTION, output=output)
    with scenes.opened(data) as image:
        assert image.format == NAMES[output]
        assert image.size == (120, 90)
        error = np.abs(np.asarray(image.convert("RGB")).astype(int) - PICTURE)
    lossless = output in {"png", "tif", "jp2"}
    assert error.max() == 0 if lossless else error.mean() < 8


@pytest.mark.parametrize("output", NAMES)
def test_gray_comes_back(output: str) -> None:
    data = scenes.encoded(PNG, DESCRIPTION, output=output, quality="gray")
    with scenes.opened(data) as image:
        bands = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(bands - bands.mean(axis=2, keepdims=True)).max() <= 2


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 90), (3, 2)])
def test_the_smallest_sizes(output: str, size: tuple[int, int]) -> None:
    data = scenes.encoded(PNG, DESCRIPTION, None, size, output)
    if output != "pdf":
        assert scenes.opened(data).size == size


@pytest.mark.parametrize("output", FORMATS)
def test_the_same_request_gives_the_same_bytes(output: str) -> None:
    assert scenes.encoded(PNG, DESCRIPTION, output=output) == scenes.encoded(PNG, DESCRIPTION, output=output)


@pytest.mark.parametrize("output", ["jpg", "png", "tif"])
def test_density_is_the_options_and_never_the_sources(output: str) -> None:
    default = scenes.opened(scenes.encoded(PNG, DESCRIPTION, output=output)).info["dpi"]
    assert [round(float(value)) for value in default] == [72, 72]
    fine = scenes.opened(scenes.encoded(PNG, DESCRIPTION, output=output, options={"dots_per_inch": 600}))
    assert [round(float(value)) for value in fine.info["dpi"]] == [600, 600]


def test_metadata_stays_behind() -> None:
    exif = PillowImage.Exif()
    exif[0x8298] = "a secret owner"
    data = scenes.saved(PillowImage.fromarray(PICTURE), "JPEG", exif=exif, comment=b"a secret comment")
    description = scenes.inspected(SourceFormat.JPEG, data)
    for output in FORMATS:
        assert b"secret" not in scenes.encoded(data, description, output=output)


def test_progressive_jpeg() -> None:
    data = scenes.encoded(PNG, DESCRIPTION, output="jpg", options={"jpeg_progressive": True})
    assert scenes.opened(data).info["progressive"] == 1


def test_lossy_jp2_is_smaller() -> None:
    noise = scenes.saved(PillowImage.fromarray(scenes.noise(256, 256)), "PNG")
    description = scenes.inspected(SourceFormat.PNG, noise)
    lossless = scenes.encoded(noise, description, output="jp2")
    lossy = scenes.encoded(noise, description, output="jp2", options={"jp2_ratio": 10.0})
    assert len(lossy) < 256 * 256 * 3 / 9 < len(lossless)


@pytest.mark.parametrize("quality", ["default", "gray", "bitonal"])
def test_pdf_shows_the_jpeg_on_one_page(quality: str) -> None:
    data = scenes.encoded(PNG, DESCRIPTION, output="pdf", quality=quality, options={"dots_per_inch": 144})
    assert data.startswith(b"%PDF-1.4")
    assert data.count(b"/Type/Page/") == 1
    assert b"/MediaBox[0 0 60.00 45.00]" in data
    start = data.index(b"\xff\xd8\xff")
    with PillowImage.open(io.BytesIO(data[start:])) as image:
        image.load()
        assert image.size == (120, 90)
        assert image.mode == ("RGB" if quality == "default" else "L")
    table = int(re.findall(rb"startxref\n(\d+)\n", data)[0])
    assert data[table : table + 4] == b"xref"
    offsets = [int(entry) for entry in re.findall(rb"(\d{10}) 00000 n", data)]
    for number, offset in enumerate(offsets, start=1):
        assert data[offset:].startswith(b"%d 0 obj" % number)


@pytest.mark.parametrize("output", ["jpg", "png"])
def test_large_results_leave_in_pieces(output: str) -> None:
    data = scenes.saved(PillowImage.fromarray(scenes.noise(1500, 1500)), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    planned = plan(description, scenes.request((0, 0, 1500, 1500), (3000, 3000), output))
    assert planned.streams
    pieces: list[bytes] = []
    execute(planned, SourceData(data=data), pieces.append)
    assert len(pieces) > 5
    assert scenes.opened(b"".join(pieces)).size == (3000, 3000)


@pytest.mark.parametrize("output", FORMATS)
def test_what_the_receiver_raises_is_raised_again(output: str) -> None:
    class ReceiverGoneError(Exception):
        pass

    def write(piece: bytes) -> None:
        raise ReceiverGoneError(len(piece))

    planned = plan(DESCRIPTION, scenes.request((0, 0, 120, 90), (120, 90), output))
    with pytest.raises(ReceiverGoneError):
        execute(planned, SourceData(data=PNG), write)


def test_the_fingerprint_names_what_changes_the_bytes() -> None:
    base = EncodeOptions()
    assert base.fingerprint("jpg") == EncodeOptions().fingerprint("jpg")
    assert replace(base, jpeg_quality=50).fingerprint("jpg") != base.fingerprint("jpg")
    assert replace(base, jpeg_quality=50).fingerprint("png") == base.fingerprint("png")
    for output in FORMATS:
        assert replace(base, background="#000000").fingerprint(output) != base.fingerprint(output)
        assert replace(base, icc="keep").fingerprint(output) != base.fingerprint(output)


def test_options_are_named_beside_the_encoders() -> None:
    assert encode.EncodeOptions is EncodeOptions


@pytest.mark.parametrize("reason", ["broken data stream when writing image file", "encoder error -2"])
def test_jp2_that_got_no_memory_is_a_limit(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(reason)

    monkeypatch.setattr(PillowImage.Image, "save", fail)
    with pytest.raises(DecodeLimitError) as caught:
        scenes.encoded(PNG, DESCRIPTION, output="jp2")
    assert caught.value.code == "out_of_memory"
