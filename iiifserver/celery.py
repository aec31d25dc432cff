"""The Celery application; its settings are Django's, prefixed CELERY_."""

from celery import Celery
from celery.signals import setup_logging, worker_ready

from iiifserver import env

env.select_settings()

app = Celery("iiifserver")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_django_logging(**_kwargs: object) -> None:
    """Celery would otherwise replace the handlers that Django has configured."""


@worker_ready.connect
def send_what_waits(**_kwargs: object) -> None:
    """What was committed while there was no broker need not wait for beat."""
    app.send_task("images.publish_outbox")
