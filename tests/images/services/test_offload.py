"""What is published for a web server in front: where, for how long, and what takes it away."""

import os
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from PIL import Image as Pillow

from images.iiif.request import parse_image_request, resolve
from images.iiif.version import ApiVersion
from images.models import Image, Profile
from images.selectors.images import ServedImage, get_served_image
from images.services import offload as offload_module
from images.services.ingest import image_refresh
from images.services.invalidation import image_invalidate
from images.services.offload import Offload, find_tree, get_offload, modified_seconds, offload_clear, offload_sweep
from images.services.offload_tree import OffloadTree
from images.services.planning import derivative_key
from tests.flows.conftest import ingest, picture

__all__ = ["ingest", "picture"]

PATH = "as3/full/300,200/0/default.jpg"
URI = "http://here/iiif/3/a"
LEVEL = "http://iiif.io/api/image/3/level2.json"


@pytest.fixture
def tree(settings: Any, tmp_path: Path) -> OffloadTree:
    settings.IIIF_OFFLOAD = "published"
    settings.IIIF_OFFLOAD_DIR = tmp_path / "offload"
    return OffloadTree(tmp_path / "offload")


def key_of(served: ServedImage) -> Any:
    request = parse_image_request("full", "300,200", "0", "default.jpg", ApiVersion.V3)
    return derivative_key(served, resolve(request, served.full, served.capabilities, is_grayscale=False))


def publish(served: ServedImage, body: bytes = b"pixels") -> None:
    Offload()._publish(served, PATH, key_of(served), body)


def shown(tree: OffloadTree, identifier: str = "picture") -> bytes | None:
    path = tree.root / "live" / identifier / PATH
    return path.read_bytes() if path.exists() else None


def test_what_is_published_lies_below_the_link_of_its_image(tree: OffloadTree, picture: Image) -> None:
    served = get_served_image("picture")
    publish(served)
    assert shown(tree) == b"pixels"
    status = (tree.root / "live" / "picture" / PATH).stat()
    assert int(status.st_mtime) == modified_seconds(served, key_of(served)) < served.modified.timestamp()


def test_who_publishes_what_has_changed_meanwhile_shows_nothing(tree: OffloadTree, picture: Image) -> None:
    old = get_served_image("picture")
    Image.objects.filter(pk=picture.pk).update(label="another")  # told nobody
    publish(old)
    assert shown(tree) is None


def test_nothing_is_shown_while_the_database_does_not_answer(
    tree: OffloadTree, picture: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_served: ServedImage) -> bool:
        raise DatabaseError("gone")

    monkeypatch.setattr(offload_module, "is_served_image_current", fail)
    publish(get_served_image("picture"))
    assert shown(tree) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["read again", "record", "profile", "purge", "delete"])
def test_every_change_takes_the_link_away(tree: OffloadTree, picture: Image, change: str) -> None:
    publish(get_served_image("picture"))
    assert shown(tree) == b"pixels"
    if change == "read again":
        out = BytesIO()
        Pillow.new("RGB", (600, 400), "red").save(out, "PNG")
        assert picture.store is not None
        source = Path(picture.store.root) / picture.key
        source.write_bytes(out.getvalue())
        image_refresh(picture.pk)
    elif change == "record":
        picture.label = "another"
        picture.save()
    elif change == "profile":
        Profile.objects.create(name="low", jpeg_quality=20, is_default=True)
    elif change == "purge":
        image_invalidate(picture)
    else:
        picture.delete()
    assert shown(tree) is None


def test_links_end_and_files_stay(tree: OffloadTree, picture: Image) -> None:
    publish(get_served_image("picture"))
    assert tree.expire(60) == 1
    old = time.time() - 61
    os.utime(tree.root / "live" / "picture", (old, old), follow_symlinks=False)
    assert tree.expire(60) == 0
    assert shown(tree) is None
    publish(get_served_image("picture"))
    assert shown(tree) == b"pixels"


def test_a_sweep_removes_what_was_linked_longest_ago(tree: OffloadTree, settings: Any) -> None:
    for number in range(10):
        folder = f"{number:032x}.1.x"
        tree.put(folder, PATH, [b"x" * 5000], 0)
        tree.link(f"image-{number}", folder)
        os.utime(tree.root / "v" / folder, (number, number))
    tree.unlink_all()
    settings.IIIF_OFFLOAD_BYTES = 10 * 8192
    assert offload_sweep() is not None
    assert len(list((tree.root / "v").iterdir())) == 10
    assert list((tree.root / "dead").iterdir()) == []
    settings.IIIF_OFFLOAD_ENTRIES = 5
    offload_sweep()
    assert sorted(path.name[:32] for path in (tree.root / "v").iterdir()) == [f"{n:032x}" for n in range(6, 10)]


def test_older_versions_are_removed(tree: OffloadTree) -> None:
    for version in (1, 2, 10):
        tree.put(f"{7:032x}.{version}.x", PATH, [b"x"], 0)
    tree.discard(f"{7:032x}", 10)
    assert [path.name.split(".")[1] for path in (tree.root / "v").iterdir()] == ["10"]
    offload_clear()
    assert list((tree.root / "v").iterdir()) == []


def test_nothing_is_published_by_default(settings: Any, tmp_path: Path, picture: Image) -> None:
    settings.IIIF_OFFLOAD_DIR = tmp_path / "offload"
    assert get_offload() is None
    assert offload_sweep() is None
    picture.save()
    assert not (tmp_path / "offload").exists()


@pytest.mark.parametrize(
    ("path", "canonical", "version", "tree"),
    [
        ("0,0,9,9/9,9/0/default.jpg", "0,0,9,9/max/0/default.jpg", "3", "max3"),
        ("0,0,9,9/max/0/default.jpg", "0,0,9,9/max/0/default.jpg", "3", "as3"),
        ("0,0,9,9/max/0/default.jpg", "0,0,9,9/max/0/default.jpg", "", "as"),
        ("square/max/0/default.jpg", "0,0,9,9/max/0/default.jpg", "3", None),
        ("0,0,9,9/9,/0/default.jpg", "0,0,9,9/9,8/0/default.jpg", "3", None),
        ("../9,9/0/default.jpg", "../9,9/0/default.jpg", "3", None),
        ("0,0,9,9/9,9/0/default.jpg/..", "0,0,9,9/9,9/0/default.jpg/..", "3", None),
    ],
)
def test_only_where_nginx_knows_the_headers(
    picture: Image, path: str, canonical: str, version: str, tree: str | None
) -> None:
    served = get_served_image("picture")
    link = f'<{URI}/{canonical}>;rel="canonical", <{LEVEL}>;rel="profile"'
    assert find_tree(served, link, URI, path, version) == tree
    assert find_tree(served, link.replace("level2", "level1"), URI, path, version) is None
    assert find_tree(served, "", URI, path, version) is None
