"""What each compliance level requires (3.0 compliance document and level0-2.json, 2.1 the same).

Where the table of 3.0 and its level1.json differ (`w,h` at level 1), the stricter one is taken.
"""

from dataclasses import dataclass

from images.iiif.features import Feature
from images.iiif.output import OutputFormat, Quality
from images.iiif.version import ApiVersion


@dataclass(frozen=True, slots=True)
class Level:
    """All that a level requires, what the levels below it require included."""

    features: frozenset[Feature]
    qualities: frozenset[Quality]
    formats: frozenset[OutputFormat]


_HTTP = frozenset({Feature.BASE_URI_REDIRECT, Feature.CORS, Feature.JSONLD_MEDIA_TYPE})
_BASIC = _HTTP | {Feature.REGION_BY_PX, Feature.SIZE_BY_W, Feature.SIZE_BY_H}
_LEVEL_1_OF_V2 = _BASIC | {Feature.SIZE_BY_PCT}
_LEVEL_1_OF_V3 = _BASIC | {Feature.REGION_SQUARE, Feature.SIZE_BY_WH}
_LEVEL_2_OF_BOTH = frozenset(
    {
        Feature.REGION_BY_PCT,
        Feature.ROTATION_BY_90S,
        Feature.SIZE_BY_CONFINED_WH,
        Feature.SIZE_BY_PCT,
        Feature.SIZE_BY_WH,
    }
)
_DEFAULT = frozenset({Quality.DEFAULT})
_JPG = frozenset({OutputFormat.JPG})
_JPG_PNG = frozenset({OutputFormat.JPG, OutputFormat.PNG})

LEVELS: dict[ApiVersion, tuple[Level, Level, Level]] = {
    ApiVersion.V2: (
        Level(frozenset(), _DEFAULT, _JPG),
        Level(_LEVEL_1_OF_V2, _DEFAULT, _JPG),
        Level(
            _LEVEL_1_OF_V2 | _LEVEL_2_OF_BOTH | {Feature.SIZE_BY_DISTORTED_WH},
            frozenset(Quality),
            _JPG_PNG,
        ),
    ),
    ApiVersion.V3: (
        Level(frozenset(), _DEFAULT, _JPG),
        Level(_LEVEL_1_OF_V3, _DEFAULT, _JPG),
        Level(
            _LEVEL_1_OF_V3 | _LEVEL_2_OF_BOTH,
            frozenset({Quality.DEFAULT, Quality.COLOR, Quality.GRAY}),
            _JPG_PNG,
        ),
    ),
}
"""Level 0, 1 and 2 of each version."""
