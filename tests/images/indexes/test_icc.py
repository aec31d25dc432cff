"""Which profiles say nothing but sRGB: the pure answer must never be bolder than the colour engine's."""

from pathlib import Path

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

from images.decoders import colour
from images.indexes.icc import is_srgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def vips_profile(name: str) -> bytes:
    return bytes(pyvips.Operation.call("profile_load", name))


def table_profile(count: int, gamma: float | None = None) -> bytes:
    """Pillow's sRGB with its curves as tables, of sRGB or of a power."""
    values = [index / (count - 1) for index in range(count)]
    linear = [v**gamma if gamma else v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    curve = b"curv\0\0\0\0" + count.to_bytes(4, "big") + b"".join(round(v * 65_535).to_bytes(2, "big") for v in linear)
    entries = bytearray(SRGB[:132])
    body = bytearray(SRGB)
    for number in range(int.from_bytes(SRGB[128:132], "big")):
        entry = bytearray(SRGB[132 + 12 * number : 144 + 12 * number])
        if entry[1:4] == b"TRC":
            entry[4:12] = len(body).to_bytes(4, "big") + len(curve).to_bytes(4, "big")
        entries += entry
    return bytes(entries) + bytes(body[len(entries) :]) + curve


def test_srgb_in_its_forms() -> None:
    for profile in (SRGB, vips_profile("srgb"), table_profile(1024), table_profile(4096)):
        assert is_srgb(profile)
        assert colour._is_needless(profile, 3)


def test_other_profiles() -> None:
    others = (
        vips_profile("p3"),
        vips_profile("cmyk"),
        table_profile(1024, 2.2),
        table_profile(1024, 1.8),
        b"",
        SRGB[:200],
    )
    assert not any(map(is_srgb, others))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert not is_srgb(lab)


@pytest.mark.corpus
def test_adobe_rgb(corpus: Path) -> None:
    profile = bytes(pyvips.Image.new_from_file(str(corpus / "real" / "seurat.tif")).get("icc-profile-data"))
    assert not is_srgb(profile)


@given(st.data())
def test_damage_is_survived(data: st.DataObject) -> None:
    changed = bytearray(SRGB)
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(SRGB) - 1))] = data.draw(st.integers(0, 255))
    is_srgb(bytes(changed[: data.draw(st.integers(0, len(SRGB)))]))
