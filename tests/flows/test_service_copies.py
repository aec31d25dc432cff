"""Service copies from the source to the viewer: what is made, what passes through, what happens when one fails."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client
from PIL import Image as Pillow

from images.decoders.errors import (
    DamagedSourceError,
    DecodeLimitError,
    DecoderDiedError,
    OutputLimitError,
    OverloadedError,
)
from images.iiif.geometry import Size
from images.iiif.tiles import reduced_size, tile_regions, tile_set
from images.models import Collection, Image, ServiceCopy
from images.selectors import indexes
from images.selectors.images import forget_served_image, get_served_image
from images.services import copy_answers, copy_policy, service_copies
from images.services.copy_files import copy_write
from images.services.decoding import get_copier, get_runner
from images.services.ingest import image_refresh
from images.services.invalidation import image_invalidate
from images.services.service_copies import ServiceCopyRetryError, service_copies_sweep, service_copy_make
from images.sources.errors import SourceNotFoundError, SourceUnreachableError
from images.sources.location import Location
from images.sources.registry import open_source
from tests.flows.conftest import Ingest, gradient, png_bytes
from tests.images.indexes.tiff.jpeg import jpeg_tiff

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT, TILE = 1301, 901, 256


@pytest.fixture(autouse=True)
def _nothing_is_remembered(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.STORAGES = {
        **settings.STORAGES,
        "service-copies": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "copies"},
        },
    }
    settings.IIIF_TILE_SIZE = TILE
    indexes._memo.clear()
    copy_answers._given_up.clear()
    copy_answers._wished.clear()
    yield
    copy_answers._given_up.clear()


class Queued(list[tuple[Any, ...]]):
    """Tasks that were queued beside an answer, instead of being sent."""


@pytest.fixture
def aside(monkeypatch: pytest.MonkeyPatch) -> Queued:
    queued = Queued()
    monkeypatch.setattr(copy_answers, "enqueue_aside", lambda *task: queued.append(task))
    return queued


def textured(width: int = WIDTH, height: int = HEIGHT) -> Pillow.Image:
    """A gradient with waves on it: every tile is another one."""
    base = np.asarray(gradient(width, height, 90)).astype(int)
    y, x = np.mgrid[0:height, 0:width]
    waves = (24 * np.sin(x / 9) * np.cos(y / 13)).astype(int)[:, :, None]
    return Pillow.fromarray(np.clip(base + waves, 0, 255).astype(np.uint8))


def encoded(picture: Pillow.Image, kind: str) -> tuple[bytes, str]:
    out = BytesIO()
    match kind:
        case "png":
            return png_bytes(picture), "picture.png"
        case "jpeg":
            picture.save(out, "JPEG", quality=95)
            return out.getvalue(), "picture.jpg"
        case "jp2":
            picture.save(out, "JPEG2000", tile_size=(256, 256))
            return out.getvalue(), "picture.jp2"
        case "turned":
            exif = Pillow.Exif()
            exif[0x0112] = 6
            picture.transpose(Pillow.Transpose.ROTATE_90).save(out, "JPEG", quality=95, exif=exif)
            return out.getvalue(), "picture.jpg"
        case "strips":  # of seven rows, so that the rows of a tile end within one
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("PIL.TiffImagePlugin.STRIP_SIZE", 7 * picture.width * 3)
                picture.save(out, "TIFF", compression="tiff_lzw")
            return out.getvalue(), "picture.tif"
        case "tiff":
            made = pyvips.Image.new_from_array(np.asarray(picture))
            return made.tiffsave_buffer(compression="deflate", tile=True, tile_width=240, tile_height=240), "p.tif"
    raise ValueError(kind)


def make(image: Image) -> ServiceCopy:
    """As "Make service copy" does it; tasks of tests run where they are queued."""
    copy_policy.copy_request(image.pk)
    return ServiceCopy.objects.get(image=image)


def stored_path(copy: ServiceCopy) -> Path:
    return Path(storages[copy.storage].path(copy.name))


def advertised(full: Size) -> Iterator[tuple[int, str, Any, Size]]:
    """Every tile of info.json, at every scale factor: what to ask for, and where it lies."""
    for factor in tile_set(full, Size(TILE, TILE)).scale_factors:
        for region, size in tile_regions(full, Size(TILE, TILE), factor):
            yield factor, f"{region.x},{region.y},{region.width},{region.height}", region, size


def opened(content: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Pillow.open(BytesIO(content)))


def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise AssertionError("something was decoded")

    monkeypatch.setattr("images.services.producing.get_runner", fail)


@pytest.mark.parametrize(
    ("error", "blames"),
    [
        (OutputLimitError("webp holds 25 million pixels"), False),
        (DecodeLimitError("too large", "out_of_memory"), False),
        (OverloadedError("full"), False),
        (DamagedSourceError("a tile is damaged"), True),
        (DecoderDiedError("it ended"), True),
        (SourceNotFoundError("gone", ""), True),
    ],
)
def test_only_what_is_the_copys_fault_gives_it_up(
    ingest: Ingest, monkeypatch: Any, error: Exception, blames: bool
) -> None:
    """Else whoever asks for what no encoder makes could have every copy made anew."""
    queued: list[tuple[object, ...]] = []
    monkeypatch.setattr(copy_answers, "enqueue_aside", lambda *task: queued.append(task))
    copy_answers._given_up.clear()
    make(ingest(*encoded(textured(), "png")))
    forget_served_image("picture")
    copy = get_served_image("picture").copy
    assert copy is not None
    assert copy_answers.copy_give_up(copy, error) == blames
    assert bool(queued) == blames
    copy_answers._given_up.clear()


@pytest.mark.parametrize("quality", [90, 80])
@pytest.mark.parametrize("kind", ["png", "jpeg", "jp2", "tiff", "strips", "turned"])
def test_every_advertised_tile_passes_through(
    client: Client, ingest: Ingest, settings: Any, monkeypatch: Any, kind: str, quality: int
) -> None:
    """At every scale factor, the image's ends included, by `w,h` and `w,`; near the source's pixels."""
    settings.IIIF_SERVICE_COPY_QUALITY = quality
    picture = textured()
    image = ingest(*encoded(picture, kind))
    before = client.get("/iiif/3/picture/info.json").json()
    jobs = get_copier().stats()["jobs"]
    copy = make(image)
    assert (copy.state, copy.error_detail) == ("ready", "")
    assert get_copier().stats()["jobs"] == jobs + 1  # one pass over the source
    assert client.get("/iiif/3/picture/info.json").json() == before
    assert before["tiles"][0]["width"] == TILE if kind != "tiff" else True
    no_decoder(monkeypatch)
    level = pyvips.Image.new_from_array(np.asarray(picture))
    levels: dict[int, np.ndarray[Any, Any]] = {}
    for factor in (1, 2, 4, 8):
        levels[factor] = level.numpy().astype(int)
        level = level.shrink(2, 2, ceil=True)
    tile = before["tiles"][0]["width"]
    full = Size(WIDTH, HEIGHT)
    asked = 0
    for factor in before["tiles"][0]["scaleFactors"]:
        for region, size in tile_regions(full, Size(tile, tile), factor):
            part = f"/iiif/3/picture/{region.x},{region.y},{region.width},{region.height}"
            answer = client.get(f"{part}/{size.width},{size.height}/0/default.jpg")
            assert answer.status_code == 200, (part, size)
            shown = opened(answer.content).astype(int)
            x, y = region.x // factor, region.y // factor
            wanted = levels[factor][y : y + size.height, x : x + size.width]
            assert shown.shape == wanted.shape
            assert np.abs(shown - wanted).mean() < 4
            assert client.get(f"{part}/{size.width},/0/default.jpg").content == answer.content
            asked += 1
    assert asked >= 24 + 6 + 2 + 1


@pytest.mark.parametrize("quality", [90, 80])
def test_whole_tiles_are_libtiffs_pixels(client: Client, ingest: Ingest, settings: Any, quality: int) -> None:
    """And those at an end are what the padded tile holds, but for chrominance that leans on the padding."""
    settings.IIIF_SERVICE_COPY_QUALITY = quality
    copy = make(ingest(*encoded(textured(), "png")))
    pages = [pyvips.Image.tiffload(str(stored_path(copy)), page=page).numpy().astype(int) for page in range(4)]
    sizes = [reduced_size(Size(WIDTH, HEIGHT), factor) for factor in (1, 2, 4, 8)]
    assert [(page.shape[1], page.shape[0]) for page in pages] == [(size.width, size.height) for size in sizes]
    for factor, part, region, size in advertised(Size(WIDTH, HEIGHT)):
        answer = client.get(f"/iiif/3/picture/{part}/{size.width},{size.height}/0/default.jpg")
        x, y = region.x // factor, region.y // factor
        error = np.abs(opened(answer.content) - pages[factor.bit_length() - 1][y : y + size.height, x : x + size.width])
        is_exact = (size.width, size.height) == (TILE, TILE) or quality >= 90
        assert error.max() <= (0 if is_exact else 12)


def test_other_readers_find_a_plain_pyramid(ingest: Ingest) -> None:
    copy = make(ingest(*encoded(textured(), "png")))
    with Pillow.open(stored_path(copy)) as found:
        assert (getattr(found, "n_frames", 0), found.size, found.mode) == (4, (WIDTH, HEIGHT), "RGB")
        assert np.abs(np.asarray(found).astype(int) - np.asarray(textured())).mean() < 4
    strict = pyvips.Image.tiffload(str(stored_path(copy)), page=1, fail_on="warning")
    assert strict.width == 651


def test_a_gray_image_has_a_gray_copy(client: Client, ingest: Ingest, monkeypatch: Any) -> None:
    make(ingest(png_bytes(textured().convert("L"))))
    no_decoder(monkeypatch)
    assert opened(client.get("/iiif/3/picture/1280,768,21,133/21,133/0/default.jpg").content).shape == (133, 21)


def test_tiles_cost_one_query_and_no_write(client: Client, ingest: Ingest, django_assert_num_queries: Any) -> None:
    make(ingest(*encoded(textured(), "png")))
    url = "/iiif/3/picture/256,256,256,256/256,256/0/default.jpg"
    first = client.get(url)
    with django_assert_num_queries(1) as queries:  # the test settings trust a record for no time at all
        assert client.get(url).content == first.content
    assert "UPDATE" not in queries.captured_queries[0]["sql"]
    with django_assert_num_queries(1):
        assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    ("use", "url", "from_copy"),
    [
        ("reduced", "full/600,/0/default.jpg", True),
        ("reduced", "full/600,/90/gray.jpg", True),
        ("reduced", "full/600,/0/default.webp", True),
        ("reduced", "full/800,/0/default.jpg", False),
        ("reduced", "10,10,300,300/max/0/default.jpg", False),
        ("reduced", "full/600,/0/default.png", False),
        ("reduced", "full/600,/0/bitonal.jpg", False),
        ("tiles", "full/600,/0/default.jpg", False),
        ("tiles", "0,0,256,256/max/0/default.jpg", True),
        ("lossy", "10,10,300,300/max/0/default.jpg", True),
        ("lossy", "10,10,300,300/max/0/default.tif", False),
    ],
)
def test_what_a_copy_answers(
    client: Client, ingest: Ingest, settings: Any, use: str, url: str, from_copy: bool
) -> None:
    image = ingest(*encoded(textured(), "png"))
    settings.IIIF_SERVICE_COPY_USE = use
    before = client.get(f"/iiif/3/picture/{url}")
    copy = make(image)
    after = client.get(f"/iiif/3/picture/{url}")
    assert after.status_code == 200
    assert (after["ETag"] != before["ETag"]) is from_copy
    assert (after.content != before.content) is from_copy
    if from_copy:
        copy_policy.copy_remove(image.pk)
        assert client.get(f"/iiif/3/picture/{url}")["ETag"] == before["ETag"]
        assert not ServiceCopy.objects.filter(pk=copy.pk).exists()


def test_transparency_stays_in_formats_that_have_it(client: Client, ingest: Ingest, settings: Any) -> None:
    picture = textured(600, 400)
    picture.putalpha(Pillow.linear_gradient("L").resize((600, 400)))
    make(ingest(png_bytes(picture)))
    tile = "/iiif/3/picture/0,0,256,256/max/0/default.jpg"
    copied = client.get(tile)
    settings.IIIF_ENCODING = {"background": "#102030"}
    assert client.get(tile)["ETag"] != copied["ETag"]
    assert opened(client.get(tile).content)[0, 0].tolist() != opened(copied.content)[0, 0].tolist()
    assert Pillow.open(BytesIO(client.get("/iiif/3/picture/full/200,/0/default.webp").content)).mode == "RGBA"


def lose(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(5000)


def overwrite(path: Path) -> None:
    path.write_bytes(b"\x00" * path.stat().st_size)


@pytest.mark.parametrize("harm", [lose, shorten, overwrite])
@pytest.mark.parametrize("url", ["256,256,256,256/256,256/0/default.jpg", "full/500,/0/default.jpg"])
def test_a_copy_that_fails_is_never_an_error(
    client: Client, ingest: Ingest, aside: Queued, harm: Callable[[Path], None], url: str
) -> None:
    """The source answers at once under its own name, and another copy is made."""
    image = ingest(*encoded(textured(), "png"))
    source = client.get(f"/iiif/3/picture/{url}")
    copy = make(image)
    harm(stored_path(copy))
    for _ in range(2):
        answer = client.get(f"/iiif/3/picture/{url}")
        assert (answer.status_code, answer["ETag"], answer.content) == (200, source["ETag"], source.content)
    assert aside == [("images.service_copy_remake", image.pk, copy.name)]
    copy_policy.copy_remake(image.pk, copy.name)
    again = ServiceCopy.objects.get(image=image)
    assert again.state == "ready"
    assert again.name != copy.name
    assert not stored_path(copy).exists()
    assert client.get(f"/iiif/3/picture/{url}")["ETag"] != source["ETag"]
    copy_policy.copy_remake(image.pk, copy.name)  # the message came twice
    assert ServiceCopy.objects.get(image=image).name == again.name


def test_a_damaged_tile_is_not_sent(client: Client, ingest: Ingest, aside: Queued) -> None:
    """Even where the file system can't tell: the header of each tile is looked at."""
    image = ingest(*encoded(textured(), "png"))
    url = "/iiif/3/picture/0,0,256,256/256,256/0/default.jpg"
    source = client.get(url)
    copy = make(image)
    path = stored_path(copy)
    path.write_bytes(path.read_bytes().replace(b"\xff\xc0", b"\xff\xc9"))
    with_its_etag = get_served_image("picture")
    ServiceCopy.objects.update(etag=_etag(path))
    assert with_its_etag.copy is not None
    answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, source.content)
    assert [task[0] for task in aside] == ["images.service_copy_remake"]


