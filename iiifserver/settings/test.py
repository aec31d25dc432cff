from iiifserver.settings.base import *  # noqa: F403
