"""The checks of settings on service copies: each says what makes no sense."""

from typing import Any

import pytest

from images.checks import check_settings


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("IIIF_SERVICE_COPY_STORAGE", "nowhere", "images.E012"),
        ("IIIF_SERVICE_COPY_QUALITY", 101, "images.E013"),
        ("IIIF_SERVICE_COPY_QUALITY", "90", "images.E013"),
        ("IIIF_SERVICE_COPY_USE", "always", "images.E014"),
        ("IIIF_SERVICE_COPY_SECONDS", 0, "images.E001"),
        ("IIIF_OFFLOAD", "nginx", "images.E050"),
        ("IIIF_OFFLOAD_DIR", None, "images.E051"),
        ("IIIF_OFFLOAD_BYTES", 0, "images.E001"),
        ("IIIF_OFFLOAD_ENTRIES", -1, "images.E001"),
        ("IIIF_OFFLOAD_SECONDS", 0, "images.E001"),
    ],
)
def test_a_setting_that_makes_no_sense(settings: Any, name: str, value: Any, expected: str) -> None:
    assert check_settings(None) == []
    setattr(settings, name, value)
    assert [message.id for message in check_settings(None)] == [expected]
