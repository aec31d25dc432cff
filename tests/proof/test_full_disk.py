"""The disk of the caches is full, in bytes or in files: known images are served as ever, and are kept again later."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.flows.conftest import gradient, png_bytes
from tests.images.indexes.jp2.variants import variant
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.proof.sites import ask_all, put, register, store_fields
from tests.support.disks import SmallDisk, small_disk
from tests.support.nodes import nodes
from tests.support.origin import Origin
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults"), pytest.mark.timeout(600)]

MIB = 2**20
BYTES, INODES = 24 * MIB, 900
SETTINGS = {
    "DECODE_QUEUE_LENGTH": 256, "DECODE_QUEUE_SECONDS": 60.0,  # however busy the decoders: 503 is the disk's
    "IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS": 2.0,
}  # fmt: skip
SLIDE = np.asarray(gradient(1500, 1100, 90))
LOCAL = {"picture.png": png_bytes(gradient(600, 400)), "packets.j2k": variant("RPCL listed")}
REMOTE = {"streamed.tif": "s3-stream", "copied.tif": "s3-cache", "remembered.tif": "s3-memory"}
NAMES = [*LOCAL, *REMOTE]
INFORMATION = [f"/iiif/3/{name}/info.json" for name in NAMES]
USAGE = """
import json
from caching.derivatives import get_derivative_cache
if {sweep}:
    get_derivative_cache().sweep()
held = get_derivative_cache().usage().held
print(json.dumps([held.bytes, held.entries]))
"""


def tiles(row: int) -> list[str]:
    """Of each image some that no other row has; kept when they are asked for twice."""
    return [f"/iiif/3/{name}/{x},{row * 32},64,64/32,/0/default.png" for name in NAMES for x in range(0, 320, 64)]


@dataclass
class Site:
    node: ProductServer
    disk: SmallDisk
    reference: dict[str, bytes]

    def wrong(self, paths: list[str]) -> list[tuple[str, int]]:
        """What is answered otherwise than before, each asked for three times and all at once."""
        asked = paths * 3
        answers = ask_all([(self.node, path) for path in asked], timeout=120)
        return [
            (path, answer.status)
            for path, answer in zip(asked, answers, strict=True)
            if answer.status != 200 or answer.body != self.reference[path]
        ]

    @property
    def entries(self) -> Path:
        return self.node.data_dir / "cache" / "derivatives" / "entries"

    def kept(self) -> set[Path]:
        return {path for path in self.entries.rglob("*") if path.is_file()}

    def kept_in_peace(self) -> set[Path]:
        """When what is written behind the answers is written."""
        last: set[Path] = set()

        def is_settled() -> bool:
            nonlocal last
            time.sleep(0.5)
            before, last = last, self.kept()
            return before == last

        assert wait_until(is_settled)
        return last

    def folders_of_images(self) -> int:
        return len(list(self.entries.glob("*/*")))

    def held(self, *, sweep: bool = False) -> list[int]:
        """Bytes and files with folders, as the books of the cache say."""
        counted: list[int] = json.loads(self.node.manage("shell", "-v", "0", "-c", USAGE.format(sweep=sweep)).stdout)
        return counted


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    tmp_path = tmp_path_factory.mktemp("full")
    with Origin() as origin, nodes(tmp_path, 1, settings=SETTINGS) as (node,):
        for name, data in LOCAL.items():
            (tmp_path / name).write_bytes(data)
            node.ingest(str(tmp_path / name), "--id", name)
        for name in REMOTE:
            put(origin, name, jpeg_tiff(SLIDE, 256, "420", levels=3))
        register(node, [store_fields(origin, "s3", each) for each in ("stream", "cache", "memory")], REMOTE.items())
        everything = [*INFORMATION, *(path for row in range(8) for path in tiles(row))]
        answers = {path: node.get(path) for path in everything}
        assert {answer.status for answer in answers.values()} == {200}
        reference = {path: answer.body for path, answer in answers.items()}
        node.stop()
        (node.data_dir / "cache").rename(node.data_dir / "cache-before")
        with small_disk(node.data_dir / "cache", bytes_=BYTES, inodes=INODES) as disk:
            node.start()
            yield Site(node, disk, reference)
            node.stop()


@pytest.mark.parametrize(
    ("fill", "first"), [(SmallDisk.fill_bytes, 0), (SmallDisk.fill_inodes, 4)], ids=["bytes", "inodes"]
)
def test_a_full_disk_stops_no_image_and_heals(site: Site, fill: Callable[[SmallDisk], None], first: int) -> None:
    old, new, newer, last = (tiles(first + row) for row in range(4))
    before = site.kept()
    assert site.wrong([*INFORMATION, *old]) == []
    assert wait_until(lambda: len(site.kept() - before) >= len(NAMES))
    before = site.kept_in_peace()

    fill(site.disk)
    assert site.wrong([*INFORMATION, *old, *new]) == []
    assert site.kept() <= before
    site.node.stop()
    site.node.start()  # with nothing in memory, and no room for what a start writes
    fill(site.disk)  # whoever ended and began may have removed files of its own
    assert site.wrong([*INFORMATION, *old, *new, *newer]) == []
    assert site.kept() <= before

    site.disk.free()

    def is_kept_again() -> bool:
        assert site.wrong(last) == []
        return len(site.kept() - before) >= len(NAMES)

    assert wait_until(is_kept_again, 90)
    assert site.wrong([*INFORMATION, *old, *new, *newer, *last]) == []
    held, files = site.held(), site.kept()
    assert held[0] >= sum(path.stat().st_size for path in files), "what is kept is on the books"
    assert held[1] >= len(files)
    swept = site.held(sweep=True)
    assert swept[1] == len(site.kept()) + site.folders_of_images()
    assert held[1] - swept[1] <= len(NAMES), "the books were about right before they were made anew"
    assert not any((site.entries.parent / "temporary").iterdir())
