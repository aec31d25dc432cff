"""A thin binding of libopenjp2: one codec and one stream for each decode.

Names and layouts are those of openjpeg.h 2.5. `ctypes.CDLL` lets go of the interpreter's lock
during calls. Callbacks never raise: what goes wrong is kept in the session and looked at after each
call, since OpenJPEG may take an early end for success.
"""

import ctypes
import ctypes.util
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from images.decoders.errors import DamagedSourceError, DecodeError, UnsupportedSourceError
from images.decoders.failures import out_of_memory, tells_of_memory
from images.decoders.source import SourceData

LEAST_VERSION = (2, 5, 4)
"""Earlier ones carry known memory faults."""

_CODEC_J2K = 0
_STREAM_BYTES = 1 << 20
_END_OF_STREAM = ctypes.c_size_t(-1).value
_MAX_MESSAGES = 20
_PATH_BYTES = 4096

_Read = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_Skip = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_Seek = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_void_p)
_Message = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)


class ImageComponent(ctypes.Structure):
    """opj_image_comp_t"""

    _fields_ = [
        *[(name, ctypes.c_uint32) for name in ("dx", "dy", "w", "h", "x0", "y0", "prec", "bpp")],
        *[(name, ctypes.c_uint32) for name in ("sgnd", "resno_decoded", "factor")],
        ("data", ctypes.POINTER(ctypes.c_int32)),
        ("alpha", ctypes.c_uint16),
    ]


class Image(ctypes.Structure):
    """opj_image_t"""

    _fields_ = [
        *[(name, ctypes.c_uint32) for name in ("x0", "y0", "x1", "y1", "numcomps")],
        ("color_space", ctypes.c_int),
        ("comps", ctypes.POINTER(ImageComponent)),
        ("icc_profile_buf", ctypes.c_void_p),
        ("icc_profile_len", ctypes.c_uint32),
    ]


class _DecoderParameters(ctypes.Structure):
    """opj_dparameters_t"""

    _fields_ = [
        ("cp_reduce", ctypes.c_uint32),
        ("cp_layer", ctypes.c_uint32),
        ("infile", ctypes.c_char * _PATH_BYTES),
        ("outfile", ctypes.c_char * _PATH_BYTES),
        ("decod_format", ctypes.c_int),
        ("cod_format", ctypes.c_int),
        *[(name, ctypes.c_uint32) for name in ("DA_x0", "DA_x1", "DA_y0", "DA_y1")],
        ("m_verbose", ctypes.c_int),
        ("tile_index", ctypes.c_uint32),
        ("nb_tile_to_decode", ctypes.c_uint32),
        *[(name, ctypes.c_int) for name in ("jpwl_correct", "jpwl_exp_comps", "jpwl_max_tiles")],
        ("flags", ctypes.c_uint),
    ]


def find_libraries() -> Iterator[str]:
    """Candidates in the order of preference: the copy in Pillow's wheel, then the system's."""
    spec = importlib.util.find_spec("PIL")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for folder in (package.parent / "pillow.libs", package / ".dylibs"):
            yield from sorted(str(path) for path in folder.glob("libopenjp2*"))
    system = ctypes.util.find_library("openjp2")
    if system:
        yield system


@cache
def library() -> ctypes.CDLL:
    """The first libopenjp2 that is new enough. Raises UnsupportedSourceError if there is none."""
    for path in find_libraries():
        try:
            loaded = ctypes.CDLL(path)
            loaded.opj_version.restype = ctypes.c_char_p
        except (OSError, AttributeError):
            continue
        version = tuple(int(part) for part in loaded.opj_version().decode().split(".")[:3])
        if version >= LEAST_VERSION:
            return _declared(loaded)
    wanted = ".".join(map(str, LEAST_VERSION))
    raise UnsupportedSourceError(f"JPEG 2000 cannot be read here: no OpenJPEG {wanted} or newer was found.")


def _declared(loaded: ctypes.CDLL) -> ctypes.CDLL:
    pointer, flag = ctypes.c_void_p, ctypes.c_int
    image = ctypes.POINTER(Image)
    parameters = ctypes.POINTER(_DecoderParameters)
    signatures: dict[str, tuple[list[Any], Any]] = {
        "opj_create_decompress": ([ctypes.c_int], pointer),
        "opj_destroy_codec": ([pointer], None),
        "opj_set_default_decoder_parameters": ([parameters], None),
        "opj_setup_decoder": ([pointer, parameters], flag),
        "opj_decoder_set_strict_mode": ([pointer, flag], flag),
        "opj_set_error_handler": ([pointer, _Message, pointer], flag),
        "opj_set_warning_handler": ([pointer, _Message, pointer], flag),
        "opj_stream_create": ([ctypes.c_size_t, flag], pointer),
        "opj_stream_destroy": ([pointer], None),
        "opj_stream_set_read_function": ([pointer, _Read], None),
        "opj_stream_set_skip_function": ([pointer, _Skip], None),
        "opj_stream_set_seek_function": ([pointer, _Seek], None),
        "opj_stream_set_user_data": ([pointer, pointer, pointer], None),
        "opj_stream_set_user_data_length": ([pointer, ctypes.c_uint64], None),
        "opj_read_header": ([pointer, pointer, ctypes.POINTER(image)], flag),
        "opj_set_decode_area": ([pointer, image, *[ctypes.c_int32] * 4], flag),
        "opj_decode": ([pointer, pointer, image], flag),
        "opj_image_destroy": ([image], None),
    }
    for name, (arguments, result) in signatures.items():
        function = getattr(loaded, name)
        function.argtypes = arguments
        function.restype = result
    return loaded


