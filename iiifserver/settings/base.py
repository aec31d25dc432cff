"""Settings that hold everywhere; the other settings files only override.

Settings of the image server itself begin with IIIF_, or DECODE_ for decoder processes;
docs/configuration.md explains each.
"""

import os
from typing import Any

import django_stubs_ext

from iiifserver import env

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
]

MIDDLEWARE = [
    "iiifserver.middleware.TrustedProxyMiddleware",
    "iiifserver.middleware.IIIFMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "iiifserver.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
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

DATABASES: dict[str, Any] = {"default": {**env.database(), "CONN_MAX_AGE": 60}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }

CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.REDIS_URL,
        "OPTIONS": {"socket_timeout": 0.1, "socket_connect_timeout": 0.1},
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
}
MEDIA_ROOT = IIIF_DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"

# --- Celery -----------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.REDIS_URL or "filesystem://localhost"
CELERY_BROKER_FOLDER = IIIF_DATA_DIR / "broker"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"visibility_timeout": 3600, "socket_timeout": 5, "socket_connect_timeout": 2}
    if env.REDIS_URL
    else {
        "data_folder_in": str(CELERY_BROKER_FOLDER / "queue"),
        "data_folder_out": str(CELERY_BROKER_FOLDER / "queue"),
        "control_folder": str(CELERY_BROKER_FOLDER / "control"),
        "polling_interval": 0.3,
    }
)
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TRACK_STARTED = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_TASK_ROUTES = {
    "images.ingest": {"queue": "ingest"},
    "images.refresh": {"queue": "ingest"},
    "images.thumbnails": {"queue": "derivatives"},
    "images.requeue_stalled": {"queue": "caching"},
    "images.sweep_uploads": {"queue": "caching"},
    "caching.*": {"queue": "caching"},
}
CELERY_BEAT_SCHEDULE = {
    "requeue-stalled-images": {"task": "images.requeue_stalled", "schedule": 60.0},
    "sweep-uploads": {"task": "images.sweep_uploads", "schedule": 86_400.0},
    "sweep-derivatives": {"task": "caching.sweep", "schedule": 600.0},
}

# --- IIIF -------------------------------------------------------------------------------------------------------------
IIIF_BASE_URL = env.IIIF_BASE_URL
IIIF_TRUSTED_PROXIES = env.TRUSTED_PROXIES
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
IIIF_ENCODING: dict[str, Any] = {}  # overrides of images.decoders.encode.EncodeOptions
IIIF_PASS_THROUGH = True  # a request for exactly one stored JPEG tile is answered with it, neither decoded nor encoded
IIIF_INDEX_MEMORY_BYTES = 64 * 2**20  # of each process, for where the tiles of sources lie: 16 bytes a tile

# 10 gigapixels where only the tiles asked for are decoded, 150 megapixels where every request decodes all.
IIIF_SOURCE_MAX_PIXELS_TILED = 10_000_000_000
IIIF_SOURCE_MAX_PIXELS_UNTILED = 150_000_000
IIIF_SOURCE_MAX_BYTES = 20 * 2**30
IIIF_SOURCE_FORMATS = ["tiff", "jpeg", "png", "webp", "gif", "avif", "jp2"]
IIIF_SOURCE_NETWORKS = env.SOURCE_NETWORKS
IIIF_SOURCE_PORTS = [80, 443]
IIIF_SOURCE_CACHE_DIR = IIIF_DATA_DIR / "cache" / "sources"
IIIF_FETCH_SECONDS = 20.0
IIIF_FETCH_MAX_BYTES = 2 * 2**30
IIIF_UPLOAD_MAX_BYTES = 2 * 2**30
IIIF_STALLED_SECONDS = 300  # an image that was pending or processing for longer is queued again
IIIF_INGEST_ATTEMPTS = 3
IIIF_QUARANTINE_DEATHS = 3

IIIF_DERIVATIVE_CACHE = env.IIIF_DERIVATIVE_CACHE
IIIF_DERIVATIVE_CACHE_BYTES = 10 * 2**30
IIIF_DERIVATIVE_CACHE_ENTRIES = 200_000
IIIF_DERIVATIVE_CACHE_ENTRY_BYTES = 128 * 2**20
IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS = 60.0
IIIF_SINGLE_FLIGHT_SECONDS = 45.0
IIIF_SINGLE_FLIGHT_LOCK_FILE = IIIF_DATA_DIR / "cache" / "single-flight.lock"
IIIF_DERIVATIVE_CACHE_BACKEND: dict[str, Any] = {
    "BACKEND": "caching.backends.disk.DiskBackend",
    "OPTIONS": {"root": IIIF_DATA_DIR / "cache" / "derivatives"},
}

# Decoder processes: one per core, shared out over the web workers; half of them may do dear work, tiles keep the rest,
# so there are two at least.
DECODE_ISOLATION = env.DECODE_ISOLATION
DECODE_PROCESSES = max(2, (os.cpu_count() or 1) // max(1, env.WEB_WORKERS))
DECODE_DEAR_PROCESSES = max(1, DECODE_PROCESSES // 2)
DECODE_QUEUE_LENGTH = max(2, env.WEB_THREADS * 3 // 4)
DECODE_QUEUE_SECONDS = 10.0
DECODE_WALL_SECONDS = 30.0
DECODE_CPU_SECONDS = 60
DECODE_MEMORY_BYTES = 2 * 2**30

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
