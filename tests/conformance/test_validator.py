"""The official validator's tests (iiif-validator 1.0.5), one by one, against the real server.

Its test image is rebuilt from the package's own table of colours: 10 × 10 squares of 100 pixels.
"""

import sys
import types
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.server import ProductServer

try:
    import magic  # noqa: F401
except ImportError:  # libmagic is only used by two tests that are broken anyway
    stub = types.ModuleType("magic")
    stub.Magic = type("Magic", (), {})  # type: ignore[attr-defined]
    sys.modules["magic"] = stub

from iiif_validator.validator import ImageAPI, TestSuite, ValidationInfo

TestSuite.__test__ = False

IDENTIFIER = "67352ccc-d1b0-11e1-89ae-279075081939"

# Defects of validator 1.0.5, each covered by a test of our own in tests/flows/test_image_api.py.
DEFECTIVE = {
    ("2.0", "format_jp2"): "calls Python 2's urllib.urlopen",
    ("3.0", "format_jp2"): "calls Python 2's urllib.urlopen",
    ("2.0", "format_pdf"): "calls Python 2's urllib.urlopen",
    ("3.0", "format_pdf"): "calls Python 2's urllib.urlopen",
    ("2.0", "format_webp"): "calls Python 2's urllib.urlopen",
    ("3.0", "format_webp"): "calls Python 2's urllib.urlopen",
    ("3.0", "size_noup"): "wants 400 for !w,h larger than the image, which the specification fits",
    ("3.0", "size_up"): "wants ^max and ^pct:200 to differ although maxWidth is published",
}


def _cases() -> list[Any]:
    cases = []
    for version in ("2.0", "3.0"):
        for name, data in sorted(TestSuite(ValidationInfo()).list_tests(version).items()):
            if (version, name) not in DEFECTIVE:
                cases.append(pytest.param(version, name, id=f"{version}-level{data['level']}-{name}"))
    return cases


def test_image_png() -> bytes:
    """The validator's test image."""
    picture = Image.new("RGB", (1000, 1000))
    colours = ValidationInfo().colorInfo
    for x in range(10):
        for y in range(10):
            picture.paste(tuple(colours[x][y]), (100 * x, 100 * y, 100 * x + 100, 100 * y + 100))
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


test_image_png.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductServer]:
    folder: Path = tmp_path_factory.mktemp("validator")
    (folder / "squares.png").write_bytes(test_image_png())
    with ProductServer(folder / "data") as running:
        running.ingest(str(folder / "squares.png"), "--id", IDENTIFIER)
        running.get(f"/iiif/3/{IDENTIFIER}/full/max/0/default.jpg")  # starts the decoders
        yield running


@pytest.mark.xdist_group("validator")
@pytest.mark.parametrize(("version", "name"), _cases())
def test_validator(server: ProductServer, version: str, name: str) -> None:
    result = ImageAPI(IDENTIFIER, server.host, f"iiif/{version[0]}", version=version, debug=False)
    TestSuite(ValidationInfo()).run_test(name, result)
    assert result.exception is None, str(result.exception)
    assert result.tests or result.urls, "the validator asked for nothing"


def test_every_level_is_covered() -> None:
    """The validator's list has not shrunk: a version it does not know would run no test and succeed."""
    counts = {version: len([c for c in _cases() if c.values[0] == version]) for version in ("2.0", "3.0")}
    assert counts == {"2.0": 39, "3.0": 40}, counts
