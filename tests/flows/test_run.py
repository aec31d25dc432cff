"""`./run` as users start it: the real server, on data of its own, from its first start to being killed."""

import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips

from tests.run.conftest import LAUNCHER, Run, free_port, still_alive, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(
        not (LAUNCHER.parent / ".venv" / "setup.json").exists(),
        reason="the virtual environment was not made by ./run",
    ),
]

START_SECONDS = 60
SECOND_START_SECONDS = 3


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "data"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "gradient.png"
    pyvips.Image.xyz(300, 200).extract_band(0).cast("uchar").pngsave(str(path))
    return path


@pytest.fixture(scope="module")
def started(data_dir: Path, picture: Path) -> Iterator[Run]:
    run = Run(LAUNCHER, data_dir, "serve", "--images", str(picture))
    run.wait_for("Ready", START_SECONDS)
    yield run
    run.end()


def fetch(run: Run, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{run.port}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.xdist_group("run")
def test_the_addresses_that_are_announced_answer(started: Run) -> None:
    for path in ("/", "/healthz", "/readyz", "/admin/login/", "/static/openseadragon/openseadragon.min.js"):
        assert fetch(started, path)[0] == 200, path


@pytest.mark.xdist_group("run")
def test_the_image_that_was_named_is_registered_and_served(started: Run) -> None:
    started.wait_for("✓", START_SECONDS)
    information = f"/iiif/3/{registered_identifier(started)}/info.json"
    wait_until(lambda: fetch(started, information)[0] == 200, START_SECONDS)
    status, body = fetch(started, information)
    assert status == 200, body
    assert json.loads(body)["width"] == 300
    assert fetch(started, information.replace("info.json", "full/max/0/default.jpg"))[0] == 200


def registered_identifier(run: Run) -> str:
    for identifier in ("gradient.png", "gradient"):
        if fetch(run, f"/iiif/3/{identifier}/info.json")[0] != 404:
            return identifier
    return "gradient.png"


@pytest.mark.xdist_group("run")
def test_ctrl_c_stops_it_and_the_next_start_has_everything(started: Run, data_dir: Path) -> None:
    identifier = registered_identifier(started)
    wait_until(lambda: fetch(started, f"/iiif/3/{identifier}/info.json")[0] == 200, START_SECONDS)
    started.process.send_signal(signal.SIGINT)
    assert started.wait(30) == 0
    assert started.descendants() == set()
    begun = time.monotonic()
    again = Run(LAUNCHER, data_dir, "serve", PORT=str(free_port()))
    try:
        again.wait_for("Ready", START_SECONDS)
        print(f"second start: {time.monotonic() - begun:.1f} s, wanted: {SECOND_START_SECONDS} s")  # noqa: T201
        assert fetch(again, f"/iiif/3/{identifier}/full/max/0/default.jpg")[0] == 200
    finally:
        again.process.terminate()
        assert again.wait(30) == 0
        again.end()


@pytest.mark.xdist_group("run")
def test_a_kill_leaves_no_process_behind(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    run = Run(LAUNCHER, data_dir, "serve")
    try:
        run.wait_for("Ready", START_SECONDS)
        # Keeper, web server and its worker, task worker, beat, and decoders: the kill must reach grandchildren too.
        wait_until(lambda: len(run.tree()) >= 7, 20)
        tree = run.tree()
        assert len(tree) >= 7
        run.process.kill()
        run.wait()
        wait_until(lambda: not still_alive(tree), 10)
        assert still_alive(tree) == set()
    finally:
        run.end()
