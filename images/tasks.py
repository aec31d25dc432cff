"""Celery tasks: one-line callers of services. They take ids, are idempotent, and start on commit (images.queue)."""

from celery import shared_task

from images.services import ingest, registration, thumbnails


@shared_task(
    name="images.ingest",
    autoretry_for=(ingest.IngestRetryError,),
    retry_backoff=5,
    retry_jitter=True,
    max_retries=10,
)
def ingest_task(image_id: int) -> None:
    ingest.image_ingest(image_id)


@shared_task(
    name="images.refresh",
    autoretry_for=(ingest.IngestRetryError,),
    retry_backoff=5,
    retry_jitter=True,
    max_retries=10,
)
def refresh_task(image_id: int) -> None:
    ingest.image_refresh(image_id)


@shared_task(name="images.thumbnails")
def thumbnails_task(image_id: int) -> None:
    thumbnails.image_make_thumbnails(image_id)


@shared_task(name="images.sweep_uploads")
def sweep_uploads_task() -> None:
    registration.uploads_sweep()


@shared_task(name="images.requeue_stalled")
def requeue_stalled_task() -> None:
    ingest.images_requeue_stalled()
