"""Codestreams of every make, written by libopenjp2 through glymur's declarations of its structures."""

import ctypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from images.decoders.jp2_library import find_libraries

LRCP, RLCP, RPCL, PCRL, CPRL = range(5)
PROGRESSIONS = {"LRCP": LRCP, "RLCP": RLCP, "RPCL": RPCL, "PCRL": PCRL, "CPRL": CPRL}
BYPASS, RESET, TERMALL, CAUSAL, PREDICTABLE, SEGMENTATION = 1, 2, 4, 8, 16, 32

_SOP, _EPH = 2, 4
_J2K = 0


@dataclass(frozen=True)
class Coding:
    """How to write it. `precincts`: from the highest resolution down; `tile_parts`: R, L or C begins a new one;

    `changes`: resolution start, component start, layer stop, resolution stop, component stop, progression.
    """

    progression: int = RPCL
    resolutions: int = 5
    block: tuple[int, int] = (32, 32)
    precincts: Sequence[tuple[int, int]] = ()
    rates: Sequence[float] = ()
    irreversible: bool = False
    tile: tuple[int, int] | None = None
    tile_origin: tuple[int, int] = (0, 0)
    origin: tuple[int, int] = (0, 0)
    steps: Sequence[tuple[int, int]] = ()
    has_sop: bool = False
    has_eph: bool = False
    mode: int = 0
    lists: Sequence[str] = ()
    tile_parts: str = ""
    changes: Sequence[tuple[int, int, int, int, int, int]] = ()
    component_transform: bool = True
    roi_shift: int = 0


def encode(pixels: npt.NDArray[np.uint8], coding: Coding) -> bytes:
    """`pixels` by row, column and component; a component with steps other than 1 takes every so many of them."""
    import glymur.lib.openjp2 as structures

    opj = ctypes.CDLL(next(find_libraries()))
    for name in ("opj_create_compress", "opj_image_create", "opj_stream_create_default_file_stream"):
        getattr(opj, name).restype = ctypes.c_void_p
    parameters = structures.CompressionParametersType()
    opj.opj_set_default_encoder_parameters(ctypes.byref(parameters))
    _fill(parameters, coding)
    image = ctypes.cast(_image(opj, structures, pixels, coding), ctypes.POINTER(structures.ImageType))
    codec = ctypes.c_void_p(opj.opj_create_compress(_J2K))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.j2k"
        assert opj.opj_setup_encoder(codec, ctypes.byref(parameters), image)
        if coding.lists:
            options = (ctypes.c_char_p * (len(coding.lists) + 1))(*[f"{name}=YES".encode() for name in coding.lists])
            assert opj.opj_encoder_set_extra_options(codec, options)
        stream = ctypes.c_void_p(opj.opj_stream_create_default_file_stream(str(path).encode(), 0))
        succeeded = (
            opj.opj_start_compress(codec, image, stream)
            and opj.opj_encode(codec, stream)
            and opj.opj_end_compress(codec, stream)
        )
        opj.opj_stream_destroy(stream)
        opj.opj_destroy_codec(codec)
        opj.opj_image_destroy(image)
        assert succeeded
        return path.read_bytes()


def _fill(parameters: Any, coding: Coding) -> None:
    parameters.csty = (_SOP if coding.has_sop else 0) | (_EPH if coding.has_eph else 0) | bool(coding.precincts)
    parameters.prog_order = coding.progression
    parameters.numresolution = coding.resolutions
    parameters.cblockw_init, parameters.cblockh_init = coding.block
    parameters.res_spec = len(coding.precincts)
    for number, (width, height) in enumerate(coding.precincts):
        parameters.prcw_init[number], parameters.prch_init[number] = width, height
    rates = coding.rates or (0,)
    parameters.tcp_numlayers, parameters.cp_disto_alloc = len(rates), 1
    for number, rate in enumerate(rates):
        parameters.tcp_rates[number] = rate
    parameters.irreversible, parameters.mode = coding.irreversible, coding.mode
    parameters.image_offset_x0, parameters.image_offset_y0 = coding.origin
    if coding.tile:
        parameters.tile_size_on = 1
        parameters.cp_tdx, parameters.cp_tdy = coding.tile
        parameters.cp_tx0, parameters.cp_ty0 = coding.tile_origin
    parameters.tcp_mct = coding.component_transform
    if coding.tile_parts:
        parameters.tp_on, parameters.tp_flag = 1, ord(coding.tile_parts)
    if coding.roi_shift:
        parameters.roi_compno, parameters.roi_shift = 0, coding.roi_shift
    parameters.numpocs = len(coding.changes)
    for change, (resolution, component, layer_stop, resolution_stop, component_stop, order) in zip(
        parameters.poc, coding.changes, strict=False
    ):
        change.tile, change.resno0, change.compno0 = 1, resolution, component
        change.layno1, change.resno1, change.compno1, change.prg1 = layer_stop, resolution_stop, component_stop, order


def _image(opj: Any, structures: Any, pixels: npt.NDArray[np.uint8], coding: Coding) -> int:
    height, width, count = pixels.shape
    steps = coding.steps or ((1, 1),) * count
    made = (structures.ImageComptParmType * count)()
    planes = []
    for number, (dx, dy) in enumerate(steps):
        left, top = -(-coding.origin[0] // dx), -(-coding.origin[1] // dy)
        right, bottom = -(-(coding.origin[0] + width) // dx), -(-(coding.origin[1] + height) // dy)
        planes.append(np.ascontiguousarray(pixels[::dy, ::dx, number][: bottom - top, : right - left], np.int32))
        component = made[number]
        component.dx, component.dy, component.prec, component.bpp, component.sgnd = dx, dy, 8, 8, 0
        component.w, component.h = right - left, bottom - top
        component.x0, component.y0 = coding.origin
    opj.opj_image_create.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int]
    address: int = opj.opj_image_create(count, ctypes.byref(made), 1 if count >= 3 else 2)
    image = ctypes.cast(address, ctypes.POINTER(structures.ImageType)).contents
    image.x0, image.y0 = coding.origin
    image.x1, image.y1 = coding.origin[0] + width, coding.origin[1] + height
    for number, plane in enumerate(planes):
        component = image.comps[number]
        padded = np.zeros((component.h, component.w), np.int32)
        padded[: plane.shape[0], : plane.shape[1]] = plane
        ctypes.memmove(component.data, padded.ctypes.data, padded.nbytes)
    return address
