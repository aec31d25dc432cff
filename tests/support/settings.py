"""The embedded settings with what a test overrides: JSON in IIIF_TEST_SETTINGS, for servers as processes."""

import json
import os

from iiifserver.settings.development import *  # noqa: F403

globals().update(json.loads(os.environ.get("IIIF_TEST_SETTINGS", "{}")))