def _etag(path: Path) -> str:
    with open_source(Location("filesystem", str(path.parent), path.name)) as reader:
        return reader.stat().etag


def test_a_storage_that_is_away_makes_no_new_copy(
    client: Client, ingest: Ingest, aside: Queued, monkeypatch: Any
) -> None:
    make(ingest(*encoded(textured(), "png")))

    def away(*_args: object, **_options: object) -> None:
        raise SourceUnreachableError("The storage does not answer.")

    monkeypatch.setattr("images.services.splicing.keep_source", away)
    assert client.get("/iiif/3/picture/0,0,256,256/256,256/0/default.jpg").status_code == 200
    assert aside == []


def test_an_answer_counts_no_death_of_a_copy_against_the_image(
    client: Client, ingest: Ingest, aside: Queued, monkeypatch: Any, settings: Any
) -> None:
    settings.IIIF_THUMBNAIL_SIZES = []
    image = ingest(*encoded(textured(), "png"))
    make(image)
    real = get_runner()

    class Dying:
        def run(self, job: Any, data: Any, **options: Any) -> Any:
            if job["plan"]["source_format"] == "tiff":
                raise DecoderDiedError("The decoder ended in the middle of its work.")
            return real.run(job, data, **options)

    monkeypatch.setattr("images.services.producing.get_runner", Dying)
    assert client.get("/iiif/3/picture/full/500,/0/default.jpg").status_code == 200
    image.refresh_from_db()
    assert image.decoder_deaths == 0


