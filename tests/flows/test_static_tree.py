"""Trees of files: whatever a viewer asks of a level 0 service lies there, whole, and nothing of another seeding."""

import json
import math
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from images.iiif.geometry import Region, Size
from images.iiif.output import OutputFormat, Quality
from images.iiif.static import static_path
from images.iiif.tiles import scale_factors, tile_regions
from images.iiif.version import ApiVersion
from images.models import Image, Tiling
from images.selectors.images import forget_served_image, get_served_image
from images.services import static_tree
from images.services.ingest import image_refresh
from images.services.seed_options import SeedOptions
from images.services.seeding import image_seed
from images.services.static_tree import TreeError
from tests.flows.conftest import Ingest, gradient
from tests.flows.test_seeding import TILE, source

pytestmark = pytest.mark.django_db(transaction=True)


def asked_by_openseadragon(information: dict[str, Any], api_version: int) -> Iterator[tuple[str, Size]]:
    """Each URL that OpenSeadragon 5 and 6 ask for, with the size that they expect: IIIFTileSource.getTileUrl."""
    base = information["@id" if api_version == 2 else "id"]
    width, height = information["width"], information["height"]
    tile = information["tiles"][0]["width"]
    highest = round(math.log2(max(information["tiles"][0]["scaleFactors"])))
    for level in range(highest + 1):
        scale = 0.5 ** (highest - level)
        level_width, level_height = math.ceil(width * scale), math.ceil(height * scale)
        for y in range(math.ceil(height * scale / tile)):
            for x in range(math.ceil(width * scale / tile)):
                if level_width < tile and level_height < tile:
                    size = Size(level_width, level_height)
                    region = "full"
                else:
                    side = round(tile / scale)
                    box = (x * side, y * side, min(side, width - x * side), min(side, height - y * side))
                    region = "full" if box == (0, 0, width, height) else ",".join(map(str, box))
                    size = Size(min(tile, level_width - x * tile), min(tile, level_height - y * tile))
                if api_version == 3:
                    text = "max" if size == Size(width, height) else f"{size.width},{size.height}"
                else:
                    text = "full" if size.width == width else f"{size.width},"
                yield f"{base}/{region}/{text}/0/default.jpg", size


@pytest.fixture
def picture(ingest: Ingest) -> Any:
    def make(kind: str = "plain.jpg", identifier: str = "map", width: int = 523, height: int = 391) -> Image:
        image = ingest(source(kind, width, height), f"{identifier.replace('/', '-')}-{kind}", identifier)
        Tiling.objects.filter(image=image).update(tile_width=TILE, tile_height=TILE)
        forget_served_image(identifier)
        return image

    return make


def seed(root: Path, *arguments: str) -> str:
    out = StringIO()
    call_command("seed", *arguments, "--out", str(root), "--base-url", "https://tiles.example.org/a/", stdout=out)
    return out.getvalue()


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("api_version", [2, 3])
@pytest.mark.parametrize(
    ("kind", "width", "height"),
    [
        ("plain.jpg", 523, 391),
        ("turned.jpg", 300, 200),
        ("jpeg.tif", 523, 391),
        ("tiled.jp2", 523, 391),
        ("plain.png", 512, 256),
        ("plain.png", 50, 40),
        ("plain.png", 64, 64),
        ("plain.png", 50, 400),
    ],
)
def test_whatever_openseadragon_asks_for_is_there(
    client: Client, picture: Any, tmp_path: Path, api_version: int, kind: str, width: int, height: int
) -> None:
    picture(kind, width=width, height=height)
    seed(tmp_path, "map", "--api-version", str(api_version))
    information = json.loads((tmp_path / "map" / "info.json").read_bytes())
    base = information["@id" if api_version == 2 else "id"]
    assert base == "https://tiles.example.org/a/map"
    profile = information["profile"]
    assert (profile[0] if api_version == 2 else profile) in {"level0", "http://iiif.io/api/image/2/level0.json"}
    asked = dict(asked_by_openseadragon(information, api_version))
    for url, size in asked.items():
        body = (tmp_path / url.removeprefix("https://tiles.example.org/a/")).read_bytes()
        with Pillow.open(BytesIO(body)) as image:
            assert image.size == (size.width, size.height), url
            image.load()
        answer = client.get(f"/iiif/{api_version}/{url.removeprefix('https://tiles.example.org/a/')}")
        assert answer.getvalue() == body, url
    for size in information.get("sizes", []):
        text = f"{size['width']}," if api_version == 2 else f"{size['width']},{size['height']}"
        if (size["width"], size["height"]) == (information["width"], information["height"]):
            text = "full" if api_version == 2 else "max"
        assert (tmp_path / "map" / "full" / text / "0" / "default.jpg").is_file()


