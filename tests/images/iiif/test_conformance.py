from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.iiif.advice import find_warnings
from images.iiif.capabilities import Capabilities
from images.iiif.conformance import Answer, Check, compare_information, judge, plan_checks
from images.iiif.errors import IIIFError
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.request import parse_image_request, resolve
from images.iiif.version import ApiVersion

GOOD = Answer(200, {"access-control-allow-origin": "*", "content-type": "image/jpeg"}, Size(10, 10))
CHECK = Check("x", "4.1", "x", frozenset({200}), "image/jpeg", Size(10, 10))

capabilities = st.builds(
    Capabilities,
    features=st.sets(st.sampled_from(Feature)).map(frozenset),
    qualities=st.sets(st.sampled_from(Quality)).map(lambda names: frozenset({*names, Quality.DEFAULT})),
    formats=st.sets(st.sampled_from(OutputFormat)).map(lambda names: frozenset({*names, OutputFormat.JPG})),
    limits=st.sampled_from([Limits(), Limits(max_width=50), Limits(max_area=5000), Limits(max_width=9000)]),
)


@given(capabilities, st.builds(Size, st.integers(1, 9000), st.integers(1, 9000)), st.sampled_from(ApiVersion))
def test_what_is_expected_is_what_the_server_does(offered: Capabilities, full: Size, api_version: ApiVersion) -> None:
    for check in plan_checks(offered, full, api_version):
        if check.path == "info.json":
            continue
        region, size, rotation, written = check.path.split("/")
        try:
            resolved = resolve(parse_image_request(region, size, rotation, written, api_version), full, offered)
            status = 200
        except IIIFError as error:
            status = error.status
        assert status in check.statuses, (check, status)
        if check.size is not None:
            assert resolved.size == check.size


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (GOOD, ""),
        (replace(GOOD, status=404), "status is 404"),
        (replace(GOOD, headers={"content-type": "image/jpeg"}), "Access-Control-Allow-Origin"),
        (replace(GOOD, headers={**GOOD.headers, "content-type": "text/html; charset=utf-8"}), "media type"),
        (replace(GOOD, size=Size(9, 10)), "9 × 10"),
        (replace(GOOD, size=None), "no picture"),
    ],
)
def test_an_answer_is_judged(answer: Answer, problem: str) -> None:
    found = judge(CHECK, answer)
    assert (problem in found) if problem else not found


def test_documents_are_compared_by_property() -> None:
    assert not compare_information({"a": 1}, {"a": 1})
    assert "a, b" in compare_information({"a": 1}, {"a": 2, "b": 3})


def test_warnings_name_what_is_missing() -> None:
    everything = Capabilities.everything(Limits(max_width=5000))
    tile = Size(512, 512)
    assert find_warnings(everything, tile) == ()
    flat = replace(everything, features=everything.features - {Feature.REGION_BY_PX})
    assert "they cannot zoom in" in str(find_warnings(flat, tile)[0])
    assert "A tile of 512 × 512" in str(find_warnings(replace(everything, limits=Limits(max_width=500)), tile)[0])
    (level,) = find_warnings(replace(everything, features=everything.features - {Feature.SIZE_BY_DISTORTED_WH}), tile)
    assert str(level) == "Image API 2: level 1. Level 2 needs sizeByDistortedWh."
    assert "Upscaling" in str(find_warnings(Capabilities.everything(), tile)[-1])
