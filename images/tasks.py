"""Celery tasks: one-line callers of services. They take ids, are idempotent, and start on commit (images.queue).

Which errors are worth another try says images.retries.
"""

from functools import partial

from celery import shared_task

from images import queue
from images.retries import RetryingTask
from images.services import (
    batches,
    copy_files,
    copy_policy,
    ingest,
    ingest_sweeps,
    invalidation,
    job_running,
    offload,
    registration,
    seeding,
    service_copies,
    thumbnails,
)

task = partial(shared_task, base=RetryingTask)


@task(name="images.ingest")
def ingest_task(image_id: int) -> None:
    ingest.image_ingest(image_id)


@task(name="images.refresh")
def refresh_task(image_id: int) -> None:
    ingest.image_refresh(image_id)


@task(name="images.thumbnails")
def thumbnails_task(image_id: int) -> None:
    thumbnails.image_make_thumbnails(image_id)


@task(name="images.service_copy_make")
def service_copy_make_task(image_id: int) -> None:
    service_copies.service_copy_make(image_id)


@task(name="images.service_copy_settle")
def service_copy_settle_task(image_id: int) -> None:
    copy_policy.copy_settle(image_id)


@task(name="images.service_copy_settle_collection")
def service_copy_settle_collection_task(collection_id: int) -> None:
    copy_policy.collection_settle_copies(collection_id)


@task(name="images.service_copy_remake")
def service_copy_remake_task(image_id: int, name: str) -> None:
    copy_policy.copy_remake(image_id, name)


@task(name="images.service_copy_remove")
def service_copy_remove_task(image_id: int) -> None:
    copy_policy.copy_remove(image_id)


@task(name="images.service_copy_discard")
def service_copy_discard_task(storage: str, name: str) -> None:
    copy_files.copy_discard(storage, name)


@task(name="images.service_copies_sweep")
def service_copies_sweep_task() -> None:
    service_copies.service_copies_sweep()


@task(name="images.seed")
def seed_task(
    image_id: int, scale_factors: str = "", output_format: str = "jpg", quality: str = "default", refresh: str = ""
) -> None:
    seeding.image_seed_by_id(
        image_id, scale_factors=scale_factors, output_format=output_format, quality=quality, refresh=bool(refresh)
    )


@task(name="images.sweep_uploads")
def sweep_uploads_task() -> None:
    registration.uploads_sweep()


@task(name="images.requeue_stalled")
def requeue_stalled_task() -> None:
    ingest_sweeps.images_requeue_stalled()


@task(name="images.job")
def job_task(job_id: int) -> None:
    job_running.job_run(job_id)


@task(name="images.refresh_due")
def refresh_due_task() -> None:
    ingest_sweeps.images_refresh_due()


@task(name="images.jobs_requeue")
def jobs_requeue_task() -> None:
    job_running.jobs_requeue_stalled()


@task(name="images.jobs_remove_old")
def jobs_remove_old_task() -> None:
    job_running.jobs_remove_old()


@task(name="images.publish_outbox")
def publish_outbox_task() -> None:
    queue.publish_waiting()


@task(name="images.discard_derivatives")
def discard_derivatives_task(uuid: str, before_version: int) -> None:
    invalidation.derivatives_discard(uuid, before_version)


@task(name="images.batch")
def batch_task(batch_id: str) -> None:
    batches.batch_run(batch_id)


@task(name="images.batches_resume")
def batches_resume_task() -> None:
    batches.batches_resume()


@task(name="images.sweep_offload")
def sweep_offload_task() -> None:
    offload.offload_sweep()
