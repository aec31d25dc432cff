"""Codestreams that differ in everything that moves packets about."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.images.indexes.jp2 import encoder
from tests.images.indexes.jp2.encoder import Coding

_PRECINCTS = ((128, 128), (64, 64))
_TINY = ((64, 64), (32, 32), (16, 16), (8, 8), (4, 4))
_LAYERS = (40.0, 20.0, 5.0)
_SUBSAMPLED = ((1, 1), (2, 2), (2, 2))
_SUBSAMPLED_ACROSS = ((1, 1), (2, 1), (2, 1))
_MODES = (encoder.BYPASS, encoder.TERMALL, encoder.BYPASS | encoder.RESET, encoder.CAUSAL, 63)


@cache
def picture() -> npt.NDArray[np.uint8]:
    """416 × 312 pixels: flat squares with some noise, so that code-blocks differ in length."""
    chance = np.random.default_rng(1)
    squares = np.kron(chance.integers(0, 256, (24, 32, 3), np.uint8), np.ones((13, 13, 1), np.uint8)).astype(int)
    return (squares + chance.integers(-20, 20, squares.shape)).clip(0, 255).astype(np.uint8)


def _of_progression(name: str, order: int) -> dict[str, Coding]:
    return {
        f"{name} listed": Coding(order, precincts=_PRECINCTS, rates=_LAYERS, lists=("PLT", "TLM")),
        f"{name} unlisted": Coding(order, precincts=_PRECINCTS, rates=_LAYERS),
        f"{name} without precincts": Coding(order, rates=_LAYERS, irreversible=True),
        f"{name} sop eph": Coding(
            order, precincts=_PRECINCTS, rates=_LAYERS, irreversible=True, has_sop=True, has_eph=True
        ),
        f"{name} sop listed": Coding(order, rates=_LAYERS, has_sop=True, lists=("PLT",)),
        f"{name} resolution tile-parts": Coding(
            order, precincts=_PRECINCTS, rates=_LAYERS, tile=(150, 140), tile_parts="R", lists=("PLT", "TLM")
        ),
        f"{name} layer tile-parts": Coding(order, precincts=_PRECINCTS, rates=_LAYERS, tile=(160, 160), tile_parts="L"),
        f"{name} component tile-parts": Coding(order, rates=_LAYERS, tile=(160, 96), tile_parts="C"),
        f"{name} offset tiles": Coding(
            order,
            precincts=_PRECINCTS,
            rates=_LAYERS,
            tile=(160, 128),
            origin=(37, 51),
            tile_origin=(11, 13),
            irreversible=True,
        ),
        f"{name} offset": Coding(order, precincts=_PRECINCTS, rates=_LAYERS, origin=(37, 51)),
        f"{name} offset even tiles": Coding(
            order, precincts=_PRECINCTS, rates=_LAYERS, tile=(128, 128), origin=(125, 51), tile_origin=(32, 48)
        ),
        f"{name} bypass termall": Coding(order, precincts=_PRECINCTS, rates=_LAYERS, mode=5),
        f"{name} subsampled": Coding(
            order, precincts=_PRECINCTS, rates=_LAYERS, steps=_SUBSAMPLED, component_transform=False
        ),
        f"{name} subsampled offset tiles": Coding(
            order,
            rates=_LAYERS,
            steps=_SUBSAMPLED_ACROSS,
            origin=(33, 21),
            tile=(100, 90),
            tile_origin=(3, 2),
            component_transform=False,
        ),
        f"{name} tiny precincts": Coding(order, precincts=_TINY, block=(16, 16), rates=_LAYERS),
    }


VARIANTS: dict[str, Coding] = {
    variant: coding
    for name, order in encoder.PROGRESSIONS.items()
    for variant, coding in _of_progression(name, order).items()
}
VARIANTS |= {f"mode {mode}": Coding(encoder.RPCL, rates=_LAYERS, mode=mode, precincts=_PRECINCTS) for mode in _MODES}
VARIANTS |= {
    f"mode {mode} irreversible": Coding(encoder.LRCP, rates=_LAYERS, mode=mode, irreversible=True) for mode in _MODES
}
VARIANTS |= {
    "progression changes": Coding(
        encoder.LRCP, rates=_LAYERS, changes=((0, 0, 3, 2, 3, encoder.RLCP), (2, 0, 3, 5, 3, encoder.CPRL))
    ),
    "one resolution": Coding(encoder.RPCL, resolutions=1, rates=_LAYERS),
}

_ODD = ((64, 32), (32, 64), (16, 16))
_LIMITING = ((16, 8), (8, 16), (4, 4))
_SMALL_BLOCKS = {"4": (4, 4), "8": (8, 8), "wide": (16, 4), "high": (4, 16)}


def _small_blocks(name: str, block: tuple[int, int], resolutions: int) -> dict[str, Coding]:
    """Of whose windows little is left: the lowest resolution has the largest code-blocks on the reference grid."""
    end = f"blocks {name}, {resolutions} resolutions"
    plain = Coding(encoder.LRCP, resolutions=resolutions, block=block, rates=_LAYERS)
    steps = ((1, 1), (2, 2), (2, 1))
    return {
        f"LRCP {end}": plain,
        f"RPCL offset {end}": replace(
            plain, progression=encoder.RPCL, irreversible=True, origin=(37, 51), precincts=_ODD
        ),
        f"CPRL subsampled {end}": replace(
            plain, progression=encoder.CPRL, origin=(33, 21), steps=steps, component_transform=False
        ),
    }


VARIANTS |= {
    variant: coding
    for name, block in _SMALL_BLOCKS.items()
    for resolutions in (2, 4)
    for variant, coding in _small_blocks(name, block, resolutions).items()
}
VARIANTS |= {
    f"limiting precincts, mode {mode}": Coding(
        encoder.RPCL, resolutions=3, block=(16, 16), rates=_LAYERS, precincts=_LIMITING, mode=mode
    )
    for mode in (0, 1, 4, 5, 63)
}
VARIANTS |= {
    f"small blocks, mode {mode}": Coding(encoder.LRCP, resolutions=3, block=(8, 8), rates=_LAYERS, mode=mode)
    for mode in (1, 4, 5, 63)
}
VARIANTS |= {
    "region of interest": Coding(encoder.RPCL, resolutions=3, block=(8, 8), rates=_LAYERS, roi_shift=9),
    "small blocks sop eph": Coding(
        encoder.PCRL, resolutions=3, block=(8, 8), rates=_LAYERS, has_sop=True, has_eph=True, precincts=_ODD
    ),
    "small blocks, progression changes": Coding(
        encoder.LRCP,
        resolutions=4,
        block=(8, 8),
        rates=_LAYERS,
        changes=((0, 0, 3, 2, 3, encoder.RLCP), (2, 0, 3, 4, 3, encoder.CPRL)),
    ),
}

HIGH_THROUGHPUT = ("lossless", "lossy", "tiled")
"""Codestreams that are kept beside this file."""


@cache
def variant(name: str) -> bytes:
    if name in HIGH_THROUGHPUT:
        return (Path(__file__).parent / "data" / f"{name}.j2c").read_bytes()
    return encoder.encode(picture(), VARIANTS[name])
