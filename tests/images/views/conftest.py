"""Records of images as the views see them, without sources."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from images.indexes.description import Level, SourceDescription, SourceFormat
from images.models import Image, ImageState, Tiling

Register = Callable[..., Image]


@pytest.fixture(name="register")
def fixture_register() -> Register:
    def register(identifier: str, *, state: str = ImageState.READY, **fields: Any) -> Image:
        is_ready = state == ImageState.READY
        size = {"width": 5000, "height": 3000, "version": 1, "source_format": "jp2"}
        image = Image.objects.create(
            identifier=identifier,
            state=state,
            url="https://example.org/a.jp2",
            **{**(size if is_ready else {}), **fields},
        )
        if is_ready:
            description = SourceDescription(SourceFormat.JP2, 5000, 3000, (Level(5000, 3000, 512, 512),))
            Tiling.objects.create(
                image=image,
                url=image.url,
                version=1,
                etag='"1"',
                tile_width=512,
                tile_height=512,
                description=description.to_json(),
                created=timezone.now(),
            )
        return image

    return register
