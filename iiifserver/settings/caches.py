"""What is kept, where, and how much of it: derivatives, sources, what a web server in front sends, what nodes share."""

from typing import Any

from iiifserver import env

# --- Derivatives ------------------------------------------------------------------------------------------------------
IIIF_DERIVATIVE_CACHE = env.IIIF_DERIVATIVE_CACHE
IIIF_DERIVATIVE_CACHE_BYTES = 10 * 2**30
IIIF_DERIVATIVE_CACHE_ENTRIES = 200_000
IIIF_DERIVATIVE_CACHE_ENTRY_BYTES = 128 * 2**20
IIIF_DERIVATIVE_CACHE_MEMORY_BYTES = 64 * 2**20  # of each process: some 3,000 tiles, what a few viewers look at
IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS = 60.0
IIIF_DERIVATIVE_CACHE_IMAGE_SHARE = 0.05
IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS = 3600.0  # for regions and sizes that nobody advertises; 0: kept at once
IIIF_DERIVATIVE_CACHE_TIERS: list[dict[str, Any]] = []  # nearest first; empty: the one backend below
IIIF_DERIVATIVE_CACHE_TIER_QUEUE = 1000
IIIF_SINGLE_FLIGHT_SECONDS = 45.0
IIIF_SINGLE_FLIGHT_LOCK_FILE = env.DATA_DIR / "cache" / "single-flight.lock"
IIIF_DERIVATIVE_CACHE_BACKEND: dict[str, Any] = {
    "BACKEND": "caching.backends.disk.DiskBackend",
    "OPTIONS": {"root": env.DATA_DIR / "cache" / "derivatives"},
}
IIIF_STATISTICS_DIR = env.DATA_DIR / "cache" / "statistics"  # where the processes of this host count what they do

# --- Sources, and the patience with their stores ----------------------------------------------------------------------
IIIF_SOURCE_CACHE_DIR = env.DATA_DIR / "cache" / "sources"
IIIF_SOURCE_CACHE_BYTES = 20 * 2**30  # some hundred large sources
IIIF_SOURCE_CACHE_ENTRIES = 20_000
IIIF_SOURCE_CACHE_TTL = 30 * 86_400
IIIF_SOURCE_CACHE_FILLS = 4
IIIF_SOURCE_MEMORY_BYTES = 256 * 2**20
IIIF_SOURCE_FAILURE_TTL = 5.0
IIIF_SOURCE_WAITING = max(1, env.WEB_THREADS // 2)  # the other half answers for everything else while one store hangs
IIIF_SOURCE_WAITING_TOTAL = max(1, env.WEB_THREADS * 7 // 8)  # the rest answers for what is here, whatever hangs
IIIF_SOURCE_TIMEOUTS = 3
IIIF_SOURCE_REST_SECONDS = 5.0
IIIF_BLOCK_CACHE_MEMORY_BYTES = 64 * 2**20
IIIF_BLOCK_CACHE_DISK_BYTES = 4 * 2**30
IIIF_BLOCK_CACHE_ENTRIES = 100_000

# --- What a web server in front sends ---------------------------------------------------------------------------------
# By itself (deploy/nginx.conf): "published" writes kept tiles as plain files, too;
# "accel" has it send the bodies of large answers that this server has looked at (X-Accel-Redirect).
IIIF_OFFLOAD = env.IIIF_OFFLOAD
IIIF_OFFLOAD_ACCEL_BYTES = 256 * 2**10  # a shorter body leaves at once, and a second file of it would gain nothing
IIIF_OFFLOAD_DIR = env.DATA_DIR / "cache" / "offload"
IIIF_OFFLOAD_BYTES = 10 * 2**30  # as the cache itself
IIIF_OFFLOAD_ENTRIES = 200_000
IIIF_OFFLOAD_SECONDS = 10.0  # after which an image passes by here once, so that no change stays unseen

# --- What nodes share -------------------------------------------------------------------------------------------------
# The Redis server: for news of changes, locks, and what a tier of the cache keeps there. Nothing
# waits for it longer than a tile takes.
IIIF_REDIS_URL = env.REDIS_URL
IIIF_REDIS_NAMESPACE = "iiif"
IIIF_REDIS_SECONDS = 0.1
IIIF_REDIS_FAILURES = 3
IIIF_REDIS_REST_SECONDS = 5.0
IIIF_LAST_KNOWN_SECONDS = 86_400  # for which Redis keeps records and indexes, for when the database is down
