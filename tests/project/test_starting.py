import pytest
from django.core.exceptions import ImproperlyConfigured

from iiifserver.starting import refuse_wrong_settings


def test_the_shipped_settings_start() -> None:
    refuse_wrong_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("IIIF_TILE_SIZE", 0), ("IIIF_METATILE_SIZE", -1), ("IIIF_DERIVATIVE_CACHE", "perhaps"), ("DECODE_PROCESSES", 0)],
)
def test_a_wrong_setting_is_named(settings: object, name: str, value: object) -> None:
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        refuse_wrong_settings()
