"""The server decodes nothing itself, so it loads none of the libraries that do."""

import os
import subprocess
import sys

_LIBRARIES = ("pyvips", "numpy", "PIL", "glymur")
_LOADED = f"""
import django, sys
django.setup()
import images.services.rendering, images.services.seeding
print([name for name in {_LIBRARIES!r} if name in sys.modules])
"""


def test_no_decoding_library_is_loaded_by_the_server() -> None:
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", "iiifserver.settings.test")
    done = subprocess.run(
        [sys.executable, "-c", _LOADED],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": settings},
    )
    assert done.stdout.strip() == "[]"