# --- Policies ---------------------------------------------------------------------------------------------------------


def test_on_ingest_a_copy_is_made(ingest: Ingest, tmp_path: Path) -> None:
    image = ingest(*encoded(textured(), "png"), service_copy_policy="on_ingest")
    copy = ServiceCopy.objects.get(image=image)
    assert (copy.state, copy.version) == ("ready", 1)
    assert copy.byte_size == stored_path(copy).stat().st_size
    assert copy.estimated_byte_size is not None
    assert copy.estimated_byte_size / 4 < copy.byte_size < copy.estimated_byte_size * 4
    assert not list((tmp_path / "copies").rglob("*.part"))


@pytest.mark.parametrize(
    ("own", "of_collection", "is_made"),
    [
        ("inherit", "on_ingest", True),
        ("inherit", "never", False),
        ("inherit", None, False),
        ("never", "on_ingest", False),
        ("on_ingest", "never", True),
        ("on_ingest", None, True),
        ("on_first_view", "on_ingest", False),
    ],
)
def test_an_image_inherits_the_policy_of_its_collection(
    ingest: Ingest, own: str, of_collection: str | None, is_made: bool
) -> None:
    collection = of_collection and Collection.objects.create(name="maps", service_copy_policy=of_collection)
    image = ingest(*encoded(textured(300, 200), "png"), service_copy_policy=own, collection=collection or None)
    assert ServiceCopy.objects.filter(image=image).exists() is is_made


