"""Large answers of a real server whose bodies a real nginx sends: X-Accel-Redirect, as deploy/nginx.conf has it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.flows.conftest import png_bytes
from tests.flows.test_offload import Site, configuration
from tests.support.nginx import Nginx
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("offload")]

LARGE = "/iiif/3/noise/full/max/0/default.png"
SAME = (
    "Content-Type", "Content-Length", "Cache-Control", "Link", "ETag", "Last-Modified", "Content-Disposition",
    "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Content-Security-Policy",
    "Cross-Origin-Resource-Policy", "X-Content-Type-Options",
)  # fmt: skip


def noise(seed: int) -> bytes:
    """So that a PNG of it is large: 1.5 MB."""
    pixels = np.random.default_rng(seed).integers(0, 255, (800, 640, 3), dtype=np.uint8)
    return png_bytes(Pillow.fromarray(pixels))


@pytest.fixture(scope="module", name="site")
def fixture_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("accelerated")
    (folder / "sources").mkdir()
    environment = {"IIIF_OFFLOAD": "accel", "TRUSTED_PROXIES": "127.0.0.1/32"}
    with ProductServer(folder / "data", environment) as server, Nginx(configuration(server)) as nginx:
        made = Site(server, nginx, folder / "sources")
        add(made, 1)
        yield made


def add(site: Site, seed: int) -> None:
    (site.folder / "noise.png").write_bytes(noise(seed))
    site.server.ingest(str(site.folder / "noise.png"), "--id", "noise")


def files(site: Site) -> list[Path]:
    root = site.server.data_dir / "cache" / "offload" / "v"
    return [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]


def laid_out(site: Site, path: str = LARGE) -> None:
    """Until the server names a file instead of sending the body: asked without nginx, it does so openly."""
    assert wait_until(lambda: site.server.get(path).headers["X-Accel-Redirect"], 30)


def test_nginx_sends_the_body_with_the_headers_of_the_server(site: Site) -> None:
    first = site.get(LARGE)
    assert first.status == 200
    assert len(first.body) > 1_000_000
    laid_out(site)
    openly = site.server.get(LARGE)
    assert openly.body == b""
    before = site.passed()
    second = site.get(LARGE)
    assert site.passed() == before + 1  # the server has looked at it
    assert second.body == first.body
    assert {name: second.headers.get_all(name) for name in SAME} == {name: first.headers.get_all(name) for name in SAME}
    assert "X-Accel-Redirect" not in second.headers


def test_conditions_ranges_and_head(site: Site) -> None:
    whole = site.get(LARGE)
    laid_out(site)
    assert site.get(LARGE, If_None_Match=whole.headers["ETag"]).status == 304
    assert site.get(LARGE, If_None_Match='"other"').body == whole.body
    assert site.get(LARGE, If_Modified_Since=whole.headers["Last-Modified"]).status == 304
    part = site.get(LARGE, Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, whole.body[1000:2000])
    assert site.get(LARGE, Range="bytes=0-9", If_Range=whole.headers["ETag"]).status == 206
    assert site.get(LARGE, Range="bytes=0-9", If_Range='"other"').body == whole.body
    head = site.get(LARGE, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))
    assert site.get(LARGE + "?download").headers["Content-Disposition"].startswith("attachment")
    assert site.get(LARGE + "?download").body == whole.body


def test_short_bodies_leave_at_once(site: Site) -> None:
    before = files(site)
    for _ in range(3):
        answer = site.server.get("/iiif/3/noise/full/100,125/0/default.jpg")
        assert (answer.status, answer.headers["X-Accel-Redirect"]) == (200, None)
    assert files(site) == before


def test_what_nginx_does_not_find_is_sent_by_the_server(site: Site) -> None:
    whole = site.get(LARGE).body
    laid_out(site)
    elsewhere = configuration(site.server).replace("/cache/offload/v/", "/cache/offload/nowhere/")
    with Nginx(elsewhere) as nginx:
        answer = Site(site.server, nginx, site.folder).get(LARGE)
    assert (answer.status, answer.body) == (200, whole)


def test_nobody_asks_nginx_for_the_files_themselves(site: Site) -> None:
    site.get(LARGE)
    laid_out(site)
    path = site.server.get(LARGE).headers["X-Accel-Redirect"]
    assert path
    assert site.get(path).status == 404


def test_a_replaced_source_is_another_file(site: Site) -> None:
    old = site.get(LARGE).body
    laid_out(site)
    add(site, 2)
    assert wait_until(lambda: site.get(LARGE).body != old, 30)
    fresh = site.get(LARGE).body
    laid_out(site)
    assert site.get(LARGE).body == fresh
    site.server.manage("purge_cache", "noise")
    assert site.get(LARGE).body == fresh
