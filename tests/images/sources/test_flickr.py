import json
from pathlib import Path
from typing import Any

import pytest

from images.sources.credentials import Credentials
from images.sources.errors import (
    SourceAnswerError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from images.sources.flickr import largest, open_photo
from images.sources.location import Location
from tests.images.sources.origin import Canary, Origin

KEY = "0123456789abcdef"
ADDRESS = f"/rest?method=flickr.photos.getSizes&photo_id=7&api_key={KEY}&format=json&nojsoncallback=1"


def place(origin: Origin, folder: Path, key: str = "7", **options: Any) -> Location:
    given = {
        "cache_dir": str(folder),
        "ports": (origin.port,),
        "allowed_networks": ("127.0.0.1/32",),
        "api_url": origin.url("/rest"),
        "credentials": Credentials("env:FLICKR", lambda _prefix: {"API_KEY": KEY}),
        **options,
    }
    return Location("flickr", "", key, given)


def sizes(**urls: str) -> dict[str, Any]:
    listed = [{"label": label.replace("_", " "), "source": url} for label, url in urls.items()]
    return {"stat": "ok", "sizes": {"size": listed}}


def test_the_original_comes_first_then_the_largest() -> None:
    every = sizes(Square="s", Thumbnail="t", Large="l", Large_2048="2k", Original="o", Medium="m")
    assert largest(every) == "o"
    assert largest(sizes(Square="s", Large="l", Large_2048="2k", Large_1600="1k")) == "2k"
    assert largest(sizes(Square="s", Thumbnail="t", Medium="m")) == "m"
    with pytest.raises(SourceNotFoundError):
        largest(sizes(Video="v"))
    with pytest.raises(SourceAnswerError):
        largest({"sizes": []})


def test_a_photo_is_asked_for_with_the_key_and_fetched(origin: Origin, tmp_path: Path) -> None:
    url = origin.serve("/photo.jpg", b"photo")
    origin.serve(ADDRESS, json.dumps(sizes(Thumbnail=origin.url("/t.jpg"), Original=url)).encode())
    with open_photo(place(origin, tmp_path)) as reader:
        etag = reader.stat().etag
        assert reader.read(0, 5) == b"photo"
    with open_photo(place(origin, tmp_path), etag) as reader:
        assert reader.read(0, 5) == b"photo"
    assert {path: len(requests) for path, requests in origin.requests.items()} == {ADDRESS: 1, "/photo.jpg": 1}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"stat": "fail", "code": 1}', SourceNotFoundError),
        (b'{"stat": "fail", "code": 100}', SourceForbiddenError),
        (b'{"stat": "fail", "code": 105}', SourceAnswerError),
        (b"<html>", SourceAnswerError),
        (b"[]", SourceAnswerError),
        (b" " * 70_000, SourceAnswerError),
    ],
)
def test_what_flickr_may_say(origin: Origin, tmp_path: Path, body: bytes, error: type[SourceError]) -> None:
    origin.serve(ADDRESS, body)
    with pytest.raises(error) as caught:
        open_photo(place(origin, tmp_path))
    assert KEY not in f"{caught.value!r} {caught.value.technical} {caught.value.__cause__!r}"


@pytest.mark.parametrize("key", ["", "x", "7/../8", "7&api_key=x", "1" * 21, "٧"])
def test_photos_are_named_by_numbers(origin: Origin, tmp_path: Path, key: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        open_photo(place(origin, tmp_path, key))
    assert not origin.requests


def test_an_answer_that_leads_to_a_private_address(origin: Origin, tmp_path: Path, canary: Canary) -> None:
    for host in ("127.0.0.2", "[::1]", "169.254.169.254"):
        url = f"http://{host}:{canary.port}/x"
        origin.serve(ADDRESS, json.dumps(sizes(Original=url)).encode())
        with pytest.raises(SourceNotAllowedError):
            open_photo(place(origin, tmp_path, ports=(origin.port, canary.port)))
    assert canary.connections == 0