def test_the_first_view_asks_for_a_copy_once(client: Client, ingest: Ingest, aside: Queued) -> None:
    image = ingest(*encoded(textured(), "png"), service_copy_policy="on_first_view")
    client.get("/iiif/3/picture/info.json")
    client.get("/iiif/3/picture/full/!400,400/0/default.jpg")  # thumbnails are shown of everything
    assert aside == []
    for _ in range(3):
        client.get("/iiif/3/picture/0,0,256,256/256,256/0/default.jpg")
    assert aside == [("images.service_copy_make", image.pk)]
    copy = service_copy_make(image.pk)
    assert copy is not None
    assert copy.state == "ready"
    assert service_copy_make(image.pk) is None  # the message came twice
    copy_answers._wished.clear()
    client.get("/iiif/3/picture/0,0,256,256/256,256/0/default.jpg")
    assert len(aside) == 1


def test_a_late_message_respects_the_policy(ingest: Ingest) -> None:
    image = ingest(*encoded(textured(300, 200), "png"))
    assert service_copy_make(image.pk) is None
    assert not ServiceCopy.objects.exists()


@pytest.mark.parametrize(("policy", "is_remade"), [("on_ingest", True), ("on_first_view", False), ("never", False)])
def test_a_new_version_leaves_nothing_of_the_old_copy(
    client: Client, ingest: Ingest, aside: Queued, tmp_path: Path, policy: str, is_remade: bool
) -> None:
    image = ingest(*encoded(textured(), "png"), service_copy_policy=policy)
    old = make(image)
    url = "/iiif/3/picture/0,0,256,256/256,256/0/default.jpg"
    before = client.get(url)
    replacement = tmp_path / "new.png"
    replacement.write_bytes(png_bytes(Pillow.new("RGB", (WIDTH, HEIGHT), (10, 200, 30))))
    replacement.rename(tmp_path / "sources" / "picture.png")
    assert image_refresh(image.pk)
    forget_served_image("picture")
    after = client.get(url)
    assert before["ETag"] != after["ETag"]
    assert np.abs(opened(after.content).astype(int) - [10, 200, 30]).max() <= 3
    assert not stored_path(old).exists()
    copies = list(ServiceCopy.objects.filter(image=image))
    assert [(copy.version, copy.state) for copy in copies] == ([(2, "ready")] if is_remade else [])


