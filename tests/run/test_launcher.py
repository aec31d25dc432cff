"""The pure parts of the launcher, and its command line."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.run.conftest import LAUNCHER


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, LAUNCHER, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "-h"], ["serve", "-h"], ["test", "-h"], ["check", "-h"]])
def test_help_of_every_command(arguments: list[str]) -> None:
    answer = call(*arguments)
    assert answer.returncode == 0
    assert answer.stdout.startswith("usage: ./run")


@pytest.mark.parametrize("arguments", [["sevre"], ["demo", "--imagse", "a.jp2"], ["serve", "a.jp2"], ["--images"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    answer = call(*arguments)
    assert answer.returncode == 2
    assert "error:" in answer.stderr


def test_the_demonstration_is_the_default(launcher: ModuleType) -> None:
    assert launcher.parse_arguments([]).command == "demo"
    arguments = launcher.parse_arguments(["--images", "a.jp2", "dir/"])
    assert (arguments.command, arguments.images) == ("demo", ["a.jp2", "dir/"])


def test_pytest_gets_what_follows_test(launcher: ModuleType) -> None:
    assert launcher.parse_arguments(["test", "-k", "tiles", "-x"]).rest == ["-k", "tiles", "-x"]


@pytest.mark.parametrize("text", ["0", "-1", "65536", "http", "8000.0", "８０００"])
def test_a_port_must_be_a_number(launcher: ModuleType, text: str) -> None:
    with pytest.raises(launcher.RunError, match="PORT must be a number from 1 to 65535"):
        launcher.read_settings({"PORT": text}, demo=True)


def test_the_embedded_default_needs_no_environment(launcher: ModuleType) -> None:
    settings = launcher.read_settings({}, demo=False)
    assert settings.url == "http://127.0.0.1:8000"
    assert settings.data_dir == LAUNCHER.parent / "var"
    assert settings.settings_module == "iiifserver.settings.development"
    assert settings.web_workers == 1


def test_a_secret_key_means_production_except_for_the_demonstration(launcher: ModuleType) -> None:
    environment = {"SECRET_KEY": "x"}
    assert launcher.read_settings(environment, demo=False).settings_module == "iiifserver.settings.production"
    assert launcher.read_settings(environment, demo=True).settings_module == "iiifserver.settings.development"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_url_is_one_that_a_browser_can_open(launcher: ModuleType, host: str, url: str) -> None:
    assert launcher.read_settings({"HOST": host}, demo=True).url == url


@pytest.mark.parametrize(
    "line",
    [
        "[WARNING] from granian",
        "[2026-11-21 00:00:00,000: ERROR/MainProcess] from celery",
        "2026-11-21T00:42:37.078989Z [error    ] from structlog",
        '{"event": "from structlog", "level": "error"}',
        "Traceback (most recent call last):",
        "kombu.exceptions.OperationalError: no",
    ],
)
def test_trouble_is_recognised(launcher: ModuleType, line: str) -> None:
    assert launcher.Log.TROUBLE.search(line)


@pytest.mark.parametrize("line", ["[INFO] started", "2026 [info     ] 0 errors, no warning", "ERRORS_SHOWN=1"])
def test_the_rest_stays_in_the_file(launcher: ModuleType, line: str) -> None:
    assert not launcher.Log.TROUBLE.search(line)


def test_a_long_log_keeps_one_older_file(launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "LOG_BYTES", 100)
    log = launcher.Log(tmp_path / "web.log", verbose=False)
    log.file.write(b"x" * 101)
    log.file.flush()
    log.bound()
    log.file.write(b"new")
    log.file.flush()
    assert log.path.read_bytes() == b"new"
    assert (tmp_path / "web.log.1").read_bytes() == b"x" * 101
    log.file.close()


def test_restart_delays_double_up_to_half_a_minute(launcher: ModuleType, tmp_path: Path) -> None:
    log = launcher.Log(tmp_path / "web.log", verbose=False)
    child = launcher.Child("web", ["true"], {}, log)
    delays = []
    for child.failures in range(8):
        delays.append(child.restart_delay())
    log.file.close()
    assert delays == [1, 1, 2, 4, 8, 16, 30, 30]


def test_requirements_are_pinned_with_hashes_and_name_no_registry() -> None:
    for path in (LAUNCHER.parent / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        for pinned in re.split(r"\n(?=[a-z])", text):
            assert "--hash=sha256:" in pinned, pinned[:60]


def test_the_npm_lock_names_no_registry() -> None:
    assert '"resolved"' not in (LAUNCHER.parent / "package-lock.json").read_text()


def test_packages_of_the_runtime_are_pinned_alike_for_development() -> None:
    def pins(name: str) -> set[str]:
        text = (LAUNCHER.parent / "requirements" / name).read_text()
        return set(re.findall(r"^([a-z][\w.-]*==[^\s;]+)", text, re.MULTILINE))

    assert pins("base.txt") <= pins("dev.txt")


def test_the_packaged_libvips_is_put_back(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "VENV", tmp_path)
    calls: list[tuple[str, tuple[str, ...]]] = []

    def install(_installer: object, requirements: Path, *options: str) -> None:
        calls.append((requirements.read_text(), options))

    monkeypatch.setattr(launcher, "install", install)
    record = tmp_path / "lib" / "python3.11" / "site-packages" / "pyvips-3.2.0.dist-info" / "RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("pyvips/__init__.py,,\n")
    launcher.keep_packaged_libvips(object())
    assert calls == []
    record.write_text("_libvips.abi3.so,,\n")
    launcher.keep_packaged_libvips(object())
    ((pinned, options),) = calls
    assert re.match(r"pyvips-binary==\S+ \\\n    --hash=sha256:", pinned)
    assert not re.search(r"^(?!pyvips-binary)\w", pinned, re.MULTILINE)
    assert options == ("--force-reinstall", "--no-deps")
