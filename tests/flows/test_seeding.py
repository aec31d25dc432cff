"""Tiles made ahead: they are what the server would make, under the keys that it looks up, in few decodes."""

import json
from collections import Counter
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from django.core.management import CommandError, call_command
from django.test import Client
from PIL import Image as Pillow

from caching.derivatives import get_derivative_cache
from images.decoders.errors import DecoderDiedError
from images.decoders.parts import Parts
from images.iiif.geometry import Size
from images.iiif.tiles import tile_regions
from images.models import Image, Tiling
from images.selectors.images import forget_served_image, get_served_image
from images.services import copy_policy, indexing
from images.services.decoding import get_runner
from images.services.orders import get_workshop
from images.services.seed_options import SeedOptions, SeedReport
from images.services.seeding import image_seed
from images.tasks import seed_task
from tests.flows.conftest import Ingest
from tests.images.indexes.tiff.jpeg import jpeg_tiff

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT, TILE = 523, 391, 64


def pixels(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(3)
    coarse = generator.integers(0, 256, (1 + height // 20, 1 + width // 20, 3), np.uint8)
    smooth = np.asarray(Pillow.fromarray(coarse).resize((width, height), Pillow.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + generator.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8)


def source(kind: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    made = pixels(width, height)
    if kind == "deflate.tif":
        image = pyvips.Image.new_from_array(made)
        data: bytes = image.tiffsave_buffer(
            compression="deflate", tile=True, pyramid=True, tile_width=TILE, tile_height=TILE
        )
        return data
    if kind == "jpeg.tif":
        return jpeg_tiff(made, TILE, "420", levels=2)
    out = BytesIO()
    picture = Pillow.fromarray(made)
    if kind == "turned.jpg":
        exif = Pillow.Exif()
        exif[274] = 6
        picture.save(out, "JPEG", quality=90, exif=exif)
    elif kind == "gray.png":
        picture.convert("L").save(out, "PNG")
    elif kind == "clear.png":
        picture.putalpha(Pillow.fromarray(made[:, :, 0]))
        picture.save(out, "PNG")
    elif kind.endswith(".jp2"):
        options: dict[str, Any] = {"num_resolutions": min(3, min(width, height).bit_length())}
        picture.save(out, "JPEG2000", **options, **({"tile_size": (128, 128)} if kind == "tiled.jp2" else {}))
    else:
        picture.save(out, {"jpg": "JPEG", "png": "PNG"}[kind.rpartition(".")[2]])
    return out.getvalue()


def discard(identifier: str = "seeded") -> None:
    """All that is kept of one image: the tests of other processes may use the same folder."""
    get_derivative_cache().discard_image(get_served_image(identifier).uuid)


def kept(identifier: str = "seeded") -> int:
    return get_derivative_cache().discard_image(get_served_image(identifier).uuid, dry_run=True).entries


@pytest.fixture
def picture(ingest: Ingest) -> Any:
    def make(kind: str = "plain.jpg", identifier: str = "seeded", width: int = WIDTH, height: int = HEIGHT) -> Image:
        image = ingest(source(kind, width, height), f"{identifier.replace('/', '-')}-{kind}", identifier)
        assert image.state == "ready", image.error_detail
        Tiling.objects.filter(image=image).update(tile_width=TILE, tile_height=TILE)
        forget_served_image(identifier)
        discard(identifier)  # thumbnails, and small levels
        return image

    return make


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    runner = get_runner()
    counted: Counter[str] = Counter()
    run = runner.run

    def counting(job: Any, data: Any, **options: Any) -> Any:
        counted[job["kind"]] += 1
        return run(job, data, **options)

    monkeypatch.setattr(runner, "run", counting)
    return counted


def seeded(identifier: str = "seeded", **options: Any) -> SeedReport:
    return image_seed(get_served_image(identifier), SeedOptions(**options))


def advertised(client: Client, identifier: str = "seeded") -> tuple[Size, Size, list[int]]:
    information = client.get(f"/iiif/3/{identifier}/info.json").json()
    tiles = information["tiles"][0]
    size = Size(tiles["width"], tiles.get("height", tiles["width"]))
    return Size(information["width"], information["height"]), size, tiles["scaleFactors"]


def every_tile(client: Client, name: str = "default.jpg", identifier: str = "seeded") -> Iterator[str]:
    full, tile, factors = advertised(client, identifier)
    for factor in factors:
        for region, size in tile_regions(full, tile, factor):
            where = f"{region.x},{region.y},{region.width},{region.height}"
            yield f"/iiif/3/{identifier}/{where}/{size.width},{size.height}/0/{name}"


def fetched(client: Client, url: str) -> bytes:
    response = client.get(url)
    assert response.status_code == 200, (url, response.content[:300])
    return response.getvalue()


KINDS = ("plain.jpg", "turned.jpg", "deflate.tif", "jpeg.tif", "plain.png", "gray.png", "clear.png")


@pytest.mark.parametrize("kind", [*KINDS, "untiled.jp2", "tiled.jp2"])
def test_every_tile_is_there_and_is_the_one_that_the_server_makes(
    client: Client, picture: Any, jobs: Counter[str], settings: Any, kind: str
) -> None:
    settings.IIIF_METATILE_SIZE = 0  # so that each is made alone
    picture(kind)
    urls = list(every_tile(client))
    made_on_request = {url: fetched(client, url) for url in urls}
    discard()
    jobs.clear()
    report = seeded()
    assert report.made + report.stored == report.wanted == len(urls)
    assert (report.stored > 0) == (kind == "jpeg.tif")
    assert jobs["render"] == 0
    assert jobs["tiles"] <= 2 * len(advertised(client)[2]) + (2 if kind == "jpeg.tif" else 0)
    jobs.clear()
    for url in urls:
        assert fetched(client, url) == made_on_request[url], url
    assert not jobs


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 1), (1, 300), (129, 131), (513, 259), (260, 516)])
@pytest.mark.parametrize("kind", ["plain.jpg", "untiled.jp2"])
def test_images_of_any_shape(client: Client, picture: Any, settings: Any, width: int, height: int, kind: str) -> None:
    """Their last tiles may be a few pixels wide, or one: the server takes some for tiles of a smaller scale factor."""
    settings.IIIF_METATILE_SIZE = 0
    picture(kind, width=width, height=height)
    urls = list(every_tile(client))
    made_on_request = {url: fetched(client, url) for url in urls}
    discard()
    assert seeded().wanted == len(urls)
    assert {url: fetched(client, url) for url in urls} == made_on_request


@pytest.mark.parametrize(("output", "quality"), [("png", "default"), ("webp", "gray"), ("jpg", "bitonal")])
def test_other_formats_and_qualities(
    client: Client, picture: Any, jobs: Counter[str], output: str, quality: str
) -> None:
    picture("plain.png")
    call_command("seed", "seeded", "--format", output, "--quality", quality, stdout=StringIO())
    jobs.clear()
    for url in every_tile(client, f"{quality}.{output}"):
        assert fetched(client, url)
    assert not jobs


def test_metatiles_and_seeds_agree(client: Client, picture: Any, jobs: Counter[str]) -> None:
    """With the settings as they are, whichever way the server makes its tiles."""
    picture("untiled.jp2")
    made_on_request = {url: fetched(client, url) for url in every_tile(client)}
    get_workshop.cache_clear()
    discard()
    seeded()
    jobs.clear()
    assert {url: fetched(client, url) for url in every_tile(client)} == made_on_request
    assert not jobs


@pytest.mark.parametrize("tile", [TILE, 256])
def test_a_service_copy_is_seeded_from_where_it_answers(
    client: Client, picture: Any, jobs: Counter[str], settings: Any, tile: int
) -> None:
    """Its own tiles need no seeding; of others it answers the reduced ones, and the source those at full size."""
    settings.IIIF_METATILE_SIZE = 0
    image = picture("plain.png")
    copy_policy.copy_request(image.pk)
    Tiling.objects.filter(image=image).update(tile_width=tile, tile_height=tile)
    forget_served_image("seeded")
    assert get_served_image("seeded").copy is not None
    urls = list(every_tile(client))
    made_on_request = {url: fetched(client, url) for url in urls}
    discard()
    report = seeded()
    assert (report.made, report.stored) == ((0, len(urls)) if tile == TILE else (len(urls), 0))
    jobs.clear()
    assert {url: fetched(client, url) for url in urls} == made_on_request
    assert not jobs


def test_a_level_that_is_decoded_in_parts_is_cut_too(
    client: Client, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A band of a large JPEG 2000 source comes to its decoder piece by piece."""
    monkeypatch.setattr("images.decoders.jp2_parts.at_once", lambda _samples: 150_000)
    monkeypatch.setattr("images.decoders.cuts._LEAST_ROWS", 64)
    used: list[Parts] = []
    parts_for = indexing.parts_for

    def watched(*arguments: Any) -> Parts | None:
        found = parts_for(*arguments)
        used.extend([found] if found else [])
        return found

    monkeypatch.setattr(indexing, "parts_for", watched)
    monkeypatch.setattr(indexing, "find_sparse", lambda *_arguments: None)
    picture("tiled.jp2")
    report = seeded()
    assert used
    monkeypatch.undo()
    bodies = {url: fetched(client, url) for url in every_tile(client)}
    assert report.made == len(bodies)
    discard()
    for url, body in bodies.items():
        assert fetched(client, url) == body


def test_edge_tiles_that_are_not_sent_as_stored_are_made_once(client: Client, picture: Any) -> None:
    picture("jpeg.tif")
    first, second = seeded(), seeded()
    assert first.made > 0
    assert (second.made, second.kept, second.stored) == (0, first.made, first.stored)


def test_what_is_there_is_not_made_again(client: Client, picture: Any, jobs: Counter[str]) -> None:
    picture()
    some = list(every_tile(client))[3]
    before = fetched(client, some)
    first = seeded()
    assert (first.kept, first.made) == (1, first.wanted - 1)
    jobs.clear()
    again = seeded()
    assert (again.made, again.kept, again.byte_size) == (0, first.wanted, 0)
    assert not jobs
    refreshed = seeded(refresh=True)
    assert refreshed.made == first.wanted
    assert fetched(client, some) == before
    assert kept() == first.wanted


def test_only_the_scale_factors_that_are_asked_for(client: Client, picture: Any, jobs: Counter[str]) -> None:
    picture()
    out = StringIO()
    call_command("seed", "seeded", "--scale-factors", "4,8,512", stdout=out)
    assert "scale factors 512 left out" in out.getvalue()
    jobs.clear()
    full, tile, factors = advertised(client)
    urls = list(every_tile(client))
    count = {factor: len(list(tile_regions(full, tile, factor))) for factor in factors}
    assert f"{count[4] + count[8]} of {count[4] + count[8]} tiles made" in out.getvalue()
    for url in urls[count[1] + count[2] :]:
        fetched(client, url)
    assert not jobs


def test_an_interrupted_seeding_goes_on(client: Client, picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture()
    served = get_served_image("seeded")
    wanted = image_seed(served, SeedOptions()).wanted
    discard()

    def interrupted(done: int, _wanted: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        image_seed(served, SeedOptions(), watch=interrupted, workers=1)
    left = seeded()
    assert 0 < left.kept < wanted
    assert left.made + left.kept == wanted


def test_a_full_cache_is_told(picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture()
    monkeypatch.setattr(get_derivative_cache(), "keep", lambda *_given: False)
    errors = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("seed", "seeded", stdout=StringIO(), stderr=errors)
    assert ended.value.code == 1
    assert "The derivative cache takes no more" in errors.getvalue()


def test_one_failure_does_not_keep_the_others(client: Client, picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture()
    picture("plain.png", "other")

    def failing(served: Any, *given: Any, **named: Any) -> SeedReport:
        if served.identifier == "seeded":
            raise DecoderDiedError("The decoder ended.")
        return image_seed(served, *given, **named)

    monkeypatch.setattr("images.management.commands.seed.image_seed", failing)
    out, errors = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("seed", "nobody", "seeded", "other", stdout=out, stderr=errors)
    assert ended.value.code == 1
    assert "failed: nobody: There is no image" in errors.getvalue()
    assert "failed: seeded: The decoder ended." in errors.getvalue()
    assert "1 of 3 images seeded" in out.getvalue()


def test_a_source_that_changed_is_not_seeded(client: Client, picture: Any, tmp_path: Path) -> None:
    picture("plain.png")
    path = tmp_path / "sources" / "seeded-plain.png"
    other = path.with_suffix(".new")
    other.write_bytes(source("gray.png"))
    other.replace(path)
    errors = StringIO()
    with pytest.raises(SystemExit):
        call_command("seed", "seeded", stdout=StringIO(), stderr=errors)
    assert "failed: seeded: " in errors.getvalue()
    assert kept() == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Nothing to seed"),
        (["a", "--scale-factors", "3"], "powers of two"),
        (["a", "--scale-factors", "x"], "powers of two"),
        (["a", "--scale-factors", "0"], "powers of two"),
        (["a", "--format", "bmp"], "The format 'bmp' is not one of"),
        (["a", "--quality", "best"], "The quality 'best' is not one of"),
        (["--csv", "nowhere.csv"], "nowhere.csv cannot be read"),
        (["a", "--base-url", "https://example.org"], "they go with --out"),
        (["a", "--out", "tree", "--base-url", "example.org"], "--base-url is an address"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments: list[str], expected: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("seed", *arguments, stdout=StringIO())
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rows_of_a_file(picture: Any, tmp_path: Path) -> None:
    picture()
    picture("plain.png", "other")
    rows = tmp_path / "rows.csv"
    rows.write_text("source_id,alternate_id\nseeded,first\n\nother,\n")
    out = StringIO()
    call_command("seed", "--csv", str(rows), "--out", str(tmp_path / "trees"), stdout=out)
    assert "[1/2] first: " in out.getvalue()
    assert "[2/2] other: " in out.getvalue()
    found = json.loads((tmp_path / "trees" / "first" / "info.json").read_text())
    assert found["id"].endswith("/first")
    assert (tmp_path / "trees" / "other" / "info.json").is_file()
    for text, expected in (("a,b\n1,2\n", "the first line"), ("source_id\n,x\n", "line 2: there is no source_id")):
        rows.write_text(text)
        with pytest.raises(CommandError, match=expected):
            call_command("seed", "--csv", str(rows), stdout=StringIO())
    rows.write_text("source_id,alternate_id\nseeded,same\nother,same\n")
    with pytest.raises(CommandError, match="would both be the tree 'same'"):
        call_command("seed", "--csv", str(rows), "--out", str(tmp_path / "trees"), stdout=StringIO())


def test_a_worker_seeds_too(client: Client, picture: Any, jobs: Counter[str]) -> None:
    image = picture()
    seed_task(image.pk, "2,1")
    assert jobs["tiles"] == 2
    jobs.clear()
    full, tile, _ = advertised(client)
    for url in list(every_tile(client))[: len(list(tile_regions(full, tile, 1)))]:
        fetched(client, url)
    assert not jobs
    seed_task(image.pk + 1000)  # an image that is gone is no failure
