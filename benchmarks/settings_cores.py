"""As it comes; `benchmarks.ours` starts it with one web process a core."""

from benchmarks.settings_common import *  # noqa: F403
