"""Hypothesis strategies: images, limits, and requests from well-formed to hostile."""

from dataclasses import dataclass

from hypothesis import strategies as st

from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.request import ImageRequest, parse_image_request
from images.iiif.version import ApiVersion

lengths = st.one_of(st.integers(1, 40), st.integers(1, 5000), st.integers(1, 200_000))
sizes = st.builds(Size, lengths, lengths)
versions = st.sampled_from(ApiVersion)


def _limits(width: int | None, height: int | None, area: int | None) -> Limits:
    return Limits(width, height if width is not None else None, area)


limits = st.builds(
    _limits,
    st.none() | st.integers(1, 10_000),
    st.none() | st.integers(1, 10_000),
    st.none() | st.integers(1, 100_000_000),
)
capabilities_of_all = limits.map(Capabilities.everything)
some_capabilities = st.builds(
    Capabilities,
    st.frozensets(st.sampled_from(Feature), max_size=4).map(lambda off: frozenset(Feature) - off)
    | st.frozensets(st.sampled_from(Feature)),
    st.frozensets(st.sampled_from(Quality)).map(lambda off: frozenset(Quality) - off | {Quality.DEFAULT}),
    st.frozensets(st.sampled_from(OutputFormat), max_size=2).map(
        lambda off: frozenset(OutputFormat) - off | {OutputFormat.JPG}
    ),
    limits,
)

_pixels = lengths.map(str)
_positions = st.integers(0, 5000).map(str)
_percents = st.one_of(
    st.integers(1, 250).map(str),
    st.decimals(0, 120, places=3, allow_nan=False, allow_infinity=False).map(lambda value: f"{value:f}"),
)


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(",".join)


regions = st.one_of(
    st.sampled_from(["full", "square"]),
    _joined(_positions, _positions, _pixels, _pixels),
    _joined(_percents, _percents, _percents, _percents).map("pct:{}".format),
)
_size_forms = st.one_of(
    st.just("max"),
    _pixels.map("{},".format),
    _pixels.map(",{}".format),
    _percents.map("pct:{}".format),
    _joined(_pixels, _pixels),
    _joined(_pixels, _pixels).map("!{}".format),
)
size_parameters = st.one_of(st.just("full"), _size_forms, _size_forms.map("^{}".format))
rotations = st.one_of(
    st.sampled_from(["0", "!0", "90", "!180", "270.0", "360", "22.50", ".5"]),
    st.decimals(0, 360, places=2).map(lambda value: f"{value:f}"),
)
qualities_formats = st.builds("{}.{}".format, st.sampled_from(Quality), st.sampled_from(OutputFormat))

_hostile_numbers = st.sampled_from(
    ["", "-1", "+1", "1e9", "NaN", "inf", "0", "0.0", "٣", "²", "１", "1_0", " 1", "1\n", "1.", ".", "9" * 5000, "0x1"]
)
_hostile = st.one_of(
    st.text(max_size=20),
    _hostile_numbers,
    _joined(_hostile_numbers, _positions, _pixels, _hostile_numbers),
    _hostile_numbers.map("pct:{}".format),
    _hostile_numbers.map("!{},5".format),
)
any_parameters = st.tuples(
    regions | _hostile, size_parameters | _hostile, rotations | _hostile, qualities_formats | _hostile
)


@dataclass(frozen=True, slots=True)
class RequestedImage:
    """A well-formed request that mostly has an answer: its region lies in the image."""

    full: Size
    api_version: ApiVersion
    region: str
    size: str
    rotation: str
    quality_format: str

    def parse(self) -> ImageRequest:
        return parse_image_request(self.region, self.size, self.rotation, self.quality_format, self.api_version)


@st.composite
def requested_images(draw: st.DrawFn) -> RequestedImage:
    full, api_version = draw(sizes), draw(versions)
    return RequestedImage(
        full,
        api_version,
        draw(_regions_of(full)),
        draw(_sizes_of(full, api_version)),
        draw(rotations),
        draw(qualities_formats),
    )


def _regions_of(full: Size) -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(["full", "square"]),
        _joined(
            st.integers(0, full.width - 1).map(str),
            st.integers(0, full.height - 1).map(str),
            st.integers(1, 2 * full.width).map(str),
            st.integers(1, 2 * full.height).map(str),
        ),
        _joined(
            st.integers(0, 999).map(_tenths),
            st.integers(0, 999).map(_tenths),
            st.integers(300, 1500).map(_tenths),
            st.integers(300, 1500).map(_tenths),
        ).map("pct:{}".format),
    )


def _sizes_of(full: Size, api_version: ApiVersion) -> st.SearchStrategy[str]:
    widths = st.integers(1, full.width) | st.integers(1, 2 * full.width)
    heights = st.integers(1, full.height) | st.integers(1, 2 * full.height)
    boxes = st.tuples(widths, heights).map(lambda box: f"{box[0]},{box[1]}")
    forms = st.one_of(
        st.just("max"),
        widths.map("{},".format),
        heights.map(",{}".format),
        st.integers(1, 1500).map(_tenths).map("pct:{}".format),
        boxes,
        boxes.map("!{}".format),
    )
    if api_version is ApiVersion.V2:
        return forms | st.just("full")
    return forms | forms.map("^{}".format)


def _tenths(value: int) -> str:
    return f"{value // 10}.{value % 10}"
