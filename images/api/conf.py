"""Typed reading of the settings of REST alone; each has a system check in `images.checks`."""

from collections.abc import Mapping

from django.conf import settings


class ApiConf:
    """One property a setting."""

    @property
    def page_size(self) -> int:
        return int(settings.IIIF_API_PAGE_SIZE)

    @property
    def max_page_size(self) -> int:
        return int(settings.IIIF_API_MAX_PAGE_SIZE)

    @property
    def requires_if_match(self) -> bool:
        return bool(settings.IIIF_API_REQUIRE_IF_MATCH)

    @property
    def rates(self) -> Mapping[str, str]:
        rates: Mapping[str, str] = settings.IIIF_API_RATES
        return rates


api_conf = ApiConf()
