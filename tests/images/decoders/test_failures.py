"""Errors on their way from a decoder process to the server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.decoders.errors import (
    DamagedSourceError,
    DecodeError,
    DecodeLimitError,
    DecoderDiedError,
    OverloadedError,
    UnsupportedSourceError,
)
from images.decoders.failures import failure_from_json, failure_to_json, translate

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


@pytest.mark.parametrize("error", [OverloadedError("Later."), DecoderDiedError("Gone.")])
def test_a_decoder_cannot_say_what_only_the_server_knows(error: DecodeError) -> None:
    assert type(failure_from_json(failure_to_json(error))) is DecodeError


def test_long_details_are_cut() -> None:
    assert len(failure_from_json(failure_to_json(DecodeError("x" * 100_000))).detail) == 500


@given(st.dictionaries(st.sampled_from(["type", "code", "detail", "other"]), JSON))
def test_any_json_becomes_an_error(data: dict[str, Any]) -> None:
    error = failure_from_json(data)
    assert isinstance(error.detail, str)
    assert isinstance(error.code, str)


def test_want_of_memory_is_a_limit() -> None:
    error = translate(MemoryError())
    assert isinstance(error, DecodeLimitError)
    assert error.code == "out_of_memory"


def test_what_only_programmers_understand_is_left_out() -> None:
    assert "secret" not in translate(KeyError("secret")).detail
