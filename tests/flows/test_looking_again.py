"""Sources that are looked at by age, and images that are looked at no more because they end decoders."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from images.decoders.errors import DecoderDiedError
from images.models import Image, OutboxEntry, Store
from images.selectors.images import forget_served_image
from images.services import producing
from images.services.ingest import image_refresh
from images.services.ingest_sweeps import images_refresh_due
from tests.flows.conftest import Ingest, gradient, png_bytes

pytestmark = pytest.mark.django_db


def waiting() -> list[int]:
    return [entry.arguments[0] for entry in OutboxEntry.objects.filter(task="images.refresh").order_by("pk")]


def test_the_longest_unseen_are_looked_at_first_and_so_many_at_a_time(ingest: Ingest, settings: Any) -> None:
    settings.IIIF_REFRESH_AT_ONCE = 2
    images = [ingest(png_bytes(gradient(40, 30)), f"{number}.png", f"n{number}") for number in range(4)]
    assert images_refresh_due() == 0  # no store says that it goes out of date
    Store.objects.update(freshness_seconds=60)
    old = timezone.now() - timedelta(seconds=100)
    for number, image in enumerate(images[:3]):
        Image.objects.filter(pk=image.pk).update(checked=old + timedelta(seconds=number))
    Image.objects.filter(pk=images[3].pk).update(checked=timezone.now())
    assert images_refresh_due() == 2
    assert waiting() == [images[0].pk, images[1].pk]
    assert images_refresh_due() == 1
    assert images_refresh_due() == 0
    assert waiting() == [image.pk for image in images[:3]]


def test_a_look_is_noted(picture: Image) -> None:
    assert not image_refresh(picture.pk)
    picture.refresh_from_db()
    assert picture.checked is not None


def test_a_poisonous_image_ends_three_decoders_at_most(
    client: Client, picture: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = []

    class Dying:
        def run(self, job: dict[str, Any], *_args: Any, **_kwargs: Any) -> None:
            deaths.append(1 if job.get("once") else 2)
            raise DecoderDiedError("It died.")

    monkeypatch.setattr(producing, "get_runner", Dying)
    statuses = [client.get(f"/iiif/3/picture/0,0,300,200/{200 + n},/0/default.png").status_code for n in range(20)]
    assert statuses == [503] * 2 + [404] * 18
    assert sum(deaths) == 3
    picture.refresh_from_db()
    assert (picture.error_code, picture.decoder_deaths) == ("quarantined", 3)


def test_quarantine_ends_with_another_source_only(picture: Image) -> None:
    Image.objects.filter(pk=picture.pk).update(state="failed", error_code="quarantined")
    assert not image_refresh(picture.pk)
    picture.refresh_from_db()
    assert picture.error_code == "quarantined"
    assert picture.store is not None
    path = Path(picture.store.root) / picture.key
    path.with_name("new").write_bytes(png_bytes(gradient(50, 30)))
    path.with_name("new").rename(path)
    assert image_refresh(picture.pk)
    forget_served_image("picture")
    picture.refresh_from_db()
    assert (picture.state, picture.error_code, picture.width) == ("ready", "", 50)