def test_bytes_go_with_the_image(ingest: Ingest) -> None:
    image = ingest(*encoded(textured(), "png"))
    path = stored_path(make(image))
    assert path.exists()
    Image.objects.filter(pk=image.pk).delete()
    assert not path.exists()


def test_the_policy_never_removes_copies(admin_client: Client, ingest: Ingest) -> None:
    collection = Collection.objects.create(name="maps", service_copy_policy="on_ingest")
    image = ingest(*encoded(textured(300, 200), "png"), collection=collection)
    path = stored_path(ServiceCopy.objects.get(image=image))
    form = {"name": "maps", "label": "", "service_copy_policy": "never"}
    assert admin_client.post(f"/admin/images/collection/{collection.pk}/change/", form).status_code == 302
    assert not path.exists()
    assert not ServiceCopy.objects.exists()
    form["service_copy_policy"] = "on_ingest"
    assert admin_client.post(f"/admin/images/collection/{collection.pk}/change/", form).status_code == 302
    assert ServiceCopy.objects.get(image=image).state == "ready"


# --- Failures and crashes ---------------------------------------------------------------------------------------------


def test_a_crash_in_the_middle_leaves_nothing_that_is_served(
    client: Client, ingest: Ingest, monkeypatch: Any, settings: Any, tmp_path: Path
) -> None:
    image = ingest(*encoded(textured(), "png"))
    copy_policy.copy_request(image.pk, queue=False)

    class Crash(BaseException):
        pass

    def crash(*_args: object) -> None:
        raise Crash

    url = "/iiif/3/picture/0,0,256,256/256,256/0/default.jpg"
    before = client.get(url)
    with monkeypatch.context() as patch:
        patch.setattr(service_copies, "_commit", crash)
        with pytest.raises(Crash):
            service_copy_make(image.pk)
    copy = ServiceCopy.objects.get(image=image)
    assert (copy.state, copy.name) == ("making", "")
    assert client.get(url)["ETag"] == before["ETag"]
    assert service_copy_make(image.pk) is None  # it might be alive
    settings.IIIF_STALLED_SECONDS = -1
    assert service_copies_sweep().requeued == 1
    copy.refresh_from_db()
    assert copy.state == "ready"
    (lost,) = [path for path in (tmp_path / "copies").rglob("*.tif") if path != stored_path(copy)]
    monkeypatch.setattr("images.services.copy_files._ORPHAN", -timedelta(days=1))
    assert service_copies_sweep().removed == 1
    assert not lost.exists()
    assert stored_path(copy).exists()


