"""Images made on the spot, registered and ingested through the services, as a worker would."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from images.models import Image
from images.selectors.images import forget_served_image
from images.services.decoding import close_runner
from images.services.ingest import image_ingest
from images.services.registration import SourceReference, image_register
from images.services.stores import store_for_folder

Ingest = Callable[..., Image]


def gradient(width: int, height: int, seed: int = 0) -> Pillow.Image:
    """A picture whose every pixel tells where it is: red grows with x, green with y."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, axis=0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, axis=1)
    pixels = np.stack([x, y, np.full_like(x, seed % 256)], axis=2).astype(np.uint8)
    return Pillow.fromarray(pixels)


def png_bytes(picture: Pillow.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def ingest(tmp_path: Path, db: None, settings: object) -> Iterator[Ingest]:
    """`ingest(bytes, name, identifier)`: write the file, register it, read it; returns the record."""
    folder = tmp_path / "sources"
    folder.mkdir()

    def run(data: bytes, name: str = "picture.png", identifier: str = "picture", **fields: Any) -> Image:
        (folder / name).write_bytes(data)
        source = SourceReference(store=store_for_folder(folder), key=name)
        image = image_register(identifier, source, queue=False, **fields).image
        forget_served_image(identifier)
        image_ingest(image.pk)
        image.refresh_from_db()
        return image

    yield run
    close_runner()


@pytest.fixture
def picture(ingest: Ingest) -> Image:
    """A 600 × 400 gradient, ready, named `picture`."""
    return ingest(png_bytes(gradient(600, 400)))
