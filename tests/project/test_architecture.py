"""The walls hold: who may import whom, and what a module may do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(path for folder in ("images", "caching", "iiifserver") for path in (PROJECT / folder).rglob("*.py"))


def test_import_contracts() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_the_core_imports_without_django() -> None:
    modules = "images.iiif.information, images.iiif.canonical, images.indexes.sniff"
    code = f"import sys, {modules}; assert 'django' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


# Decoder processes are started with an environment that their parent writes.
MAY_READ = {"iiifserver/env.py", "iiifserver/settings/test.py", "images/decoders/spawning.py"}
OTHERS = [path for path in MODULES if str(path.relative_to(PROJECT)) not in MAY_READ]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_env_reads_the_environment(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        is_environ = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        assert not is_environ, f"line {getattr(node, 'lineno', '?')} reads the environment"


def test_no_file_of_a_forbidden_name() -> None:
    forbidden = {"utils.py", "helpers.py", "common.py", "manager.py"}
    assert [path for path in MODULES if path.name in forbidden] == []
