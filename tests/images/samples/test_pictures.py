"""The samples at a small size: the same each time, with something to see everywhere."""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray

from images.samples.agate import make_agate
from images.samples.chart import make_chart
from images.samples.guilloche import make_guilloche
from images.samples.lettering import GLYPHS, letter_paths, text_width
from images.samples.noise import distance_to, repeating_noise
from images.samples.terrain import make_terrain, trace_rivers

Pixels = NDArray[np.uint8]


def chart() -> Pixels:
    return np.asarray(make_chart(768, 576).numpy())


def agate() -> Pixels:
    return make_agate(768, 512)


def guilloche() -> Pixels:
    return np.asarray(make_guilloche(512, 384).numpy())


@pytest.mark.parametrize(("make", "size"), [(chart, (576, 768)), (agate, (512, 768)), (guilloche, (384, 512))])
def test_a_picture_is_the_same_each_time_and_has_detail(make: Callable[[], Pixels], size: tuple[int, int]) -> None:
    first = make()
    assert first.shape == (*size, 3)
    assert first.dtype == np.uint8
    assert hashlib.sha256(first.tobytes()).digest() == hashlib.sha256(make().tobytes()).digest()
    blocks = first[: size[0] // 64 * 64, : size[1] // 64 * 64].reshape(size[0] // 64, 64, size[1] // 64, 64, 3)
    assert blocks.std(axis=(1, 3)).min() > 0.5


@pytest.mark.parametrize(
    "make",
    [partial(make_chart, 768, 576), partial(make_agate, 256, 128), partial(make_guilloche, 256, 192)],
)
def test_progress_goes_up_to_the_whole(make: Callable[..., object]) -> None:
    parts: list[float] = []
    make(report=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1)


def test_the_chart_has_land_and_sea_and_rivers_that_reach_it() -> None:
    terrain = make_terrain(384, 272, seed=10)
    land = float((terrain.shore > 0).mean())
    assert 0.2 < land < 0.7
    rivers = trace_rivers(terrain, 12, seed=10)
    assert len(rivers) >= 3
    for course in rivers:
        assert len(course) > 25


def test_distances_are_those_of_the_nearest_point() -> None:
    inside = np.zeros((20, 30), bool)
    inside[4, 7] = inside[15, 22] = True
    rows, columns = np.indices(inside.shape)
    expected = np.minimum(np.hypot(rows - 4, columns - 7), np.hypot(rows - 15, columns - 22))
    assert np.allclose(distance_to(inside), expected, atol=1e-4)


def test_repeating_noise_continues_at_its_edges() -> None:
    field = repeating_noise(128, 2.0, shortest=16, seed=1)
    inner = np.abs(np.diff(field, axis=1)).max()
    assert np.abs(field[:, 0] - field[:, -1]).max() <= inner * 1.5


def test_every_letter_is_a_path_that_can_be_drawn() -> None:
    text = "".join(GLYPHS)
    paths = letter_paths(text, 100)
    assert len(paths) == len(GLYPHS)
    assert paths[-1][0] < text_width(text, 100)
    for (_, path), letter in zip(paths, text, strict=True):
        drawn = pyvips.Image.svgload_buffer(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="140" height="140" viewBox="-20 -20 140 140">'
            f'<path d="{path}" fill="none" stroke="#000" stroke-width="6"/></svg>'.encode()
        )
        assert drawn.extract_band(3).max() == 255, letter
