"""Errors on their way from a decoder process to the server."""

import json
from typing import Any

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from images.decoders import libvips
from images.decoders.errors import (
    DamagedSourceError,
    DecodeError,
    DecodeLimitError,
    DecoderDiedError,
    DecoderUnavailableError,
    OverloadedError,
    UnsupportedSourceError,
)
from images.decoders.failures import failure_from_json, failure_to_json, tells_of_memory, translate
from tests.support.examples import dear

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("type_", [DecodeError, DamagedSourceError, UnsupportedSourceError, DecodeLimitError])
def test_an_error_comes_back_as_it_was(type_: type[DecodeError]) -> None:
    error = failure_from_json(json.loads(json.dumps(failure_to_json(type_("Too short.", "short")))))
    assert type(error) is type_
    assert (error.detail, error.code) == ("Too short.", "short")


@pytest.mark.parametrize(
    "error", [OverloadedError("Later."), DecoderUnavailableError("None."), DecoderDiedError("Gone.")]
)
def test_a_decoder_cannot_say_what_only_the_server_knows(error: DecodeError) -> None:
    assert type(failure_from_json(failure_to_json(error))) is DecodeError


def test_long_details_are_cut() -> None:
    assert len(failure_from_json(failure_to_json(DecodeError("x" * 100_000))).detail) == 500


@dear
@given(st.dictionaries(st.sampled_from(["type", "code", "detail", "other"]), JSON))
def test_any_json_becomes_an_error(data: dict[str, Any]) -> None:
    error = failure_from_json(data)
    assert isinstance(error.detail, str)
    assert isinstance(error.code, str)


def test_want_of_memory_is_a_limit() -> None:
    error = translate(MemoryError())
    assert isinstance(error, DecodeLimitError)
    assert error.code == "out_of_memory"


MESSAGES = (
    "out of memory -- size == 143MB",
    "VipsJpeg: out of memory",
    "tiff2vips: out of memory -- size == 12MB",
    "_TIFFVSetField: Failed to allocate space for list of custom values",
    "TIFFFillStrip: failed to allocate 98304 bytes",
    "heif: Memory allocation error (6.0)",
    "pngload: Insufficient memory",
    "AOM encoder error: av1_create_context_and_bufferpool() failed",
    "Not enough memory to decode tile",
    "opj_j2k_read_tlm(): cannot allocate m_tile_part_infos.",
)


@pytest.mark.parametrize("message", MESSAGES)
def test_libraries_that_got_no_memory_do_not_blame_the_file(message: str) -> None:
    assert tells_of_memory(message)
    with pytest.raises(DecodeLimitError) as caught, libvips.plain_errors():
        raise pyvips.Error("unable to call", message)
    assert caught.value.code == "out_of_memory"


@pytest.mark.parametrize("message", ["premature end of JPEG image", "read error in strip 3", "invalid memory address"])
def test_other_messages_are_of_the_file(message: str) -> None:
    assert not tells_of_memory(message)


def test_what_only_programmers_understand_is_left_out() -> None:
    assert "secret" not in translate(KeyError("secret")).detail