def test_copies_wait_for_each_other(ingest: Ingest, monkeypatch: Any) -> None:
    """One that finds the decoder busy is no failure, and is made as soon as the other is done."""
    first = ingest(*encoded(textured(300, 200), "png"))
    second = ingest(png_bytes(gradient(200, 300)), "second.png", "second")
    for image in (first, second):
        copy_policy.copy_request(image.pk, queue=False)

    class Busy:
        def run(self, *_args: object) -> None:
            raise OverloadedError("All decoders are busy.", retry_after=1)

    with monkeypatch.context() as patch:
        patch.setattr("images.services.copy_files.get_copier", Busy)
        assert service_copy_make(second.pk) is None
    waiting = ServiceCopy.objects.get(image=second)
    assert (waiting.state, waiting.attempts) == ("pending", 0)
    service_copy_make(first.pk)
    assert [copy.state for copy in ServiceCopy.objects.all()] == ["ready", "ready"]


def test_a_copy_that_is_broken_again_and_again_is_given_up(ingest: Ingest) -> None:
    image = ingest(*encoded(textured(300, 200), "png"))
    copy = make(image)
    for _ in range(3):
        copy_policy.copy_remake(image.pk, copy.name)
        copy.refresh_from_db()
    assert (copy.state, copy.error_code, copy.name) == ("failed", "unstable", "")
    assert make(image).state == "ready"