def test_nothing_of_it_goes_into_the_cache(picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture()

    def fail(*_given: object) -> None:
        raise AssertionError("the cache was written")

    monkeypatch.setattr("caching.derivatives.DerivativeCache.keep", fail)
    seed(tmp_path, "map")


def test_a_second_run_makes_what_is_missing(picture: Any, tmp_path: Path) -> None:
    picture()
    seed(tmp_path, "map")
    before = files(tmp_path)
    assert not [name for name in before if name.endswith(".part")]
    tiles = sorted((tmp_path / "map").rglob("default.jpg"))
    for path in tiles[::7]:
        path.unlink()
    told = seed(tmp_path, "map")
    assert f"map: {len(tiles[::7])} of {len(tiles)} tiles made" in told
    assert files(tmp_path) == before
    assert f"{len(tiles)} of {len(tiles)} tiles made" in seed(tmp_path, "map", "--refresh")
    assert files(tmp_path) == before


def test_another_version_or_encoding_replaces_the_tree(picture: Any, tmp_path: Path, settings: Any) -> None:
    picture()
    seed(tmp_path, "map")
    keep = tmp_path / "map" / "README.txt"
    keep.write_text("the curator's")
    first = files(tmp_path)
    settings.IIIF_ENCODING = {"jpeg_quality": 40}
    seed(tmp_path, "map")
    second = files(tmp_path)
    assert second.keys() == first.keys()
    assert second["map/full/66,49/0/default.jpg"] != first["map/full/66,49/0/default.jpg"]
    gradient(100, 90).save(tmp_path / "sources" / "map-plain.jpg", "JPEG")
    image_refresh(Image.objects.get(identifier="map").pk)
    forget_served_image("map")
    seed(tmp_path, "map")
    third = files(tmp_path)
    assert third["map/README.txt"] == b"the curator's"
    assert len(third) < len(first)
    assert json.loads(third["map/info.json"])["width"] == 100


def test_files_that_no_seeding_made_are_written_over(picture: Any, tmp_path: Path) -> None:
    picture()
    strange = tmp_path / "map" / "full" / "66,49" / "0" / "default.jpg"
    strange.parent.mkdir(parents=True)
    strange.write_bytes(b"not a picture")
    seed(tmp_path, "map")
    assert strange.read_bytes()[:2] == b"\xff\xd8"


def test_names_with_slashes_are_folders(picture: Any, tmp_path: Path) -> None:
    picture(identifier="box 1/map")
    picture("plain.png", identifier="box 1")
    seed(tmp_path, "box 1/map", "box 1")
    seed(tmp_path, "box 1", "--format", "png")
    assert json.loads((tmp_path / "box 1" / "map" / "info.json").read_bytes())["id"].endswith("/a/box%201%2Fmap")
    assert json.loads((tmp_path / "box 1" / "info.json").read_bytes())["preferredFormats"] == ["png"]
    assert (tmp_path / "box 1" / "map" / "full" / "66,49" / "0" / "default.jpg").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "a/../b",
        "/root",
        "a//b",
        "x" * 300,
        "full",
        "a/1,2,3,4",
        "a/full/b",
        "0,0,5,5/b",
        "a/info.json",
        "a/info.json/b",
        ".seeded.json",
        "",
    ],
)
def test_names_that_lead_elsewhere_are_refused(picture: Any, tmp_path: Path, name: str) -> None:
    picture()
    served = get_served_image("map")
    with pytest.raises(TreeError):
        static_tree.StaticTree(tmp_path / "trees", name, served, ApiVersion.V3)
    assert not (tmp_path / "trees").exists()


def test_a_folder_that_cannot_be_written_is_told(picture: Any, tmp_path: Path) -> None:
    picture()
    (tmp_path / "tree").write_text("a file")
    errors = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("seed", "map", "--out", str(tmp_path / "tree"), stdout=StringIO(), stderr=errors)
    assert ended.value.code == 1
    assert "failed: map: " in errors.getvalue()


def test_a_tree_has_no_information_before_its_tiles(picture: Any, tmp_path: Path) -> None:
    picture()

    def interrupted(done: int, _wanted: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    options = SeedOptions(out=tmp_path, base_uri="https://tiles.example.org/a")
    with pytest.raises(KeyboardInterrupt):
        image_seed(get_served_image("map"), options, watch=interrupted, workers=1)
    left = files(tmp_path)
    assert "map/info.json" not in left
    assert not [name for name in left if name.endswith(".part")]
    seed(tmp_path, "map")
    assert files(tmp_path).items() >= left.items()
    assert "map/info.json" in files(tmp_path)


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), tile=st.sampled_from([64, 100, 256, 512]))
def test_every_path_of_3_0_is_of_one_request(width: int, height: int, tile: int) -> None:
    """Image API 3.0, Implementation notes on tiling."""
    full, side = Size(width, height), Size(tile, tile)
    seen: dict[str, tuple[Region, Size]] = {}
    for step in scale_factors(full, side):
        for region, size in tile_regions(full, side, step):
            path = static_path(region, size, full, ApiVersion.V3, Quality.DEFAULT, OutputFormat.JPG)
            assert seen.setdefault(path, (region, size)) == (region, size)


def test_paths_of_2_1_that_mean_two_sizes_hold_the_larger(picture: Any, tmp_path: Path) -> None:
    """`1,` of a region of 1 × 3 pixels: 3 pixels high by the specification, 2 as the last tile at scale factor 2."""
    picture("plain.png", width=2 * TILE + 1, height=2 * TILE + 3)
    seed(tmp_path, "map", "--api-version", "2")
    with Pillow.open(tmp_path / "map" / f"{2 * TILE},{2 * TILE},1,3" / "1," / "0" / "default.jpg") as image:
        assert image.size == (1, 3)
