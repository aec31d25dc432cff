"""What a profile comes to, before it is saved: both info.json of an example, the levels, and what to think of."""

from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from images.conf import conf
from images.iiif.advice import find_warnings
from images.iiif.extras import parse_extras
from images.iiif.geometry import Size
from images.iiif.information import ImageInformation, build
from images.iiif.tiles import level_sizes, tile_set
from images.iiif.version import ApiVersion
from images.models import Profile
from images.selectors.profiles import served_profile

EXAMPLE = Size(12_000, 9_000)


@dataclass(frozen=True, slots=True)
class ProfilePreview:
    """`documents` and `levels` by API version, "2" and "3"; `warnings` are sentences."""

    documents: dict[str, dict[str, Any]]
    levels: dict[str, int]
    warnings: tuple[str, ...]


def profile_preview(profile: Profile, root: str) -> ProfilePreview:
    """Of an image of 108 megapixels under the profile, whose fields are valid; `root` begins every address."""
    served = served_profile(profile)
    capabilities = served.capabilities
    side = served.tile_size or conf.tile_size
    tiles = tile_set(EXAMPLE, Size(side, side), capabilities.limits)
    information = ImageInformation(
        uri="",
        full=EXAMPLE,
        sizes=level_sizes(EXAMPLE, tiles.scale_factors, capabilities.limits),
        tiles=(tiles,),
        capabilities=capabilities,
        rights=served.rights,
        attribution=served.attribution,
    )
    information = parse_extras(served.information).add_to(information)
    return ProfilePreview(
        documents={
            str(int(version)): build(replace(information, uri=f"{root}/iiif/{int(version)}/example"), version)
            for version in ApiVersion
        },
        levels={str(int(version)): capabilities.level(version) for version in ApiVersion},
        warnings=tuple(_(one.template) % one.facts for one in find_warnings(capabilities, tiles.size)),
    )
