"""From the four parameters of a URL to the pixels that they mean: parse, then resolve against an image."""

from dataclasses import dataclass

from images.iiif.capabilities import Capabilities
from images.iiif.errors import MalformedParameterError, UnsupportedFeatureError, UpscalingError
from images.iiif.features import UPSCALING_FEATURE, Feature
from images.iiif.geometry import Region, Size
from images.iiif.grammar import round_half_up
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality, parse_quality_format
from images.iiif.region import REGION_FEATURES, RegionParameter, parse_region, resolve_region
from images.iiif.rotation import Rotation, parse_rotation
from images.iiif.scaling import fit, scale_to_height, scale_to_width
from images.iiif.size import SizeForm, SizeParameter, parse_size
from images.iiif.version import ApiVersion


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What the client wrote, understood but not yet applied to an image."""

    region: RegionParameter
    size: SizeParameter
    rotation: Rotation
    quality: Quality
    format: OutputFormat
    api_version: ApiVersion


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """The pixels that a request means. `size` is before rotation; `limits` are those that it was resolved under."""

    region: Region
    size: Size
    rotation: Rotation
    quality: Quality
    format: OutputFormat
    limits: Limits

    @property
    def is_upscaled(self) -> bool:
        return _is_larger(self.size, self.region.size)


_SIZE_FEATURES = {
    SizeForm.BY_WIDTH: Feature.SIZE_BY_W,
    SizeForm.BY_HEIGHT: Feature.SIZE_BY_H,
    SizeForm.BY_PERCENT: Feature.SIZE_BY_PCT,
    SizeForm.CONFINED: Feature.SIZE_BY_CONFINED_WH,
}


def parse_image_request(
    region: str, size: str, rotation: str, quality_format: str, api_version: ApiVersion
) -> ImageRequest:
    """Read the last four parts of an image's path, decoded once; raises MalformedParameterError."""
    quality, output_format = parse_quality_format(quality_format)
    return ImageRequest(
        parse_region(region),
        parse_size(size, api_version),
        parse_rotation(rotation),
        quality,
        output_format,
        api_version,
    )


def resolve(
    request: ImageRequest, full: Size, capabilities: Capabilities, *, is_grayscale: bool = False
) -> ResolvedRequest:
    """Apply a request to an image of size `full`.

    Different requests for the same pixels resolve to equal values: `color` becomes `default`, and so does `gray` where
    the source is gray. Raises RegionOutsideImageError, UpscalingError, LimitExceededError, UnsupportedFeatureError, and
    MalformedParameterError for a percentage that leaves less than a pixel.
    """
    capabilities.require_format(request.format)
    capabilities.require_quality(request.quality, request.api_version)
    _require_rotation(request.rotation, capabilities)
    if (feature := REGION_FEATURES.get(type(request.region))) is not None:
        capabilities.require(feature, what="This form of the region")
    region = resolve_region(request.region, full)
    size = _resolve_size(request.size, region.size, capabilities, request.api_version)
    quality = _resolve_quality(request.quality, is_grayscale=is_grayscale)
    return ResolvedRequest(region, size, request.rotation, quality, request.format, capabilities.limits)


def _resolve_quality(quality: Quality, *, is_grayscale: bool) -> Quality:
    if quality is Quality.COLOR or (quality is Quality.GRAY and is_grayscale):
        return Quality.DEFAULT
    return quality


def _require_rotation(rotation: Rotation, capabilities: Capabilities) -> None:
    if rotation.mirrored:
        capabilities.require(Feature.MIRRORING, what="Mirroring")
    if rotation.is_right_angle:
        capabilities.require(Feature.ROTATION_BY_90S, Feature.ROTATION_ARBITRARY, what="Rotation by 90, 180 or 270")
    elif rotation.degrees != 0:
        capabilities.require(Feature.ROTATION_ARBITRARY, what="Rotation by any angle")


