"""What the command line says where things are not as a command would like them."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def start(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "IIIF_DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}
    environment |= {"DJANGO_SETTINGS_MODULE": "iiifserver.settings.development"}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_who_has_seen_enough_of_the_output_is_told_nothing_more(tmp_path: Path) -> None:
    with start(tmp_path, "diffsettings", "--all") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141


def test_a_database_without_tables_is_said_in_words(tmp_path: Path) -> None:
    with start(tmp_path, "compliance") as process:
        out, complaint = process.communicate(timeout=60)
    assert out == ""
    assert complaint.splitlines() == [
        "The database answered with an error: no such table: images_profile",
        "Is it there, and has `migrate` been run?",
    ]
    with start(tmp_path, "compliance", "--traceback") as process:
        _out, complaint = process.communicate(timeout=60)
    assert "Traceback" in complaint
    with start(tmp_path, "migrate", "--check") as process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert "has `migrate` been run" not in process.stderr.read()
