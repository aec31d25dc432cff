import os
import subprocess
import sys
from pathlib import Path

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


def test_pages_and_api_are_there_before_the_first_visitor_also_while_the_database_is_down(tmp_path: Path) -> None:
    names = ("iiifserver.urls", "images.api.urls")
    script = (
        f"import iiifserver.wsgi, os, sys; print(all(name in sys.modules for name in {names}), flush=True); os._exit(0)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "iiifserver.settings.development",
        "IIIF_DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/none",
        "DECODE_ISOLATION": "thread",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr
