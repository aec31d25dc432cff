"""Thumbnails: whole images at small sizes, answered before any source is opened, in the right pixels."""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from PIL import Image as Pillow

from caching.derivatives import get_derivative_cache
from images.models import Collection, Image, Profile, Store, StoreKind
from images.selectors.images import forget_served_image
from images.services.decoding import get_runner
from images.services.ingest import image_ingest, image_refresh
from images.services.registration import SourceReference, image_register
from images.services.thumbnails import image_make_thumbnails
from tests.flows.conftest import Ingest, png_bytes
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.support.origin import Origin

pytestmark = pytest.mark.django_db(transaction=True)

WHOLE = "/iiif/{version}/picture/full/{size}/{rest}"


def textured(width: int, height: int, seed: int = 1) -> Pillow.Image:
    """Shapes and fine noise: what reducing twice, or a second loss, would show in."""
    y, x = np.mgrid[0:height, 0:width]
    waves = 90 * np.sin(x / 23) * np.cos(y / 31) + 40 * np.sin((x + y) / 7)
    noise = np.random.default_rng(seed).normal(0, 12, (height, width))
    planes = [128 + waves + noise, 128 - waves, 100 + 60 * np.sin(x / 211) + noise]
    return Pillow.fromarray(np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8))


def jpeg_bytes(picture: Pillow.Image, **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, "JPEG", quality=92, **options)
    return out.getvalue()


