"""As it comes, with tiles of 256 as the peers have them; sources in object storage beside those on the disk."""

from benchmarks.settings_common import *  # noqa: F403