def _resolve_size(parameter: SizeParameter, region: Size, capabilities: Capabilities, api_version: ApiVersion) -> Size:
    """Image API 3.0 §4.2, 2.1 §4.2. `max` and `!w,h` are fitted to the limits, all others must keep them."""
    may_enlarge = parameter.upscaled or (api_version is ApiVersion.V2 and capabilities.can_upscale(api_version))
    size = _requested_size(parameter, region, capabilities.limits, may_enlarge=may_enlarge)
    _require_size_form(parameter, size, region, capabilities, api_version)
    if api_version is ApiVersion.V3 and not parameter.upscaled:
        _refuse_larger(parameter, size, region)
    elif _is_larger(size, region) and not capabilities.can_upscale(api_version):
        raise UnsupportedFeatureError(
            f"Sizes larger than the region, which is {region.width} x {region.height} pixels here, are not "
            f"supported by this server ({UPSCALING_FEATURE[api_version]})."
        )
    capabilities.limits.check(size)
    return size


def _refuse_larger(parameter: SizeParameter, size: Size, region: Size) -> None:
    """3.0 §4.2: without `^` no side is larger than the region's, and no percentage over 100, however it is rounded."""
    if _is_larger(size, region) or parameter.percent > 100:
        raise UpscalingError(
            f"The size {size.width},{size.height} is larger than the region, which is {region.width} x "
            f"{region.height} pixels here; a size that starts with ^ may be larger."
        )


def _requested_size(parameter: SizeParameter, region: Size, limits: Limits, *, may_enlarge: bool) -> Size:
    match parameter.form:
        case SizeForm.FULL:
            return region
        case SizeForm.MAX:
            return fit(region, None if parameter.upscaled else region, limits)
        case SizeForm.CONFINED:
            box = Size(parameter.width, parameter.height)
            return fit(region, box if may_enlarge else _intersection(box, region), limits)
        case SizeForm.BY_WIDTH:
            return scale_to_width(region, parameter.width)
        case SizeForm.BY_HEIGHT:
            return scale_to_height(region, parameter.height)
        case SizeForm.BY_PERCENT:
            return _scale_by_percent(parameter, region)
        case SizeForm.BY_WIDTH_HEIGHT:
            return Size(parameter.width, parameter.height)


def _scale_by_percent(parameter: SizeParameter, region: Size) -> Size:
    width = parameter.percent * region.width / 100
    height = parameter.percent * region.height / 100
    if width < 1 or height < 1:
        raise MalformedParameterError(
            f"The size leaves less than one pixel of the region, which is {region.width} x {region.height} pixels here."
        )
    return Size(round_half_up(width), round_half_up(height))


def _intersection(first: Size, second: Size) -> Size:
    return Size(min(first.width, second.width), min(first.height, second.height))


def _is_larger(size: Size, region: Size) -> bool:
    return size.width > region.width or size.height > region.height


def _require_size_form(
    parameter: SizeParameter,
    size: Size,
    region: Size,
    capabilities: Capabilities,
    api_version: ApiVersion,
) -> None:
    what = f"A size of the form {parameter.form}"
    if parameter.form is SizeForm.BY_WIDTH_HEIGHT:
        capabilities.require(*_width_height_features(size, region, api_version), what=what)
    elif (feature := _SIZE_FEATURES.get(parameter.form)) is not None:
        capabilities.require(feature, what=what)


def _width_height_features(size: Size, region: Size, api_version: ApiVersion) -> tuple[Feature, ...]:
    """2.1 §5.3 has two features for `w,h`: with the region's aspect ratio and without; 3.0 has one for both."""
    if api_version is ApiVersion.V3:
        return (Feature.SIZE_BY_WH,)
    if size in {scale_to_width(region, size.width), scale_to_height(region, size.height)}:
        return (Feature.SIZE_BY_WH, Feature.SIZE_BY_DISTORTED_WH)
    return (Feature.SIZE_BY_DISTORTED_WH,)
