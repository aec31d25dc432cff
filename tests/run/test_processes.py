"""The launcher as a process among processes: starting, restarting, stopping, being killed."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from images.selectors.gallery import ImageCard
from images.views.pages import gallery_card
from tests.run.conftest import Run, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

Start = Callable[..., Run]


def test_announces_the_addresses_and_the_password(start: Start) -> None:
    run = start()
    run.wait_for("Samples are ready")
    for words in (f"http://127.0.0.1:{run.port}/\n", "/iiif/3/map/info.json", "password swordfish"):
        assert words in run.text


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_announces_an_image_that_is_there(start: Start, tmp_path: Path, command: str) -> None:
    card = ImageCard("maps/old town.tif", "Old town", "ready", 600, 400, "tiff", "", 1)
    page = render_to_string("images/_card.html", {"card": gallery_card(card), "first": 1})
    run = start(command, "--images", str(tmp_path), TEST_GALLERY=page)
    run.wait_for("Data, logs")
    assert f"http://127.0.0.1:{run.port}/iiif/3/maps%2Fold%20town.tif/info.json\n" in run.text


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_announces_no_image_where_none_is_there_yet(start: Start, tmp_path: Path, command: str) -> None:
    run = start(command, "--images", str(tmp_path))
    run.wait_for("Data, logs")
    assert f"http://127.0.0.1:{run.port}/\n" in run.text
    assert "info.json" not in run.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_with_status_0(start: Start, number: signal.Signals) -> None:
    run = start()
    run.wait_for("Samples are ready")
    assert len(run.descendants()) >= 4
    run.process.send_signal(number)
    assert run.wait() == 0
    assert run.descendants() == set()
    assert "Stopped." in run.text


def test_a_killed_launcher_leaves_no_process(start: Start) -> None:
    run = start()
    run.wait_for("Samples are ready")
    run.process.kill()
    run.wait()
    wait_until(lambda: not run.descendants(), 10)
    assert run.descendants() == set()


def test_a_start_after_a_kill_waits_for_what_was_left(start: Start) -> None:
    killed = start()
    killed.wait_for("Ready")
    killed.process.kill()
    again = start(PORT=str(killed.port))
    again.wait_for("Ready")


def test_a_second_start_on_the_same_data_is_refused(start: Start) -> None:
    first = start()
    first.wait_for("Ready")
    second = start()
    assert second.wait() == 1
    assert f"Already running with this data directory: http://127.0.0.1:{first.port}" in second.text


def test_a_service_that_ends_is_started_again(start: Start) -> None:
    run = start("serve", TEST_CELERY_FAILS="yes")
    run.wait_for("worker ended (exit status 7), starts again in 1 s")
    run.wait_for("worker ended (exit status 7), starts again in 2 s")


def test_the_children_of_a_killed_service_are_ended(start: Start) -> None:
    run = start("serve")
    run.wait_for("Ready")
    web = [pid for pid in run.descendants() if b"granian" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    before = run.descendants()
    os.kill(web[0], signal.SIGKILL)
    run.wait_for("web ended (SIGKILL)")
    run.wait_for("starts again in 1 s")
    wait_until(lambda: len(run.descendants()) >= len(before), 10)
    after = run.descendants()
    assert len(before - after) == 2  # the server and its stubborn child
    assert len(after) == len(before)


def test_a_killed_keeper_is_replaced(start: Start) -> None:
    run = start("serve")
    run.wait_for("a line of trouble")
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
    others = {int(pid) for pid in children.read_text().split()}
    keeper = others - run.descendants()
    assert len(keeper) == 1
    os.kill(keeper.pop(), signal.SIGKILL)

    def is_replaced() -> bool:
        return bool({int(pid) for pid in children.read_text().split()} - run.descendants() - others)

    wait_until(is_replaced, 5)
    assert is_replaced()
    run.process.kill()
    run.wait()
    wait_until(lambda: not run.descendants(), 10)
    assert run.descendants() == set()


def test_a_web_server_that_cannot_start_is_given_up(start: Start) -> None:
    run = start(TEST_WEB_FAILS="yes")
    assert run.wait() == 1
    assert "The web server does not start (exit status 1)." in run.text
    assert "no such application" in run.text
    assert run.descendants() == set()


def test_a_port_in_use_is_one_line_before_anything_starts(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = start(PORT=str(port))
        assert run.wait() == 1
    assert run.text.startswith(f"./run: Port {port} is in use. Choose another: PORT=")
    assert run.text.count("\n") == 1


def test_shows_trouble_only_unless_asked_for_all(start: Start) -> None:
    run = start("serve")
    run.wait_for("a line of trouble")
    assert "a plain line" not in run.text
    assert "a plain line" in (run.data_dir / "logs" / "web.log").read_text()


def test_verbose_shows_every_line(start: Start) -> None:
    start("serve", "--verbose").wait_for("a plain line")


def test_a_failed_ingest_says_why(start: Start) -> None:
    run = start("serve", "--images", __file__)
    run.wait_for("ingest failed (exit status 3).")
    run.wait_for(f"got {__file__}")
    run.wait_for("nothing worked")


def test_an_image_that_does_not_exist_is_refused(start: Start) -> None:
    run = start("--images", "/nonexistent/image.jp2")
    assert run.wait() == 1
    assert "There is no such file or folder: /nonexistent/image.jp2" in run.text


def test_a_database_that_cannot_be_prepared_stops_the_start(start: Start) -> None:
    run = start("serve", TEST_BOOTSTRAP_FAILS="yes")
    assert run.wait() == 1
    assert "The database could not be prepared:\n    no such database" in run.text
    assert run.descendants() == set()


def test_a_start_without_changes_checks_the_database_beside_the_server(start: Start) -> None:
    first = start("serve")
    first.wait_for("Ready")
    first.process.terminate()
    assert first.wait() == 0
    again = start("serve", TEST_BOOTSTRAP_FAILS="yes")
    again.wait_for("password swordfish")
    again.wait_for("bootstrap failed (exit status 1).")
    assert again.process.poll() is None


def test_what_a_start_keeps_holds_no_secret(start: Start) -> None:
    run = start("serve", DATABASE_URL="postgres://user:hunter2@db/images", IIIF_ADMIN_PASSWORD="hunter3")
    run.wait_for("Ready")
    kept = "".join(path.read_text(errors="replace") for path in run.data_dir.rglob("*.json"))
    assert "hunter" not in kept
