"""The embedded default: everything in the data directory, no service needed, reachable from this machine."""

from iiifserver import env
from iiifserver.settings.base import *  # noqa: F403

SECRET_KEY = env.SECRET_KEY or env.generated_secret_key()
ALLOWED_HOSTS = env.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]", env.HOST]