def test_a_copy_that_cannot_be_kept_is_tried_again_and_then_failed(
    ingest: Ingest, monkeypatch: Any, tmp_path: Path
) -> None:
    image = ingest(*encoded(textured(300, 200), "png"))
    copy_policy.copy_request(image.pk, queue=False)

    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.save", full)
    for _ in range(2):
        with pytest.raises(ServiceCopyRetryError):
            service_copy_make(image.pk)
    copy = service_copy_make(image.pk)
    assert copy is not None
    assert (copy.state, copy.error_code) == ("failed", "storage_failed")
    assert "No space left" in copy.error_detail
    assert not list(tmp_path.rglob("*-v1-*"))


def test_what_cannot_have_a_copy_says_why(ingest: Ingest, settings: Any) -> None:
    settings.IIIF_TILE_SIZE = 250
    copy = make(ingest(*encoded(textured(300, 200), "png")))
    assert copy.state == "failed"
    assert "multiples of 16" in copy.error_detail


def test_a_copy_of_a_version_that_was_replaced_meanwhile_is_thrown_away(
    ingest: Ingest, monkeypatch: Any, tmp_path: Path
) -> None:
    image = ingest(*encoded(textured(300, 200), "png"))
    copy_policy.copy_request(image.pk, queue=False)
    real = copy_write

    def overtaken(*arguments: Any) -> Any:
        made = real(*arguments)
        Image.objects.update(version=2)
        return made

    monkeypatch.setattr(service_copies, "copy_write", overtaken)
    service_copy_make(image.pk)
    copy = ServiceCopy.objects.get(image=image)
    assert (copy.name, copy.byte_size) == ("", None)
    assert not list(tmp_path.rglob("*-v1-*"))


def test_a_copy_that_is_being_made_when_the_caches_are_emptied_is_made_anew(
    client: Client, ingest: Ingest, monkeypatch: Any
) -> None:
    image = ingest(*encoded(textured(), "png"))
    copy_policy.copy_request(image.pk, queue=False)
    made: list[Any] = []

    def emptied(*arguments: Any) -> Any:
        made.append(copy_write(*arguments))
        if len(made) == 1:
            image_invalidate(image)
            assert ServiceCopy.objects.get(image=image).state != "making"
        return made[-1]

    monkeypatch.setattr(service_copies, "copy_write", emptied)
    service_copy_make(image.pk)  # tasks run at once here
    copy = ServiceCopy.objects.get(image=image)
    assert (copy.state, copy.version, copy.attempts) == ("ready", 2, 1)
    assert len(made) == 2
    assert stored_path(copy).exists()
    forget_served_image("picture")
    assert client.get("/iiif/3/picture/0,0,256,256/256,256/0/default.jpg").status_code == 200


# --- Any storage ------------------------------------------------------------------------------------------------------


