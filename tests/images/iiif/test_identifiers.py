from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.iiif.errors import MalformedIdentifierError
from images.iiif.identifiers import MAX_IDENTIFIER_BYTES, encode_identifier, validate_identifier


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "..",
        ".",
        "../x",
        "x/..",
        "a/../b",
        "a/./b",
        "..\\x",
        "a\\..\\b",
        "a/..\\b",
        "%2e%2e/x",
        "%2E%2e%2Fx",
        "a%2f..%2fb",
        "%252e%252e%252fx",
        "a%25252f%25252e%25252e%25255cb",
        "%25%32%65./x",
        "a%5c..%5cb",
        "x\x00",
        "x%00",
        "x%2500",
        "a\r\nX-Injected: 1",
        "a%0d%0aX-Injected: 1",
        "a\tb",
        "\x7f",
        "\x85",
        "caf\udce9",
        "caf\ufffdx",
        "%c0%ae%c0%ae/x",
        "x" * (MAX_IDENTIFIER_BYTES + 1),
        "é" * (MAX_IDENTIFIER_BYTES // 2 + 1),
    ],
)
def test_is_refused(identifier: str) -> None:
    with pytest.raises(MalformedIdentifierError):
        validate_identifier(identifier)


@pytest.mark.parametrize(
    "identifier",
    [
        "a",
        "a/b",
        "a..b",
        "...",
        "a/...",
        ".hidden",
        "a.",
        "..a",
        "100%",
        "50%off",
        "a%2Fb",
        "ark:/1/x",
        "日本",
        "a\\b",
        "x" * MAX_IDENTIFIER_BYTES,
    ],
)
def test_is_accepted(identifier: str) -> None:
    validate_identifier(identifier)


def test_costs_nothing_extra_for_nested_encodings() -> None:
    for text in ("%25" * 5000, "%2525252e" * 1000, "/%2525" * 1000):
        with pytest.raises(MalformedIdentifierError):
            validate_identifier(text)


@pytest.mark.parametrize(
    ("identifier", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a?b#c[d]e@f", "a%3Fb%23c%5Bd%5De%40f"),
        ("ark:/1,2;(3)", "ark:%2F1,2;(3)"),
        ("é ü", "%C3%A9%20%C3%BC"),
        ("<\"'>", "%3C%22'%3E"),
    ],
)
def test_is_encoded_as_the_specification_says(identifier: str, encoded: str) -> None:
    assert encode_identifier(identifier) == encoded


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_is_one_segment_and_reversible(identifier: str) -> None:
    encoded = encode_identifier(identifier)
    assert encoded.isascii()
    assert not set(encoded) & set('/?#[]@ <>"\\^`{|}\r\n')
    assert unquote(encoded) == identifier