def sample(kind: str) -> tuple[bytes, str]:
    picture = textured(1600, 1200)
    if kind == "jpeg":
        return jpeg_bytes(picture), "a.jpg"
    if kind == "turned":
        return jpeg_bytes(textured(1200, 1600), exif=_exif(8)), "a.jpg"
    if kind == "tiff":
        return jpeg_tiff(np.asarray(picture), 256, "420", levels=1), "a.tif"
    if kind == "cmyk":
        return jpeg_bytes(picture.convert("CMYK")), "a.jpg"
    if kind == "gray16":
        gray = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        return png_bytes(Pillow.fromarray(gray.astype(np.uint16))), "a.png"
    if kind == "alpha":
        picture.putalpha(Pillow.fromarray(np.asarray(textured(1600, 1200, 5))[:, :, 2]))
    return png_bytes(picture), "a.png"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Sources opened, and jobs of decoders, since the last `clear`."""
    counts: Counter[str] = Counter()
    runner = get_runner()
    run = runner.run

    def running(job: Any, source: Any, **options: Any) -> Any:
        counts[job["kind"]] += 1
        return run(job, source, **options)

    monkeypatch.setattr(runner, "run", running)
    for module in ("producing", "levels", "thumbnail_bases"):
        name = f"images.services.{module}.open_source"
        monkeypatch.setattr(name, _counting(name, counts))
    for module in ("producing", "splicing"):
        name = f"images.services.{module}.keep_source"
        monkeypatch.setattr(name, _counting(name, counts))
    return counts


def _counting(name: str, counts: Counter[str]) -> Any:
    module, _, attribute = name.rpartition(".")
    real = getattr(import_module(module), attribute)

    def opening(*args: Any, **options: Any) -> Any:
        counts["opened"] += 1
        return real(*args, **options)

    return opening


def fetched(client: Client, size: str, rest: str = "0/default.jpg", version: int = 3) -> Any:
    response = client.get(WHOLE.format(version=version, size=size, rest=rest))
    assert response.status_code == 200, response.content
    return response


def pixels(response: Any) -> np.ndarray:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return np.asarray(Pillow.open(BytesIO(body)).convert("RGB")).astype(int)


SIZES = [
    ("!100,100", 3), ("!200,200", 3), ("!400,400", 3), ("!1024,1024", 3), ("1024,", 3), (",300", 3), ("777,", 3),
    ("400,400", 3), ("pct:20", 3), ("500,", 2), (",120", 2), ("!90,90", 2), ("333,250", 2), ("pct:10", 2),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "turned"])
def test_no_source_is_opened_for_a_small_whole_image(
    client: Client, ingest: Ingest, opened: Counter[str], kind: str
) -> None:
    data, name = sample(kind)
    opened.clear()
    ingest(data, name)
    assert (opened["thumbnail"], opened["opened"]) == (1, 1), opened  # one decode for all thumbnails
    opened.clear()
    shapes = [pixels(fetched(client, size, version=version)).shape for size, version in SIZES]
    assert shapes[3] == (768, 1024, 3)
    assert shapes[7] == (400, 400, 3)
    for rest in ("90/default.jpg", "!0/gray.png", "0/bitonal.png", "22.5/default.png", "0/default.webp"):
        fetched(client, "!400,400", rest)
    assert opened["opened"] == opened["thumbnail"] == 0
    fetched(client, "1100,")
    assert opened["opened"] == 1


def _exif(orientation: int) -> Any:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", ["jpeg", "turned", "tiff", "alpha", "gray16", "cmyk"])
@pytest.mark.parametrize("size", ["!100,100", "!1000,1000", "700,200"])
def test_the_pixels_are_those_of_a_direct_decode(
    client: Client, ingest: Ingest, settings: Any, kind: str, size: str
) -> None:
    data, name = sample(kind)
    ingest(data, name)
    ours = pixels(fetched(client, size, "0/default.png"))
    settings.IIIF_THUMBNAIL_SIZES = []
    forget_served_image("picture")
    direct = pixels(fetched(client, size, "0/default.png"))
    assert ours.shape == direct.shape
    difference = np.abs(ours - direct)
    assert difference.mean() <= 2.5, (difference.mean(), difference.max())
    assert np.percentile(difference, 99) <= 8, (difference.mean(), np.percentile(difference, 99))


def test_names_tell_thumbnails_from_direct_decodes(client: Client, ingest: Ingest, settings: Any) -> None:
    ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    ours = fetched(client, "!400,400")["ETag"]
    assert fetched(client, "400,", version=2)["ETag"] == ours
    settings.IIIF_THUMBNAIL_SIZES = []
    assert fetched(client, "!400,400")["ETag"] != ours


def test_a_source_in_an_object_store_is_not_asked(
    client: Client, objects: Origin, opened: Counter[str], settings: Any
) -> None:
    store = Store.objects.create(
        name="objects", kind=StoreKind.S3, root="bucket", options={"endpoint_url": objects.endpoint, "anonymous": True}
    )
    objects.put("bucket/a.tif", jpeg_tiff(np.asarray(textured(1600, 1200)), 256, "420", levels=4))
    objects.put("bucket/small.png", png_bytes(textured(500, 375)))
    for identifier, key in (("picture", "a.tif"), ("small", "small.png")):
        image = image_register(identifier, SourceReference(store=store, key=key), queue=False).image
        image_ingest(image.pk)
        image.refresh_from_db()
        assert image.state == "ready", image.error_detail
    objects.log.clear()
    opened.clear()
    for size, version in SIZES:
        fetched(client, size, version=version)
    # One stored tile of 200 x 150 pixels: a round trip to the store, were it sent as it is.
    fetched(client, "200,150")
    assert client.get("/iiif/3/small/full/max/0/default.jpg").status_code == 200
    assert client.get("/iiif/3/small/full/120,/0/default.jpg").status_code == 200
    assert objects.log.count() == 0
    assert opened["opened"] == 0


def test_small_levels_of_jpeg_2000_stay_what_they_are(client: Client, ingest: Ingest, opened: Counter[str]) -> None:
    out = BytesIO()
    textured(1600, 1200).save(out, "JPEG2000", irreversible=True, quality_layers=[20], num_resolutions=5)
    ingest(out.getvalue(), "a.jp2")
    opened.clear()
    fetched(client, "!300,300")  # from the level of 400 pixels
    fetched(client, "!900,900")  # from the raster
    assert opened["opened"] == 0
    assert opened == {"render": 2}


def test_missing_thumbnails_are_made_again_once(client: Client, ingest: Ingest, opened: Counter[str]) -> None:
    image = ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    get_derivative_cache().discard_image(image.uuid.hex)
    opened.clear()
    for size in ("!100,100", "!400,400", "!1000,1000"):
        fetched(client, size)
    assert (opened["thumbnail"], opened["opened"]) == (1, 1)


def test_a_replaced_source_has_new_thumbnails(client: Client, ingest: Ingest, tmp_path: Any) -> None:
    image = ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    before = fetched(client, "!400,400")
    new = tmp_path / "sources" / "new"
    new.write_bytes(jpeg_bytes(Pillow.new("RGB", (1600, 1200), (200, 30, 40))))
    new.rename(tmp_path / "sources" / "a.jpg")
    image_refresh(image.pk)
    after = fetched(client, "!400,400")
    assert after["ETag"] != before["ETag"]
    assert np.abs(pixels(after) - (200, 30, 40)).max() <= 3


def test_enlarging_is_off_unless_a_threshold_allows_it(
    client: Client, ingest: Ingest, opened: Counter[str], settings: Any
) -> None:
    ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    settings.IIIF_THUMBNAIL_UPSCALE_THRESHOLD = 10
    opened.clear()
    assert pixels(fetched(client, "1100,")).shape == (825, 1100, 3)
    assert opened["opened"] == 0
    fetched(client, "1130,")
    assert opened["opened"] == 1
    settings.IIIF_THUMBNAIL_UPSCALE_THRESHOLD = 0
    fetched(client, "1100,")
    assert opened["opened"] == 2


def test_info_json_lists_thumbnails_beside_the_levels(client: Client, ingest: Ingest, settings: Any) -> None:
    ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    for version in (2, 3):
        sizes = [(s["width"], s["height"]) for s in client.get(f"/iiif/{version}/picture/info.json").json()["sizes"]]
        assert sizes == sorted(sizes)
        assert {(100, 75), (200, 150), (400, 300), (1024, 768), (1600, 1200), (800, 600)} <= set(sizes)
    before = client.get("/iiif/3/picture/info.json")["ETag"]
    settings.IIIF_THUMBNAIL_SIZES = [150]
    after = client.get("/iiif/3/picture/info.json")
    assert after["ETag"] != before
    assert {"width": 150, "height": 113} in after.json()["sizes"]


def test_what_viewers_begin_with_is_kept(client: Client, ingest: Ingest, opened: Counter[str], settings: Any) -> None:
    settings.IIIF_TILE_SIZE = 256
    ingest(jpeg_bytes(textured(1601, 1200)), "a.jpg")
    opened.clear()
    for first in ("full/201,150", "full/201,"):
        client.get(f"/iiif/3/picture/{first}/0/default.jpg").getvalue()
    assert not opened
    client.get("/iiif/3/picture/full/202,150/0/default.jpg").getvalue()
    assert opened["render"] == 1


def test_nothing_is_kept_where_thumbnails_are_switched_off(
    client: Client, ingest: Ingest, opened: Counter[str], settings: Any
) -> None:
    settings.IIIF_THUMBNAIL_SIZES = []
    image = ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    assert image_make_thumbnails(image.pk) == 0
    fetched(client, "!200,200")
    assert opened["thumbnail"] == 0


@pytest.mark.parametrize("holder", ["image", "collection", "default"])
def test_a_profile_has_sizes_of_its_own(
    client: Client, ingest: Ingest, opened: Counter[str], settings: Any, holder: str
) -> None:
    settings.IIIF_THUMBNAIL_SIZES = [100, 700]
    profile = Profile.objects.create(name="posters", thumbnail_sizes=[300, 90, 300], is_default=holder == "default")
    image = ingest(jpeg_bytes(textured(1600, 1200)), "a.jpg")
    image.refresh_from_db()
    if holder == "image":
        image.profile = profile
    elif holder == "collection":
        image.collection = Collection.objects.create(name="posters", profile=profile)
    image.save()
    get_derivative_cache().discard_image(image.uuid.hex)
    assert image_make_thumbnails(image.pk) == 2  # what viewers begin with is larger
    document = client.get("/iiif/3/picture/info.json")
    sizes = {(size["width"], size["height"]) for size in document.json()["sizes"]}
    assert {(90, 68), (300, 225)} <= sizes
    assert not {(100, 75), (700, 525)} & sizes
    opened.clear()
    fetched(client, "!300,300")
    fetched(client, "!100,100", "90/gray.png")
    assert opened["opened"] == 0
    fetched(client, "!700,700")
    assert opened["opened"] == 1
    profile.thumbnail_sizes = []
    profile.save()
    assert client.get("/iiif/3/picture/info.json")["ETag"] != document["ETag"]
    assert image_make_thumbnails(image.pk) == 0


@pytest.mark.parametrize("wrong", ["100", 100, [0], [2049], ["100"], [1.5], [True], {"side": 100}])
def test_sizes_that_are_none_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="whole numbers from 1 to 2048"):
        Profile(name="posters", thumbnail_sizes=wrong).full_clean()


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    Image.objects.all().delete()
    Collection.objects.all().delete()
    Profile.objects.all().delete()
