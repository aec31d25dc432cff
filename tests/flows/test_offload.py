"""A real nginx, as deploy/nginx.conf has it, before a real server: what it sends by itself, and what it must not."""

import http.client
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.conftest import gradient, png_bytes
from tests.support.nginx import Nginx
from tests.support.nodes import nodes
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import PROJECT, Answer, ProductServer, wait_until
from tests.support.services import needed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("offload")]

TILE = "0,0,512,512/512,512/0/default.jpg"
SAME = (
    "Content-Type", "Content-Length", "Cache-Control", "Link", "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers", "Content-Security-Policy", "Cross-Origin-Resource-Policy",
    "X-Content-Type-Options",
)  # fmt: skip


def configuration(server: ProductServer) -> str:
    """The example without TLS, on the test's ports and folders."""
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    text = re.sub(r"^ *ssl_certificate.*\n", "", text, flags=re.MULTILINE)
    for example, here in (
        ("listen 443 ssl http2;", "listen 127.0.0.1:{port};"),
        ("127.0.0.1:8000", server.host),
        ("/var/lib/iiif", str(server.data_dir)),
    ):
        assert example in text
        text = text.replace(example, here)
    return text


@dataclass
class Site:
    server: ProductServer
    nginx: Nginx
    folder: Path

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """The path exactly as it is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.nginx.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def add(self, identifier: str, seed: int = 0, size: tuple[int, int] = (1200, 900)) -> Path:
        source = self.folder / f"{len(list(self.folder.iterdir()))}.png"
        source.write_bytes(png_bytes(gradient(*size, seed=seed)))
        self.server.ingest(str(source), "--id", identifier)
        return source

    def passed(self) -> int:
        """Answers that the server has given below /iiif/; an answer may arrive a moment before it is counted."""
        counted: list[int] = []

        def is_settled() -> bool:
            counted.append(self._counted())
            return counted[-3:] == [counted[-1]] * 3

        assert wait_until(is_settled, 10)
        return counted[-1]

    def _counted(self) -> int:
        families = text_string_to_metric_families(self.server.get("/metrics").body.decode())
        samples = [sample for family in families for sample in family.samples]
        return int(sum(sample.value for sample in samples if sample.name == "iiif_request_seconds_count"))

    def is_published(self, path: str) -> bool:
        """Whether nginx sends it by itself: its ETags are shorter."""
        return len(self.get(path).headers["ETag"] or "") < 30

    def publish(self, path: str) -> Answer:
        first = self.get(path)
        assert first.status == 200, first.body
        assert wait_until(lambda: self.is_published(path), 10), path
        return first


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("offload")
    (folder / "sources").mkdir()
    settings = {"IIIF_OFFLOAD_SECONDS": 600.0}
    environment = {"IIIF_OFFLOAD": "published", "TRUSTED_PROXIES": "127.0.0.1/32"}
    with ProductServer(folder / "data", environment, settings) as server, Nginx(configuration(server)) as nginx:
        site = Site(server, nginx, folder / "sources")
        site.add("picture")
        yield site


@pytest.mark.parametrize(
    "path",
    [
        f"/iiif/3/picture/{TILE}",
        "/iiif/3/picture/0,0,512,512/max/0/default.jpg",
        "/iiif/3/picture/512,0,512,512/512,512/0/default.jpg?v=1",
        "/iiif/3/picture/0,0,1024,900/512,450/0/default.jpg",
        "/iiif/3/picture/full/max/0/default.jpg",
        "/iiif/3/picture/full/200,150/0/default.png",
        "/iiif/2/picture/0,0,512,512/512,/0/default.jpg",
        "/iiif/2/picture/full/200,/0/default.jpg",
        "/iiif/picture/512,512,512,388/512,388/0/default.jpg",
    ],
)
def test_what_was_kept_is_sent_by_nginx_alone_with_the_headers_of_the_server(site: Site, path: str) -> None:
    first = site.publish(path)
    before = site.passed()
    second = site.get(path)
    assert site.passed() == before
    assert second.status == 200
    assert second.body == first.body
    assert {name: second.headers[name] for name in SAME} == {name: first.headers[name] for name in SAME}
    assert first.headers["Content-Disposition"].startswith("inline")
    assert second.headers["Content-Disposition"] == "inline"


def test_conditions_ranges_and_other_methods(site: Site) -> None:
    path = f"/iiif/3/picture/{TILE}"
    site.publish(path)
    whole = site.get(path)
    before = site.passed()
    head = site.get(path, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))
    for condition in (
        {"If_None_Match": whole.headers["ETag"]},
        {"If_Modified_Since": whole.headers["Last-Modified"]},
    ):
        unchanged = site.get(path, **condition)
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["Access-Control-Allow-Origin"] == "*"
        assert unchanged.headers["Cache-Control"] == whole.headers["Cache-Control"]
    assert site.get(path, If_None_Match='"other"').body == whole.body
    part = site.get(path, Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert site.passed() == before
    assert site.get(path, "OPTIONS").status == 204
    assert site.get(path, "POST").status == 405
    assert site.get(path + "?download").headers["Content-Disposition"].startswith("attachment")
    assert site.passed() == before + 3


@pytest.mark.parametrize(
    ("identifier", "encoded"),
    [
        ("maps/a 1/ü.tif", "maps%2Fa%201%2F%C3%BC.tif"),
        ("a//b", "a%2F%2Fb"),
        ("ark:/12148/btv1b;x=1,2", "ark:%2F12148%2Fbtv1b;x=1,2"),
        ("100%25 %2F [x]?#@", "100%2525%20%252F%20%5Bx%5D%3F%23%40"),
        ("live", "live"),
    ],
)
def test_identifiers_of_all_kinds(site: Site, identifier: str, encoded: str) -> None:
    site.add(identifier, size=(300, 200))
    path = f"/iiif/3/{encoded}/full/150,100/0/default.jpg"
    first = site.publish(path)
    before = site.passed()
    second = site.get(path)
    assert second.body == first.body
    assert second.headers["Link"] == first.headers["Link"]
    assert site.passed() == before
    raw = path.replace("%2F", "/")
    if raw != path:
        assert site.get(raw).body == first.body
        assert site.passed() == before + 1, "other spellings are the server's"


def test_names_that_no_file_can_have_go_to_the_server(site: Site) -> None:
    for identifier in ("x" * 300, ".hidden"):
        site.add(identifier, size=(300, 200))
        path = f"/iiif/3/{identifier}/full/150,100/0/default.jpg"
        before = site.passed()
        assert [site.get(path).status for _ in range(3)] == [200] * 3
        assert site.passed() == before + 3


@pytest.mark.parametrize(
    "path",
    [
        "/iiif/3/../../v/full/max/0/default.jpg",
        "/iiif/3/%2e%2e/full/max/0/default.jpg",
        "/iiif/3/..%2f..%2fsecret-key/full/max/0/default.jpg",
        "/iiif/3/picture%2f..%2fpicture/full/max/0/default.jpg",
        "/iiif/3/picture/../0,0,512,512/512,512/0/default.jpg",
        "/iiif/3/picture/0,0,512,512/../../0/default.jpg",
        "/iiif/3/..\\..\\secret-key/full/max/0/default.jpg",
        "/iiif/3/%00/full/max/0/default.jpg",
        "/iiif/3/picture%00/full/max/0/default.jpg",
        "/iiif/3/.part/full/max/0/default.jpg",
        "/live/picture/as3/0,0,512,512/512,512/0/default.jpg",
        "/static/../secret-key",
        "/static/%2e%2e/secret-key",
        "/static..%2fsecret-key",
    ],
)
def test_no_path_leads_out_of_the_tree(site: Site, path: str) -> None:
    site.publish(f"/iiif/3/picture/{TILE}")
    secret = (site.server.data_dir / "secret-key").read_bytes()
    answer = site.get(path)
    assert answer.status in (400, 403, 404)
    assert secret not in answer.body


def test_a_replaced_source_a_changed_record_and_a_deleted_image_are_seen_at_once(site: Site) -> None:
    source = site.add("changing", seed=1)
    path = f"/iiif/3/changing/{TILE}"
    old = site.publish(path).body
    new = source.with_suffix(".new")
    new.write_bytes(png_bytes(gradient(1200, 900, seed=200)))
    new.replace(source)
    site.server.ingest(str(source), "--id", "changing")
    assert wait_until(lambda: site.get(path).body not in (old, b""), 2)
    assert wait_until(lambda: site.is_published(path), 10)
    fresh = site.get(path)
    assert fresh.body != old
    code = "from images.models import Image; Image.objects.get(identifier='changing').delete()"
    site.server.manage("shell", "-c", code)
    assert wait_until(lambda: site.get(path).status == 404, 2)


def test_a_change_of_the_profile_is_seen_at_once(site: Site) -> None:
    path = "/iiif/3/picture/0,0,1024,900/256,225/0/default.jpg"
    old = site.publish(path).body
    code = "from images.models import Profile; Profile.objects.create(name='low', jpeg_quality=20, is_default=True)"
    try:
        site.server.manage("shell", "-c", code)
        assert wait_until(lambda: len(site.get(path).body) < len(old), 3)
        assert wait_until(lambda: site.is_published(path), 10)
        assert len(site.get(path).body) < len(old)
    finally:
        site.server.manage("shell", "-c", "from images.models import Profile; Profile.objects.all().delete()")
    assert wait_until(lambda: site.get(path).body == old, 10)  # the next test begins with what is served by then


def test_what_was_removed_is_asked_for_behind_and_comes_back(site: Site) -> None:
    path = "/iiif/3/picture/512,0,512,512/512,512/0/default.jpg"
    body = site.publish(path).body
    files = list((site.server.data_dir / "cache" / "offload" / "v").rglob("512,0,512,512/512,512/0/default.jpg"))
    assert files
    for file in files:
        file.unlink()
    before = site.passed()
    assert site.get(path).body == body
    assert site.passed() == before + 1
    assert wait_until(lambda: site.is_published(path), 10)


def test_a_purge_takes_away_what_was_published(site: Site) -> None:
    path = f"/iiif/3/picture/{TILE}"
    site.publish(path)
    site.server.manage("purge_cache", "picture")
    before = site.passed()
    assert site.get(path).status == 200
    assert site.passed() == before + 1


def test_the_static_files_and_the_rest(site: Site) -> None:
    assert site.get("/static/images/icon.svg").status == 200
    assert site.get("/").status == 200
    assert site.get("/iiif/3/picture/info.json").json()["id"] == f"http://127.0.0.1:{site.nginx.port}/iiif/3/picture"
    assert site.get("/admin/").status == 302


def test_without_the_server_published_tiles_go_on(site: Site) -> None:
    path = f"/iiif/3/picture/{TILE}"
    body = site.publish(path).body
    site.server.stop()
    try:
        assert site.get(path).body == body
    finally:
        site.server.start()


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "iiif.example.org")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    (folder / "cert").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))


def test_nginx_takes_the_example_as_it_is_but_for_the_certificate(tmp_path: Path) -> None:
    program = needed("nginx")
    write_certificate(tmp_path)
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    text = text.replace("/etc/ssl/iiif/fullchain.pem", str(tmp_path / "cert"))
    text = text.replace("/etc/ssl/iiif/privkey.pem", str(tmp_path / "key")).replace(
        "listen 443", "listen 127.0.0.1:8443"
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(f"{user} pid {tmp_path}/pid; events {{}} http {{ {text} }}")
    tested = subprocess.run(
        [program, "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", tmp_path / "errors"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


def test_another_host_hears_of_a_change(tmp_path: Path, postgres: Postgres, redis_server: Redis) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    settings = {"IIIF_OFFLOAD": "published", "IIIF_OFFLOAD_SECONDS": 600.0}
    with (
        nodes(tmp_path, 2, redis=redis_server, postgres=postgres, settings=settings) as (first, second),
        Nginx(configuration(first)) as near,
        Nginx(configuration(second)) as far,
    ):
        here, there = Site(first, near, folder), Site(second, far, folder)
        source = here.add("picture")
        path = f"/iiif/3/picture/{TILE}"
        here.publish(path)
        old = there.publish(path).body
        source.write_bytes(png_bytes(gradient(1200, 900, seed=200)))
        first.ingest(str(source), "--id", "picture")
        assert wait_until(lambda: old not in (here.get(path).body, there.get(path).body), 2)
        assert wait_until(lambda: here.is_published(path) and there.is_published(path), 10)
        assert here.get(path).body == there.get(path).body
        assert here.get(path).headers["ETag"] == there.get(path).headers["ETag"]


def test_a_change_that_nobody_was_told_of_is_seen_when_the_link_ends(tmp_path: Path) -> None:
    settings = {"IIIF_OFFLOAD": "published", "IIIF_OFFLOAD_SECONDS": 1.0}
    with ProductServer(tmp_path / "data", settings=settings) as server, Nginx(configuration(server)) as nginx:
        (tmp_path / "sources").mkdir()
        site = Site(server, nginx, tmp_path / "sources")
        site.add("picture")
        path = f"/iiif/3/picture/{TILE}"
        site.publish(path)
        server.manage("shell", "-c", "from images.models import Image; Image.objects.update(identifier='other')")
        assert wait_until(lambda: site.get(path).status == 404, 5)
