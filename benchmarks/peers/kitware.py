"""large-image (Kitware): tiles of its own sources, in two processes of tornado."""

from pathlib import Path

from benchmarks.commands import run
from benchmarks.environment import tools_python
from benchmarks.servers import Server, free_port

SCRIPT = Path(__file__).with_name("large_image_server.py")
VERSIONS = (
    "from importlib.metadata import version as v; "
    "print(*(f'{name} {v(name)}' for name in ('large-image', 'glymur', 'pylibtiff', 'tornado')), sep=', ')"
)


class LargeImage(Server):
    name = "large-image"
    files = frozenset({"jp2-rpcl-plt", "jp2-rpcl", "jp2-lrcp", "jp2-tiled", "tiff-jpeg", "tiff-deflate", "jpeg-4096"})

    def prepare(self) -> None:
        tools_python()

    def start(self, *, cold: bool = True) -> None:  # noqa: ARG002 - its cache is its memory
        self.port = free_port()
        argv: list[str | Path] = [tools_python(), "-W", "ignore", SCRIPT, str(self.port), self.corpus.folder]
        # glymur keeps a configuration file, and warns where there is none.
        self.launch(argv, environment={"OPJ_NUM_THREADS": "1"})
        self.wait_until_ready("/ready")

    def path(self, file: str, request: str) -> str:
        found = self.corpus.find(file)
        return f"/{found.name if found else file}/{request}"

    def version(self) -> str:
        said = run([tools_python(), "-c", VERSIONS]).strip()
        return f"{said}; getTile where a tile of its grid is asked for; 2 processes"
