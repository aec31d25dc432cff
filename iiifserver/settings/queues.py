"""Celery: the broker, the queues, and which task goes into which."""

from typing import Any

from iiifserver import env

CELERY_BROKER_URL = env.REDIS_URL or "filesystem://localhost"
CELERY_BROKER_FOLDER = env.DATA_DIR / "broker"
REDIS_BROKER_OPTIONS: dict[str, Any] = {
    "visibility_timeout": 3 * 3600,  # longer than any task: what is not finished by then another worker gets as well
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "max_retries": 1,  # a request that enqueues does not wait for the broker's return: the outbox does
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    REDIS_BROKER_OPTIONS
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
    "images.batch": {"queue": "bulk"},
    "images.batches_resume": {"queue": "caching"},
    "images.thumbnails": {"queue": "derivatives"},
    "images.service_copy_*": {"queue": "derivatives"},
    "images.service_copies_sweep": {"queue": "caching"},
    "images.seed": {"queue": "derivatives"},
    "images.job": {"queue": "bulk"},
    "images.jobs_*": {"queue": "caching"},
    "images.refresh_due": {"queue": "caching"},
    "images.publish_outbox": {"queue": "caching"},
    "images.discard_derivatives": {"queue": "caching"},
    "images.requeue_stalled": {"queue": "caching"},
    "images.sweep_uploads": {"queue": "caching"},
    "images.sweep_offload": {"queue": "caching"},
    "caching.*": {"queue": "caching"},
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE: dict[str, Any] = {}  # rows that administrators edit: images/services/schedule.py
CELERY_RESULT_EXPIRES = None  # nothing is kept of results, so beat needs no task that removes them
