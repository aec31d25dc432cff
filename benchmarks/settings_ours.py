"""As it comes, with tiles of 256 as the peers have them."""

from benchmarks.settings_common import *  # noqa: F403
