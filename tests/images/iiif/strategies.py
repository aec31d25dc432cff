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


def _switched_off(features: int, more: int, others: int, limits: Limits) -> Capabilities:
    """Bits say what is off; both of `features` and `more` must, so that mostly little is."""
    off = features & more
    return Capabilities(
        frozenset(feature for bit, feature in enumerate(Feature) if not off >> bit & 1),
        frozenset(quality for bit, quality in enumerate(Quality) if not bit or not others >> bit & 1),
        frozenset(name for bit, name in enumerate(OutputFormat) if not bit or not others >> 4 + bit & 1),
        limits,
    )


_bits = st.integers(0, 2**24 - 1)
some_capabilities = st.builds(_switched_off, _bits, _bits, _bits, limits)

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
    st.integers(0, 36_000).map(lambda value: f"{value // 100}.{value % 100:02}"),
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


def _requested(
    full: Size,
    api_version: ApiVersion,
    forms: tuple[str, str, bool],
    numbers: tuple[int, ...],
    others: tuple[str, str],
) -> RequestedImage:
    """Any numbers, brought into the image: cheaper than strategies that are built anew for each image."""
    region_form, size_form, with_caret = forms
    a, b, c, d, e, f = numbers
    regions_by_form = {
        "pixels": f"{a % full.width},{b % full.height},{c % (2 * full.width) + 1},{d % (2 * full.height) + 1}",
        "percent": f"pct:{_tenths(a % 1000)},{_tenths(b % 1000)},{_tenths(c % 1200 + 300)},{_tenths(d % 1200 + 300)}",
    }
    width, height = e % full.width + 1, f % full.height + 1
    sizes_by_form = {
        "width": f"{width},",
        "height": f",{height}",
        "reduced": f"{-(-full.width // 2 ** (e % 12))},",
        "larger": f"{width + full.width},",
        "percent": f"pct:{_tenths(e % 1200 + 1)}",
        "both": f"{width},{height}",
        "confined": f"!{width},{height}",
        "keyword": "full" if api_version is ApiVersion.V2 else "max",
    }
    caret = "^" if with_caret and api_version is ApiVersion.V3 else ""
    region = regions_by_form.get(region_form, region_form)
    return RequestedImage(full, api_version, region, caret + sizes_by_form.get(size_form, size_form), *others)


def _tenths(value: int) -> str:
    return f"{value // 10}.{value % 10}"


_numbers = st.integers(0, 400_000)
requested_images = st.builds(
    _requested,
    sizes,
    versions,
    st.tuples(
        st.sampled_from(["full", "square", "pixels", "percent"]),
        st.sampled_from(["max", "keyword", "width", "height", "reduced", "larger", "percent", "both", "confined"]),
        st.booleans(),
    ),
    st.tuples(_numbers, _numbers, _numbers, _numbers, _numbers, _numbers),
    st.tuples(rotations, qualities_formats),
)
