import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from images.iiif.negotiation import JSON, JSON_LD, information_media_type
from images.iiif.version import ApiVersion

V2, V3 = ApiVersion
WITH_PROFILE = 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "of_v2", "of_v3"),
    [
        (None, JSON, WITH_PROFILE),
        ("", JSON, WITH_PROFILE),
        ("*/*", JSON, WITH_PROFILE),
        (BROWSER, JSON, WITH_PROFILE),
        ("image/png", JSON, WITH_PROFILE),
        ("application/*", JSON, WITH_PROFILE),
        ("application/json", JSON, JSON),
        ("Application/JSON; charset=utf-8", JSON, JSON),
        ("application/json, text/plain, */*", JSON, JSON),
        ("application/json;q=0.5, */*", JSON, WITH_PROFILE),
        ("application/ld+json", JSON_LD, WITH_PROFILE),
        (WITH_PROFILE, JSON_LD, WITH_PROFILE),
        ('application/ld+json;profile="a,b;q=0"', JSON_LD, WITH_PROFILE),
        ("application/ld+json, application/json", JSON_LD, WITH_PROFILE),
        ("application/ld+json;q=0.5, application/json", JSON, JSON),
        ("application/json;q=0.5, application/ld+json;q=0.9", JSON_LD, WITH_PROFILE),
        ("application/ld+json;q=0, */*", JSON, JSON),
        ("application/ld+json;q=0", JSON, WITH_PROFILE),
        ("application/json;q=0", JSON, WITH_PROFILE),
        ("application/json;q=2", JSON, WITH_PROFILE),
        ("application/json ; Q=1.000", JSON, JSON),
        (";;,,;q=", JSON, WITH_PROFILE),
    ],
)
def test_media_type(accept: str | None, of_v2: str, of_v3: str) -> None:
    assert information_media_type(accept, V2) == of_v2
    assert information_media_type(accept, V3) == of_v3


@given(st.text(alphabet='applicationjsonld+/*;,q=01."\\ x'), st.sampled_from(ApiVersion))
@example('"' * 100_000, V3)
@example("a,;" * 100_000, V2)
@example("\\" * 100_000, V2)
def test_every_header_has_an_answer(accept: str, api_version: ApiVersion) -> None:
    assert information_media_type(accept, api_version) in {JSON, JSON_LD, WITH_PROFILE}
