"""Settings that hold everywhere, those of the API, caches and queues included; development, production, test override.

Settings of the image server itself begin with IIIF_, or DECODE_ for decoder processes;
docs/configuration.md explains each.
"""

import os
from typing import Any

import django_stubs_ext

from iiifserver import env
from iiifserver.settings.api import *  # noqa: F403
from iiifserver.settings.caches import *  # noqa: F403
from iiifserver.settings.queues import *  # noqa: F403

django_stubs_ext.monkeypatch()  # lets ModelForm[Image] and the like stand in code

BASE_DIR = env.BASE_DIR
IIIF_DATA_DIR = env.DATA_DIR

# --- Django -----------------------------------------------------------------------------------------------------------
SECRET_KEY = env.SECRET_KEY
DEBUG = False
ALLOWED_HOSTS = env.ALLOWED_HOSTS
ROOT_URLCONF = "iiifserver.urls"
WSGI_APPLICATION = "iiifserver.wsgi.application"
APPEND_SLASH = False  # an identifier may end in anything
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "images.apps.ImagesConfig",
    "caching.apps.CachingConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_celery_beat",
]

MIDDLEWARE = [
    "iiifserver.middleware.TrustedProxyMiddleware",
    "iiifserver.middleware.IIIFMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "iiifserver.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "iiifserver.middleware.PageLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 2,
    "keepalives_idle": 30,  # a host that is gone is noticed within a minute, however long a query may take
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
DATABASES: dict[str, Any] = {"default": {**env.database(), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "iiifserver.postgresql"
    DATABASES["default"]["OPTIONS"] = {**POSTGRESQL_OPTIONS, **DATABASES["default"].get("OPTIONS", {})}

CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.REDIS_URL,
        "VERSION": 2,  # 1 was pickled: this serializer reads none of it
        "OPTIONS": {
            "socket_timeout": 0.1,
            "socket_connect_timeout": 0.1,
            "serializer": "iiifserver.cache_serializer.JsonSerializer",  # Django's own is pickle
        },
    }
    if env.REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = IIIF_DATA_DIR / "static"
VIEWER_DIR = BASE_DIR / "node_modules" / "openseadragon" / "build" / "openseadragon"
STATICFILES_DIRS: list[Any] = [("openseadragon", VIEWER_DIR)] if VIEWER_DIR.is_dir() else []
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
    "service-copies": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": IIIF_DATA_DIR / "service-copies", "base_url": None},
    },
}
MEDIA_ROOT = IIIF_DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "images.admin.temporary.PatientUploadHandler",
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"

# --- IIIF -------------------------------------------------------------------------------------------------------------
IIIF_BASE_URL = env.IIIF_BASE_URL
IIIF_TRUSTED_PROXIES = env.TRUSTED_PROXIES
_anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(env.HOST, env.HOST)  # noqa: S104 - where not to connect to
IIIF_OWN_ADDRESS = f"http://[{_anywhere}]:{env.PORT}" if ":" in _anywhere else f"http://{_anywhere}:{env.PORT}"
IIIF_DEFAULT_API_VERSION = 3
# Output: 50 megapixels is ten full screens at 4K; a full/max beyond it is fitted, an explicit size refused.
IIIF_MAX_AREA: int | None = 50_000_000
IIIF_MAX_WIDTH: int | None = 16_384
IIIF_MAX_HEIGHT: int | None = None
IIIF_TILE_SIZE = 512  # for sources without usable tiles of their own
IIIF_DISABLED_FEATURES: list[str] = []
IIIF_FORMATS = ["jpg", "png", "webp", "gif", "tif", "avif", "jp2", "pdf"]
IIIF_QUALITIES = ["default", "color", "gray", "bitonal"]
IIIF_STREAM_AREA = 4_000_000  # pixels; larger answers leave while they are being encoded
IIIF_CACHE_CONTROL_IMAGE = "public, max-age=3600"
IIIF_CACHE_CONTROL_INFORMATION = "public, max-age=60"
IIIF_CACHE_CONTROL_ERROR = "public, max-age=5"
IIIF_SERVED_IMAGE_TTL = 1.0  # seconds for which a process may trust what it knows of a record
IIIF_DATABASE_SECONDS = 5.0  # for which the web server waits for an answer of PostgreSQL, which takes milliseconds
IIIF_DATABASE_PAGE_SECONDS = 60.0  # the same for pages, the admin and the API: a proxy waits no longer
IIIF_UNKNOWN_IMAGE_TTL = 1.0  # seconds for which a process trusts that there is no such record
IIIF_ENCODING: dict[str, Any] = {}  # overrides of images.decoders.encode.EncodeOptions
IIIF_PRESENTATION_PAGE_SIZE = 100  # manifests or activities of a page: some 60 KB, and one query
IIIF_MANIFEST_MAX_IMAGES = 1000  # canvases of the manifest of a set: about 1.5 MB, what viewers open without stalling
IIIF_QUERY_MAX_IMAGES = 10_000  # of a set, in manifests of IIIF_MANIFEST_MAX_IMAGES: their order is made in memory
IIIF_QUERIES_PER_MINUTE = 600  # sets looked for anew, from one address
IIIF_PASS_THROUGH = True  # a request for exactly one stored JPEG tile is answered with it, neither decoded nor encoded
IIIF_JP2_INDEX = True  # regions of JPEG 2000 files from the packets that they need; False decodes from the file
IIIF_TIFF_PIECES = True  # regions of TIFF files from the tiles or strips that they touch; False decodes from the file
IIIF_METATILE_SIZE = 1024  # pixels a side of what is decoded at a time where neighbours are asked for; 0: tile by tile
IIIF_KEPT_LEVEL_SIZE = 512  # pixels a side up to which levels are decoded once, at ingest, and kept; 0: none
IIIF_THUMBNAIL_SIZES = [
    100,
    200,
    400,
    1024,
]  # sides of boxes in pixels; the largest is kept without loss, for all others
IIIF_THUMBNAIL_UPSCALE_THRESHOLD = 0  # per cent by which a thumbnail may be enlarged rather than the source opened
IIIF_LAYER_POLICY = "all"  # or "reduced": fewer quality layers of lossy JPEG 2000 at reduced sizes
IIIF_INDEX_MEMORY_BYTES = 64 * 2**20  # of each process, for where the tiles of sources lie: 16 bytes a tile

