"""Tests: a data directory for each process that runs some, decoders in threads unless a test asks for the pool."""

import atexit
import importlib
import os
import shutil
import tempfile
from pathlib import Path

from iiifserver import env

if not os.environ.get("IIIF_DATA_DIR"):
    os.environ["IIIF_DATA_DIR"] = tempfile.mkdtemp(prefix="iiifserver-test-")
    atexit.register(shutil.rmtree, os.environ["IIIF_DATA_DIR"], ignore_errors=True)
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if _WORKER and Path(os.environ["IIIF_DATA_DIR"]).name != _WORKER:  # a process that a worker starts has it already
    os.environ["IIIF_DATA_DIR"] += f"/{_WORKER}"  # a test that empties the cache harms none beside it
importlib.reload(env)  # which has read the environment when the package was imported

from iiifserver.settings.base import *  # noqa: E402, F403

SECRET_KEY = "only-for-tests-" + "x" * 40
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": env.DATA_DIR / "test.sqlite3"}  # noqa: F405
"""A file, since in memory a thread that writes makes others fail at once: table locks know no waiting."""
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
DECODE_ISOLATION = os.environ.get("DECODE_ISOLATION", "thread")
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
IIIF_SERVED_IMAGE_TTL = 0.0
IIIF_UNKNOWN_IMAGE_TTL = 0.0
IIIF_REDIS_SECONDS = 1.0  # a machine that runs tests is busy
STATIC_ROOT = env.DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns where it is not there
