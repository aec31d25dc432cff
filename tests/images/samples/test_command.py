"""`manage.py make_samples`: what was made is registered, whatever else went wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from images.models import Image
from images.samples.catalogue import SAMPLES

PRETENDED = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[3]); folder.mkdir(parents=True, exist_ok=True)
path = folder / "one.jpg"; path.write_bytes({picture!r})
print(json.dumps({{"identifier": "one", "label": "One", "path": str(path)}}))
sys.exit({status})
"""


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: LazySettings) -> Callable[[int], None]:
    """Puts a script in the place of the process that draws."""
    settings.IIIF_DATA_DIR = tmp_path

    def pretend(status: int) -> None:
        script = tmp_path / "draw"
        script.write_text(f"#!{sys.executable}\n" + PRETENDED.format(picture=b"no picture", status=status))
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return pretend


@pytest.mark.django_db
@pytest.mark.parametrize("status", [0, 1])
def test_registers_what_was_made(
    pretend: Callable[[int], None], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(status)
    if status:
        with pytest.raises(CommandError, match="could not be made"):
            call_command("make_samples")
    else:
        call_command("make_samples")
        assert "ready: one" in capsys.readouterr().out
    assert Image.objects.get().identifier == "one"


def test_the_drawing_process_tells_what_is_there(tmp_path: Path) -> None:
    for sample in SAMPLES:
        (tmp_path / sample.file_name).write_bytes(b"made before")
    argv = [sys.executable, "-m", "images.samples", str(tmp_path)]
    finished = subprocess.run(argv, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in finished.stdout.splitlines()]
    assert {row["identifier"] for row in told} == {sample.identifier for sample in SAMPLES}
    assert all(Path(row["path"]).parent == tmp_path for row in told)
