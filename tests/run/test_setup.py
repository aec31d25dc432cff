"""The set-up: which tools it takes, what it skips, and what it does after having been interrupted."""

import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest


class Tools:
    """What the machine has; notes the steps that the launcher takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, launcher: ModuleType, folder: Path) -> None:
        self.present: set[str] = set()
        self.steps: list[str] = []
        self.requirements: list[str] = []
        for name in ("base", "dev", "npm"):
            (folder / f"{name}.txt").write_text(name)
        monkeypatch.setattr(launcher, "REQUIREMENTS", folder)
        monkeypatch.setattr(launcher, "VENV", folder / ".venv")
        monkeypatch.setattr(launcher, "PYTHON", folder / ".venv" / "bin" / "python")
        monkeypatch.setattr(launcher, "run_step", self.run_step)
        monkeypatch.setattr(launcher, "install", self.install)
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in self.present else None)
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: find_spec("json") if name in self.present else None
        )
        self.python = folder / ".venv" / "bin" / "python"

    def run_step(self, argv: Sequence[str | Path]) -> bool:
        words = [str(word) for word in argv]
        self.steps.append(" ".join(words[1:3]))
        if "venv" in words:
            self.python.parent.mkdir(parents=True)
            self.python.write_text("")
            self.python.chmod(0o755)
        return True

    def install(self, installer: object, requirements: Path, *_options: str) -> None:
        self.requirements.append(requirements.name)
        self.installer = installer("-r", "x")  # type: ignore[operator]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, launcher: ModuleType, tmp_path: Path) -> Tools:
    return Tools(monkeypatch, launcher, tmp_path)


@pytest.mark.parametrize(
    ("present", "made_by", "installed_by"),
    [
        ({"uv", "venv", "ensurepip", "pip"}, "venv --python", "uv pip install"),
        ({"venv", "ensurepip", "pip"}, "-m venv", "-m pip install"),
        ({"venv", "pip"}, "-m venv", "-m pip --python"),
    ],
)
def test_takes_the_best_tool_that_there_is(
    launcher: ModuleType, tools: Tools, present: set[str], made_by: str, installed_by: str
) -> None:
    tools.present = present
    launcher.set_up_packages(dev=False)
    assert tools.steps[0] == made_by
    assert installed_by in " ".join(str(word) for word in tools.installer)
    assert tools.requirements == ["base.txt"]


def test_says_what_to_install_where_no_tool_is(launcher: ModuleType, tools: Tools) -> None:
    with pytest.raises(launcher.RunError, match=r"apt install python3\.\d+-venv"):
        launcher.set_up_packages(dev=False)


def test_a_finished_set_up_is_not_repeated(launcher: ModuleType, tools: Tools) -> None:
    tools.present = {"uv"}
    launcher.set_up_packages(dev=True)
    launcher.set_up_packages(dev=True)
    launcher.set_up_packages(dev=False)
    assert tools.requirements == ["dev.txt"]


def test_changed_requirements_are_installed(launcher: ModuleType, tools: Tools, tmp_path: Path) -> None:
    tools.present = {"uv"}
    launcher.set_up_packages(dev=False)
    (tmp_path / "base.txt").write_text("newer")
    launcher.set_up_packages(dev=False)
    launcher.set_up_packages(dev=True)
    assert tools.requirements == ["base.txt", "base.txt", "dev.txt"]
    assert set(json.loads((tmp_path / ".venv" / "setup.json").read_text())) == {"base", "dev"}


def test_an_interrupted_set_up_starts_afresh(
    launcher: ModuleType, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.present = {"uv"}

    def be_interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launcher, "install", be_interrupted)
        with pytest.raises(KeyboardInterrupt):
            launcher.set_up_packages(dev=False)
    (tmp_path / ".venv" / "half").touch()
    launcher.set_up_packages(dev=False)
    assert not (tmp_path / ".venv" / "half").exists()
    assert tools.requirements == ["base.txt"]


def test_the_viewer_is_there_for_this_lock_file_only(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "ROOT", tmp_path)
    monkeypatch.setattr(launcher, "NODE_MODULES", tmp_path)
    monkeypatch.setattr(launcher, "VENV", tmp_path)
    monkeypatch.setattr(launcher, "VIEWER", tmp_path / "viewer.js")
    lock = tmp_path / "package-lock.json"
    lock.write_text("{}")
    assert not launcher.viewer_is_ready(viewers=False)
    launcher.VIEWER.touch()
    launcher.write_stamp(tmp_path / "setup.json", {"lock": launcher.file_digest(lock), "dev": "no"})
    assert launcher.viewer_is_ready(viewers=False)
    assert not launcher.viewer_is_ready(viewers=True)
    lock.write_text("{ }")
    assert not launcher.viewer_is_ready(viewers=False)
    (tmp_path / "npm-failed").touch()
    assert launcher.viewer_is_ready(viewers=False)