@dataclass(slots=True)
class _Session:
    """The reading position of one decode, and what its callbacks met. Bytes from `offset` on."""

    source: SourceData
    offset: int
    length: int
    position: int = 0
    overran: bool = False
    failure: Exception | None = None
    messages: list[str] = field(default_factory=list)

    def read(self, buffer: int, size: int, _: object) -> int:
        """Fill OpenJPEG's buffer. Never answers 0: OpenJPEG would ask again for ever."""
        try:
            piece = self.source.read_at(self.offset + self.position, min(size, self.length - self.position))
        except Exception as error:  # noqa: BLE001 - kept for after the call
            self.failure = error
            return _END_OF_STREAM
        if not piece:
            self.overran = True
            return _END_OF_STREAM
        ctypes.memmove(buffer, piece, len(piece))
        self.position += len(piece)
        return len(piece)

    def skip(self, size: int, _: object) -> int:
        target = self.position + size
        if size < 0 or target > self.length:
            self.overran = True
            return -1
        self.position = target
        return size

    def seek(self, position: int, _: object) -> int:
        if not 0 <= position <= self.length:
            return 0
        self.position = position
        return 1

    def told(self, message: bytes | None, _: object) -> None:
        if message and len(self.messages) < _MAX_MESSAGES:
            self.messages.append(message.decode("utf-8", "replace").strip())

    def error(self) -> DecodeError:
        if isinstance(self.failure, DecodeError):
            return self.failure
        if any(map(tells_of_memory, self.messages)):
            return out_of_memory()
        told = self.messages[-1].rstrip(".") if self.messages else "no reason was given"
        return DamagedSourceError(f"The file is damaged: its JPEG 2000 data say: {told}.")


@contextmanager
def decoded(
    source: SourceData,
    offset: int,
    length: int,
    reduction: int,
    area: tuple[int, int, int, int] | None,
    layers: int | None = None,
) -> Iterator[Image]:
    """Decode a raw codestream of `length` bytes at `offset`, `reduction` resolutions left out.

    `area`: x0, y0, x1, y1 on the reference grid, or None for all of it. `layers`: see `opened`. The image and its
    planes live until the context ends. Raises DecodeError.
    """
    with opened(source, offset, length, reduction, layers) as codestream:
        yield codestream.decode(area)


class Codestream:
    """A codestream that is being decoded, by one codec; made by `opened`."""

    def __init__(self, opj: ctypes.CDLL, codec: int, stream: int, image: Any, session: _Session) -> None:
        self._opj = opj
        self._codec = codec
        self._stream = stream
        self._image = image
        self._session = session

    def decode(self, area: tuple[int, int, int, int] | None) -> Image:
        """The image with the planes of `area`, until the next call. Raises DecodeError.

        Of a codestream that is one tile, any number of areas can be decoded: code-blocks that lie in the area before
        and in this one are decoded only once. Of several tiles, one.
        """
        succeeded = (area is None or self._opj.opj_set_decode_area(self._codec, self._image, *area)) and (
            self._opj.opj_decode(self._codec, self._stream, self._image)
        )
        if not succeeded or self._session.failure is not None:
            raise self._session.error()
        image: Image = self._image.contents
        return image


@contextmanager
def opened(
    source: SourceData, offset: int, length: int, reduction: int, layers: int | None = None
) -> Iterator[Codestream]:
    """Read the main header of the raw codestream of `length` bytes at `offset`.

    `layers`: how many quality layers count, None for all. Raises DecodeError.
    """
    opj = library()
    session = _Session(source, offset, length)
    callbacks = (
        _Read(session.read),
        _Skip(session.skip),
        _Seek(session.seek),
        _Message(session.told),
    )
    stream = opj.opj_stream_create(_STREAM_BYTES, 1)
    codec = opj.opj_create_decompress(_CODEC_J2K)
    image: Any = ctypes.POINTER(Image)()
    try:
        _connect(opj, stream, length, callbacks)
        _set_up(opj, codec, reduction, layers or 0, callbacks[3])
        if not opj.opj_read_header(stream, codec, ctypes.byref(image)) or session.failure is not None:
            raise session.error()
        yield Codestream(opj, codec, stream, image, session)
    finally:
        if image:
            opj.opj_image_destroy(image)
        opj.opj_destroy_codec(codec)
        opj.opj_stream_destroy(stream)
        del callbacks


def _connect(opj: ctypes.CDLL, stream: int, length: int, callbacks: tuple[Any, ...]) -> None:
    opj.opj_stream_set_read_function(stream, callbacks[0])
    opj.opj_stream_set_skip_function(stream, callbacks[1])
    opj.opj_stream_set_seek_function(stream, callbacks[2])
    opj.opj_stream_set_user_data(stream, None, None)
    opj.opj_stream_set_user_data_length(stream, length)


def _set_up(opj: ctypes.CDLL, codec: int, reduction: int, layers: int, told: Any) -> None:
    """`layers` of 0 are all of them."""
    parameters = _DecoderParameters()
    opj.opj_set_default_decoder_parameters(ctypes.byref(parameters))
    parameters.cp_reduce = reduction
    parameters.cp_layer = layers
    opj.opj_set_error_handler(codec, told, None)
    opj.opj_setup_decoder(codec, ctypes.byref(parameters))
    opj.opj_decoder_set_strict_mode(codec, 1)


def is_available() -> bool:
    """Whether JPEG 2000 can be read on this machine."""
    try:
        library()
    except UnsupportedSourceError:
        return False
    return True
