"""Where benchmarks keep what they make, and the Python environment with what only they need."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from benchmarks.commands import Missing, run

ROOT = Path(__file__).resolve().parent.parent
# pyvips would otherwise be built against a libvips of the system, and replace the one that pyvips-binary brings.
WITHOUT_SYSTEM_LIBVIPS = {"PKG_CONFIG_PATH": "/nonexistent", "PKG_CONFIG_LIBDIR": "/nonexistent"}
REQUIREMENTS = ROOT / "requirements" / "bench.txt"


def data_dir() -> Path:
    return Path(os.environ.get("IIIF_DATA_DIR") or ROOT / "var").expanduser().resolve()


def work_dir() -> Path:
    """Corpus, tools and peers; not removed, since it takes minutes to make them."""
    chosen = os.environ.get("IIIF_BENCH_DIR")
    return Path(chosen).expanduser().resolve() if chosen else data_dir() / "bench"


def tools_python() -> Path:
    """The Python that has the packages of requirements/bench.txt; they are installed on first use.

    Raises:
        Missing: They cannot be installed here.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    folder = work_dir() / "tools"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        run([uv, "venv", "--python", sys.executable, folder])
        installer: list[str | Path] = [uv, "pip", "install", "--python", python]
    else:
        run([sys.executable, "-m", "venv", folder])
        installer = [python, "-m", "pip", "install"]
    try:
        run([*installer, "--require-hashes", "-r", REQUIREMENTS], environment={**os.environ, **WITHOUT_SYSTEM_LIBVIPS})
    except Missing as error:
        raise Missing(f"requirements/bench.txt cannot be installed: {error}") from None
    stamp.write_text(digest)
    return python
