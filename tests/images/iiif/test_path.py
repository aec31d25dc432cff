import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from images.iiif.errors import MalformedIdentifierError
from images.iiif.path import BasePath, ImagePath, InformationPath, parse_path

SEGMENTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\%.\ufffd"), min_size=1, max_size=12
)
IDENTIFIERS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("x/full/max/0/default.jpg", ImagePath("x", "full", "max", "0", "default.jpg")),
        ("a/b/c.tif/0,0,9,9/^!5,5/!90/gray.png", ImagePath("a/b/c.tif", "0,0,9,9", "^!5,5", "!90", "gray.png")),
        ("x/info.json", InformationPath("x")),
        ("a/b/info.json", InformationPath("a/b")),
        ("info.json/info.json", InformationPath("info.json")),
        ("a/full/max/0/default.jpg/info.json", InformationPath("a/full/max/0/default.jpg")),
        ("a/info.json/full/max/0/default.jpg", ImagePath("a/info.json", "full", "max", "0", "default.jpg")),
        ("x", BasePath("x")),
        ("a/b/c/d", BasePath("a/b/c/d")),
        ("archive/2026/05/07/page.tif", BasePath("archive/2026/05/07/page.tif")),
        ("full/max/0/default.jpg", BasePath("full/max/0/default.jpg")),
        ("ark:/12345/x54xz321", BasePath("ark:/12345/x54xz321")),
        ("http://example.org/a.jpg/info.json", InformationPath("http://example.org/a.jpg")),
        ("a%2Fb/info.json", InformationPath("a%2Fb")),
    ],
)
def test_is_read_from_the_right(path: str, parsed: object) -> None:
    assert parse_path(path) == parsed


@pytest.mark.parametrize(
    "parameters",
    [
        "full/max/0/random.jpg",
        "full/max/0/default",
        "full/max/0/default.",
        "nonsense/max/0/default.jpg",
        "full/nonsense/0/default.jpg",
        "full/max/nonsense/default.jpg",
        "a/b/c/default.xyz",
        "1,2,3/max/x/native.jpg",
        "-1,0,5,5/max/0/native.jpg",
    ],
)
def test_wrong_parameters_are_still_parameters(parameters: str) -> None:
    parsed = parse_path(f"some/id/{parameters}")
    assert isinstance(parsed, ImagePath)
    assert parsed.identifier == "some/id"


@pytest.mark.parametrize(
    "path", ["", "info.json", "/info.json", "/full/max/0/default.jpg", "../info.json", "a/../full/max/0/default.jpg"]
)
def test_without_a_possible_identifier_is_refused(path: str) -> None:
    with pytest.raises(MalformedIdentifierError):
        parse_path(path)


@given(IDENTIFIERS, st.sampled_from(["full", "square", "0,0,1,1", "nonsense"]), st.sampled_from(["max", "5,", "x"]))
def test_finds_every_identifier_before_parameters(identifier: str, region: str, size: str) -> None:
    parsed = parse_path(f"{identifier}/{region}/{size}/0/default.jpg")
    assert parsed == ImagePath(identifier, region, size, "0", "default.jpg")


@given(IDENTIFIERS)
def test_finds_every_identifier_before_info_json(identifier: str) -> None:
    assert parse_path(f"{identifier}/info.json") == InformationPath(identifier)


@given(st.text())
@example("/" * 10_000)
@example("%" * 10_000)
@example("a/" * 5_000 + "full/max/0/default.jpg")
def test_no_path_raises_anything_else(path: str) -> None:
    with contextlib.suppress(MalformedIdentifierError):
        parse_path(path)
