"""This server, started with the very command of `./run serve`, on data of its own."""

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.commands import run
from benchmarks.corpus import BIG_RECIPES, RECIPES, Corpus
from benchmarks.environment import ROOT
from benchmarks.servers import HOST, Server, free_port

VARIANTS = {
    "ours": "as it comes: index, metatiles",
    "cores": "the same with one web process a core, as operations.md advises for many viewers",
    "layers": "as it comes, fewer quality layers at reduced levels",
    "single": "index, one tile at a time",
    "plain": "no index, no metatiles, no pass-through: the ordinary region decode",
}


class Ours(Server):
    """A variant of this server; each is a settings module beside this file."""

    files = frozenset(recipe.name for recipe in (*RECIPES, *BIG_RECIPES))

    def __init__(self, corpus: Corpus, work: Path, variant: str = "ours") -> None:
        self.name = variant
        super().__init__(corpus, work)
        self._data = self.work / "data"
        self._laid_aside = 0

    def prepare(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        environment = self.environment()
        python = Path(sys.executable)
        run([python, "manage.py", "bootstrap"], cwd=ROOT, environment=environment)
        known = [(recipe.name, self.corpus.find(recipe.name)) for recipe in (*RECIPES, *BIG_RECIPES)]
        table = self._data / "images.csv"
        table.write_text("".join(["identifier,source\n", *(f"{name},{path}\n" for name, path in known if path)]))
        run([python, "manage.py", "ingest", "--wait", "--csv", table], cwd=ROOT, environment=environment)
        # No worker runs here that would take up what ingest asks for.
        run([python, "-m", "benchmarks.thumbnails_script"], cwd=ROOT, environment=environment)
        # What ingest made in advance, such as levels that are kept, is part of a cold start.
        cache = self._data / "cache"
        if cache.exists():
            shutil.copytree(cache, self._data / "cache-cold")

    def start(self, *, cold: bool = True) -> None:
        if cold:
            cache, kept = self._data / "cache", self._data / "cache-cold"
            self._lay_aside(cache)
            if kept.exists() and not self.starts_empty:
                shutil.copytree(kept, cache)
        self.port = free_port()
        launcher = load_launcher()
        environment = self.environment()
        settings = launcher.read_settings(environment, demo=False)
        self.launch(launcher.web_command(settings), cwd=ROOT, environment=environment)
        self.wait_until_ready("/healthz")

    def _lay_aside(self, cache: Path) -> None:
        """Files are not removed just before others are made: ext4 would look for inodes among those that it spares."""
        if cache.exists():
            self._laid_aside += 1
            cache.rename(self._data / f"cache-{self._laid_aside}")

    def path(self, file: str, request: str) -> str:
        return f"/iiif/3/{file}/{request}"

    def version(self) -> str:
        revision = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return f"{revision.stdout.strip() or 'this folder'}: {VARIANTS.get(self.name, self.name)}"

    def data_folder(self) -> Path:
        return self._data

    def manage(self, *words: str | Path) -> str:
        """Runs `manage.py` on this server's data and settings."""
        return run([sys.executable, "manage.py", *words], cwd=ROOT, environment=self.environment())

    def environment(self) -> dict[str, str]:
        """Of its processes; also of a command that works on its data."""
        unwanted = {"REDIS_URL", "DATABASE_URL", "SECRET_KEY", "IIIF_BASE_URL", "WEB_WORKERS", "WEB_THREADS"}
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        environment |= {"IIIF_DATA_DIR": str(self._data), "HOST": HOST, "PORT": str(self.port or 8000)}
        launcher = load_launcher()
        if self.name == "cores":
            environment["WEB_WORKERS"] = str(os.cpu_count() or 1)
        settings = launcher.read_settings(environment, demo=False)
        environment = settings.environment(environment)
        # Decoder processes read their limits from it too.
        environment["DJANGO_SETTINGS_MODULE"] = f"benchmarks.settings_{self.name}"
        return dict(environment)


def load_launcher() -> ModuleType:
    """The file `run`, whose name is no module's."""
    if "run_launcher" in sys.modules:
        return sys.modules["run_launcher"]
    loader = importlib.machinery.SourceFileLoader("run_launcher", str(ROOT / "run"))
    spec = importlib.util.spec_from_loader("run_launcher", loader)
    if spec is None:
        raise ImportError("run")
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_launcher"] = module
    loader.exec_module(module)
    return module
