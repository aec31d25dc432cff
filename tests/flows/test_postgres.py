"""What is marked `postgres` runs here once more, on PostgreSQL: the same tests, migrations included."""

import os
import subprocess
import sys

import pytest

from tests.support.postgres import Postgres
from tests.support.server import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_marked_tests_pass_on_postgresql(postgres: Postgres) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "IIIF_DATA_"))}
    environment["DATABASE_URL"] = postgres.url()
    chosen = ["-m", "postgres and not sqlite", "-p", "no:cacheprovider", "tests"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *chosen]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_migrations_leave_nothing_to_make_on_postgresql(postgres: Postgres) -> None:
    environment = {**os.environ, "DATABASE_URL": postgres.url()}
    for arguments in (
        ["migrate", "-v", "0"],
        ["makemigrations", "--check", "--dry-run"],
        ["migrate", "images", "zero"],
    ):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
