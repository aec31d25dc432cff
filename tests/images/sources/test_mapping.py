import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.sources.mapping import KeyMapping, pattern_problem, template_problem


@pytest.mark.parametrize(
    ("mapping", "name", "key"),
    [
        (KeyMapping(), "a/b.tif", "a/b.tif"),
        (KeyMapping(prefix="scans/", suffix=".jp2"), "b123/0001", "scans/b123/0001.jp2"),
        (KeyMapping(pattern=r"(..)(..).*", template=r"\1/\2"), "abcdef", "ab/cd"),
        (KeyMapping(suffix=".tif", pattern=r"(?P<a>[a-z]+)-(\d+)", template=r"\g<a>/\2"), "map-7", "map/7.tif"),
        (KeyMapping(pattern=r"\d+"), "12", "12"),
        (KeyMapping(pattern=r"\d+"), "12x", None),
        (KeyMapping(pattern=r"(a)|(b)", template=r"x\1\2"), "b", "xb"),
    ],
)
def test_keys(mapping: KeyMapping, name: str, key: str | None) -> None:
    assert mapping.key(name) == key


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a\\b", "a\0b", "a/./b", "\ud800", "a/.."]
)
def test_names_that_lead_elsewhere_have_no_key(name: str) -> None:
    assert KeyMapping(prefix="scans/").key(name) is None
    assert KeyMapping(prefix="scans/.", suffix="./x").key(name) is None
    assert KeyMapping(pattern="(.*)", template=r"\1").key(name) is None


@given(st.text(max_size=40), st.sampled_from(["", "scans/", "a", "a."]), st.sampled_from(["", ".tif", "/x.tif", "."]))
def test_a_key_never_leaves_its_prefix(name: str, prefix: str, suffix: str) -> None:
    key = KeyMapping(prefix=prefix, suffix=suffix).key(name)
    if key is not None:
        assert key.startswith(prefix)
        assert key.endswith(suffix)
        assert not {"", ".", ".."} & set(key.split("/"))


def test_what_is_wrong_with_patterns_and_templates() -> None:
    assert pattern_problem("a+") == template_problem(r"\1", "(a)") == template_problem("", "") == ""
    assert "no regular expression" in pattern_problem("(")
    assert template_problem(r"\2", "(a)") == r"The pattern has no group \2."
    assert template_problem(r"\g<b>", "(?P<a>a)") == r"The pattern has no group \g<b>."
    assert template_problem("x", "") == "A key template needs an identifier pattern."
    assert re.compile("(a)").groups == 1
