"""The examples under deploy/ keep up with the server."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management import get_commands

PROJECT = Path(__file__).resolve().parent.parent.parent
DEPLOY = PROJECT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
VARIABLES = set(re.findall(r'_env\.\w+\(\s*"([A-Z_]+)"', (PROJECT / "iiifserver" / "env.py").read_text()))
VARIABLES |= {"DATABASE_URL"}


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def commands() -> dict[str, list[str]]:
    """Of the units and of the compose file, by where they stand."""
    found = {}
    for unit in UNITS:
        line = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        assert line is not None
        found[unit.name] = shlex.split(line[1])
    for name, service in compose()["services"].items():
        if service.get("image") == "iiifserver":
            found[f"compose {name}"] = service["command"]
    return found


def test_every_variable_is_one_of_the_servers() -> None:
    named = re.findall(r"^([A-Z_]+)=", (DEPLOY / "environment").read_text(), re.MULTILINE)
    named += compose()["x-server"]["environment"]
    assert len(named) > 15
    assert set(named) - VARIABLES == set()


def test_every_setting_that_a_comment_names_is_there() -> None:
    for path in (path for path in DEPLOY.rglob("*") if path.is_file()):
        for name in re.findall(r"\b(?:IIIF|DECODE)_[A-Z_]+", path.read_text()):
            assert hasattr(settings, name) or name in VARIABLES, f"{path.name} names {name}"


def test_every_command_is_there_and_asks_for_every_queue() -> None:
    found = commands()
    assert len(found) == 8
    queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    for where, words in found.items():
        program = Path(words[0]).name
        assert program in {"python", "granian", "celery"}, where
        if program == "python":
            assert words[1] == "manage.py"
            assert words[2] in get_commands()
        elif program == "granian":
            assert words[-1] == "iiifserver.wsgi:application"
        elif "worker" in words:
            assert set(words[words.index("--queues") + 1].split(",")) == queues, where


def test_the_manual_says_the_same() -> None:
    """The options of the three processes, in whatever values."""
    manual = (PROJECT / "docs" / "operations.md").read_text()
    for where, words in commands().items():
        for option in (word for word in words if word.startswith("--")):
            assert option in manual, f"{where}: {option}"


def test_what_the_image_is_built_of_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (PROJECT / source).exists(), source
