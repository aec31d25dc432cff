"""Headers in, facts out; and nothing that is too large, animated or cut off slips through."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from images.decoders import inspection
from images.decoders.errors import DamagedSourceError, DecodeError, DecodeLimitError, UnsupportedSourceError
from images.decoders.execute import execute, inspect
from images.decoders.plan import plan
from images.decoders.source import SourceData
from images.indexes.description import SourceFormat
from tests.images.decoders import scenes

PICTURE = PillowImage.fromarray(scenes.picture(64, 48))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_the_facts_of_each_format(name: str) -> None:
    description = scenes.described(name, scenes.saved(PICTURE, name))
    assert (description.width, description.height) == (64, 48)
    assert len(description.levels) == 1
    assert description.orientation == 1
    assert description.colour == ("palette" if name == "GIF" else "rgb")
    assert description.bits_per_sample == 8
    assert not description.has_icc_profile


@pytest.mark.parametrize(
    ("mode", "colour", "bands"), [("L", "gray", 1), ("LA", "gray", 2), ("RGBA", "rgb", 4), ("P", "palette", 3)]
)
def test_the_colours_of_png(mode: str, colour: str, bands: int) -> None:
    description = scenes.described("PNG", scenes.saved(PICTURE.convert(mode), "PNG"))
    assert (description.colour, description.bands) == (colour, bands)
    assert description.has_alpha == (mode in {"LA", "RGBA"})
    assert description.is_grayscale == (colour == "gray")


@pytest.mark.parametrize("name", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation(name: str) -> None:
    frames = [PillowImage.new("RGB", (64, 48), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    data = scenes.saved(frames[0], name, save_all=True, append_images=frames[1:])
    description = scenes.described(name, data)
    assert (description.width, description.height) == (64, 48)
    assert description.detail["pages"] == 3
    shown = scenes.rendered(data, description)
    assert np.abs(shown[:, :, :3].astype(int) - [255, 0, 0]).max() <= 8


def test_passes_of_a_progressive_jpeg_are_counted() -> None:
    data = scenes.saved(PICTURE, "JPEG", progressive=True)
    assert inspect(SourceFormat.JPEG, SourceData(data=data))["scans"] >= 8
    plain = scenes.saved(PICTURE, "JPEG")
    assert "scans" not in inspect(SourceFormat.JPEG, SourceData(data=plain))


def test_too_many_passes_are_refused() -> None:
    data = scenes.saved(PICTURE, "JPEG", progressive=True)
    start = data.index(b"\xff\xda", data.rindex(b"\xff\xc4"))
    last_scan = data[start:-2]
    bomb = data[:-2] + last_scan * (inspection.MAX_SCANS + 1) + data[-2:]
    with pytest.raises(DecodeLimitError, match="passes"):
        inspect(SourceFormat.JPEG, SourceData(data=bomb))


def test_more_pixels_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MAX_PIXELS", 64 * 48 - 1)
    for name in ("JPEG", "PNG", "WEBP", "GIF", "AVIF"):
        with pytest.raises(DecodeLimitError, match="64 × 48"):
            scenes.described(name, scenes.saved(PICTURE, name))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_a_file_that_was_cut_off_is_damaged_and_not_gray(name: str) -> None:
    data = scenes.saved(PillowImage.fromarray(scenes.noise(256, 256)), name)
    description = scenes.described(name, data)
    pieces: list[bytes] = []
    planned = plan(description, scenes.request((0, 0, 256, 256), (256, 256), "jpg"))
    with pytest.raises(DamagedSourceError) as caught:
        execute(planned, SourceData(data=data[: len(data) // 2]), pieces.append)
    assert not pieces
    assert caught.value.detail.startswith("The file is damaged: ")
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize("source_format", [each for each in SourceFormat if each is not SourceFormat.JP2])
@pytest.mark.parametrize("data", [b"", b"\0", b"not an image at all" * 100, b"<svg/>", b"%PDF-1.4\n%\xe2\xe3"])
def test_what_is_no_image(source_format: SourceFormat, data: bytes) -> None:
    with pytest.raises(DecodeError):
        inspect(source_format, SourceData(data=data))


def test_jp2_is_not_inspected_but_described_by_its_index() -> None:
    with pytest.raises(UnsupportedSourceError):
        inspect(SourceFormat.JP2, SourceData(data=b"x"))


def test_a_source_is_a_file_or_bytes() -> None:
    with pytest.raises(ValueError, match="either"):
        SourceData()
    with pytest.raises(ValueError, match="either"):
        SourceData(fd=0, data=b"")