# 10 gigapixels where only the tiles asked for are decoded, 150 megapixels where every request decodes all.
IIIF_SOURCE_MAX_PIXELS_TILED = 10_000_000_000
IIIF_SOURCE_MAX_PIXELS_UNTILED = 150_000_000
IIIF_SOURCE_MAX_BYTES = 20 * 2**30
IIIF_SOURCE_FORMATS = ["tiff", "jpeg", "png", "webp", "gif", "avif", "jp2"]
IIIF_SOURCE_NETWORKS = env.SOURCE_NETWORKS
IIIF_SOURCE_PORTS = [80, 443]
IIIF_FETCH_SECONDS = 20.0
IIIF_FETCH_MAX_BYTES = 2 * 2**30
# Object storage answers within some 100 ms; twenty times that is a fault, and is tried again while somebody waits.
IIIF_STORE_CONNECT_SECONDS = 2.0
IIIF_STORE_READ_SECONDS = 5.0
IIIF_STORE_RETRIES = 3
IIIF_STORE_RETRY_SECONDS = 10.0
IIIF_FLICKR_API = "https://api.flickr.com/services/rest/"
# Stores that register by themselves: how long a first request waits, how many are looked for, how long none is not.
IIIF_SELF_REGISTRATION_SECONDS = 10.0
IIIF_SELF_REGISTRATION_PER_MINUTE = 600  # of each store, by each process
IIIF_SELF_REGISTRATION_MISSING_SECONDS = 5.0
IIIF_UPLOAD_MAX_BYTES = 2 * 2**30
IIIF_EVENTS_SECRET = env.IIIF_EVENTS_SECRET
IIIF_STALLED_SECONDS = 300  # an image that was pending or processing for longer is queued again
IIIF_INGEST_ATTEMPTS = 3
IIIF_REFRESH_AT_ONCE = 200  # sources of a store that are looked at in a minute: some three questions a second
IIIF_QUARANTINE_DEATHS = 3

# Service copies: quality 90 keeps the full chrominance, so that little is lost where a copy is encoded once more.
IIIF_SERVICE_COPY_STORAGE = "service-copies"  # an alias of STORAGES
IIIF_SERVICE_COPY_QUALITY = 90
IIIF_SERVICE_COPY_USE = (
    "reduced"  # tiles: only stored tiles; reduced: and what is half as large or less; lossy: all JPEG
)
IIIF_SERVICE_COPY_SECONDS = 3600  # processor time and longest duration of making one: ten gigapixels take half of it

# Who may read /metrics: it names stores, and says how much is asked of the server. /debug/vars is for staff.
IIIF_METRICS_NETWORKS = env.METRICS_NETWORKS

# Decoder processes: one per core, shared out over the web workers; half of them may do dear work, tiles keep the rest,
# so there are two at least.
DECODE_ISOLATION = env.DECODE_ISOLATION
DECODE_PROCESSES = max(2, (os.cpu_count() or 1) // max(1, env.WEB_WORKERS))
DECODE_DEAR_PROCESSES = max(1, DECODE_PROCESSES // 2)
DECODE_QUEUE_LENGTH = max(2, env.WEB_THREADS * 3 // 4)
DECODE_QUEUE_SECONDS = 10.0
DECODE_WALL_SECONDS = 30.0
DECODE_CPU_SECONDS = 60
DECODE_MEMORY_BYTES = 5 * 2**29  # 2.5 GiB: a window of HTJ2K of 16384 × 8192 pixels in three colours takes 1.8

# --- Logging ----------------------------------------------------------------------------------------------------------
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"()": "iiifserver.logs.console_formatter"},
        "json": {"()": "iiifserver.logs.json_formatter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": env.LOG_FORMAT},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "kombu": {"level": "WARNING"},
        "pyvips": {"level": "WARNING"},
        "celery.utils.functional": {"level": "WARNING"},
    },
}
