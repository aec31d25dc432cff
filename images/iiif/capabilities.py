"""What this server answers: features, qualities and formats that are switched on, and the limits of size."""

from dataclasses import dataclass, field

from images.iiif.errors import UnsupportedFeatureError
from images.iiif.features import FEATURES, UPSCALING_FEATURE, Feature
from images.iiif.levels import LEVELS, Level
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.version import ApiVersion


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What isn't in here is answered with UnsupportedFeatureError and isn't named in info.json.

    `jpg` and `default` belong to every level; without them, or with a default format that isn't switched on, ValueError
    is raised. `default_format` is the one for thumbnails and links.
    """

    features: frozenset[Feature]
    qualities: frozenset[Quality]
    formats: frozenset[OutputFormat]
    limits: Limits = field(default_factory=Limits)
    default_format: OutputFormat = OutputFormat.JPG

    def __post_init__(self) -> None:
        if OutputFormat.JPG not in self.formats:
            raise ValueError("the format jpg cannot be switched off: every compliance level has it")
        if Quality.DEFAULT not in self.qualities:
            raise ValueError("the quality default cannot be switched off: every level has it")
        if self.default_format not in self.formats:
            raise ValueError(f"the default format {self.default_format} is switched off")

    @classmethod
    def everything(cls, limits: Limits | None = None) -> "Capabilities":
        return cls(frozenset(Feature), frozenset(Quality), frozenset(OutputFormat), limits or Limits())

    def supported_features(self, api_version: ApiVersion) -> frozenset[Feature]:
        """The features that work and that this version has a name for.

        Upscaling works only under a limit: 3.0 §5.7 demands a published one, and without it one request could ask for
        an image of any size.
        """
        features = self.features & FEATURES[api_version]
        if not self.limits.bounds_upscaling:
            features -= {UPSCALING_FEATURE[api_version]}
        return features

    def can_upscale(self, api_version: ApiVersion) -> bool:
        return UPSCALING_FEATURE[api_version] in self.supported_features(api_version)

    def level(self, api_version: ApiVersion) -> int:
        """The highest compliance level whose requirements are all met: 0, 1 or 2."""
        met = [number for number, level in enumerate(LEVELS[api_version]) if self._meets(level, api_version)]
        return max(met)

    def _meets(self, level: Level, api_version: ApiVersion) -> bool:
        return (
            level.features <= self.supported_features(api_version)
            and level.qualities <= self.qualities
            and level.formats <= self.formats
        )

    def require(self, *alternatives: Feature, what: str) -> None:
        """Raise UnsupportedFeatureError, saying `what` isn't supported, unless one of the features is switched on."""
        if not self.features.intersection(alternatives):
            names = " or ".join(alternatives)
            raise UnsupportedFeatureError(f"{what} is not supported by this server ({names}).")

    def has_quality(self, quality: Quality, api_version: ApiVersion) -> bool:
        """In 3.0 `color` never fails, even where it isn't listed (§4.4: MUST NOT result in an error)."""
        return quality in self.qualities or (quality is Quality.COLOR and api_version is ApiVersion.V3)

    def require_quality(self, quality: Quality, api_version: ApiVersion) -> None:
        if not self.has_quality(quality, api_version):
            raise UnsupportedFeatureError(f"The quality {quality} is not supported by this server.")

    def require_format(self, output_format: OutputFormat) -> None:
        if output_format not in self.formats:
            raise UnsupportedFeatureError(f"The format {output_format} is not supported by this server.")