def test_any_storage_will_do(client: Client, ingest: Ingest, settings: Any, monkeypatch: Any) -> None:
    """Tiles are read from it piece by piece; what must be decoded comes from the source."""
    settings.STORAGES = {
        **settings.STORAGES,
        "elsewhere": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    settings.IIIF_SERVICE_COPY_STORAGE = "elsewhere"
    image = ingest(*encoded(textured(), "png"))
    reduced = client.get("/iiif/3/picture/full/500,/0/default.jpg")
    copy = make(image)
    assert (copy.state, copy.storage) == ("ready", "elsewhere")
    assert storages["elsewhere"].size(copy.name) == copy.byte_size
    assert client.get("/iiif/3/picture/full/500,/0/default.jpg")["ETag"] == reduced["ETag"]
    no_decoder(monkeypatch)
    for _factor, part, _region, size in advertised(Size(WIDTH, HEIGHT)):
        answer = client.get(f"/iiif/3/picture/{part}/{size.width},{size.height}/0/default.jpg")
        assert opened(answer.content).shape == (size.height, size.width, 3)
    copy_policy.copy_remove(image.pk)
    assert not storages["elsewhere"].exists(copy.name)


# --- What curators see ------------------------------------------------------------------------------------------------


def test_the_admin_shows_estimated_then_true_bytes(admin_client: Client, ingest: Ingest) -> None:
    image = ingest(*encoded(textured(), "png"))
    listed = admin_client.get("/admin/images/image/").content.decode()
    assert "none, ~\u202f" in listed
    chosen = {"action": "make_copy", "_selected_action": [image.pk]}
    assert admin_client.post("/admin/images/image/", chosen).status_code == 302
    copy = ServiceCopy.objects.get(image=image)
    page = admin_client.get(f"/admin/images/image/{image.pk}/change/").content.decode()
    assert str(copy.byte_size) in page
    assert str(copy.estimated_byte_size) in page
    assert b"picture" in admin_client.get("/admin/images/image/?service_copy=ready").content
    assert b"0 images" in admin_client.get("/admin/images/image/?service_copy=none").content
    chosen["action"] = "remove_copy"
    assert admin_client.post("/admin/images/image/", chosen).status_code == 302
    assert not ServiceCopy.objects.exists()
    assert not stored_path(copy).exists()


def test_the_command_estimates_makes_and_removes(ingest: Ingest) -> None:
    ingest(*encoded(textured(), "jp2"))

    def run(*arguments: str) -> list[str]:
        out = StringIO()
        call_command("service_copies", *arguments, stdout=out)
        return out.getvalue().splitlines()[1].split()

    name, policy, state, estimated, *_ = run("--estimate", "picture")
    assert (name, policy, state) == ("picture", "never", "none")
    assert not ServiceCopy.objects.exists()
    *_, state, _rough, true, _share = run("--make", "picture")
    byte_size = ServiceCopy.objects.get().byte_size
    assert state == "ready"
    assert int(true.replace(",", "")) == byte_size
    assert byte_size is not None
    assert byte_size / 2 < int(estimated.replace(",", "")) < byte_size * 2
    assert run("--remove", "picture")[2] == "none"
    assert not ServiceCopy.objects.exists()


def test_explain_says_what_answers(ingest: Ingest) -> None:
    image = ingest(*encoded(textured(), "png"))

    def explained(url: str) -> str:
        out = StringIO()
        call_command("explain", url, stdout=out)
        return out.getvalue()

    tile = "/iiif/3/picture/1280,768,21,133/21,133/0/default.jpg"
    assert "answers the source" in " ".join(explained(tile).split())
    make(image)
    assert "answers the service copy r1q90t256" in " ".join(explained(tile).split())
    assert "nothing is decoded" in explained(tile)
    assert "answers the source" in " ".join(explained(tile.replace("jpg", "png")).split())


def test_a_source_whose_tiles_are_stored_has_a_copy_too(client: Client, ingest: Ingest, monkeypatch: Any) -> None:
    """Its own tiles pass through already, but not those at the image's ends."""
    pixels = np.asarray(textured())
    make(ingest(jpeg_tiff(pixels, TILE, "444"), "slide.tif", "slide"))
    no_decoder(monkeypatch)
    for _factor, part, _region, size in advertised(Size(WIDTH, HEIGHT)):
        assert client.get(f"/iiif/3/slide/{part}/{size.width},{size.height}/0/default.jpg").status_code == 200
