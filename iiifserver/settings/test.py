"""Tests: a data directory of their own, decoders in threads unless a test asks for the pool."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("IIIF_DATA_DIR", tempfile.mkdtemp(prefix="iiifserver-test-"))

from iiifserver.settings.base import *  # noqa: F403

SECRET_KEY = "only-for-tests-" + "x" * 40
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
IIIF_DATA_DIR = Path(os.environ["IIIF_DATA_DIR"])
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": IIIF_DATA_DIR / "test.sqlite3"}  # noqa: F405
"""A file, since in memory a thread that writes makes others fail at once: table locks know no waiting."""
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
DECODE_ISOLATION = os.environ.get("DECODE_ISOLATION", "thread")
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
IIIF_SERVED_IMAGE_TTL = 0.0
IIIF_UNKNOWN_IMAGE_TTL = 0.0
IIIF_REDIS_SECONDS = 1.0  # a machine that runs tests is busy
STATIC_ROOT = IIIF_DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns where it is not there
