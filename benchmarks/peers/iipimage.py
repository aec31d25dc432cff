"""Debian's IIPImage, behind nginx through FastCGI: two processes, each with the memory cache of its own."""

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from benchmarks.commands import Missing, find_program
from benchmarks.corpus import Corpus
from benchmarks.peers.nginx import fastcgi_location, nginx_version, write_configuration
from benchmarks.servers import Server, free_port

PROGRAM = Path("/usr/lib/iipimage-server/iipsrv.fcgi")
PROCESSES = 2
CACHE_MIB = 512


class IipImage(Server):
    name = "iipimage"
    files = frozenset({"jp2-rpcl-plt", "jp2-rpcl", "jp2-lrcp", "jp2-tiled", "tiff-jpeg", "tiff-deflate", "htj2k"})

    def __init__(self, corpus: Corpus, work: Path) -> None:
        super().__init__(corpus, work)
        self._front: list[int] = []
        self._workers: list[int] = []
        self._socket: Path | None = None

    def prepare(self) -> None:
        if not PROGRAM.exists():
            raise Missing("there is no iipsrv.fcgi (Debian's package iipimage-server)")
        find_program("nginx", package="nginx-light")

    def start(self, *, cold: bool = True) -> None:  # noqa: ARG002 - its cache is its memory
        environment = {
            "FILESYSTEM_PREFIX": f"{self.corpus.folder}/",
            "MAX_IMAGE_CACHE_SIZE": str(CACHE_MIB),
            "JPEG_QUALITY": "85",  # as this server's
            "MAX_LAYERS": "-1",  # all; its default decodes half of them
            "MAX_CVT": "100000",
            "URI_MAP": "iiif=>IIIF",
            "VERBOSITY": "0",
            "LOGFILE": "/dev/null",
            "OMP_NUM_THREADS": "1",  # two processes share two cores
        }
        # As spawn-fcgi does it: the processes share a socket, so that whichever is free takes the next request. Each
        # takes one connection at a time, so nginx must not keep connections.
        path = Path(tempfile.mkdtemp(prefix="iipimage-")) / "socket"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1024)
            path.chmod(0o666)  # nginx's workers run as another user
            path.parent.chmod(0o755)
            workers = [
                self.launch([PROGRAM], environment=environment, stdin=listening.fileno()) for _ in range(PROCESSES)
            ]
        self.port = free_port()
        upstream = f"upstream image_server {{ server unix:{path}; }}"
        front = self.launch(write_configuration(self.work, self.port, fastcgi_location(), upstream))
        self._socket = path
        self.wait_until_ready(self.path("tiff-jpeg", "info.json"))
        self._front = [front.pid]
        self._workers = [process.pid for process in workers]

    def stop(self) -> None:
        super().stop()
        if self._socket:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
            self._socket = None

    def roots(self) -> list[int]:
        return self._workers

    def front_roots(self) -> list[int]:
        return self._front

    def path(self, file: str, request: str) -> str:
        found = self.corpus.find(file)
        return f"/iiif/{found.name if found else file}/{request}"

    def version(self) -> str:
        said = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "iipimage-server"], capture_output=True, text=True, check=False
        )
        return (
            f"IIPImage {said.stdout} (OpenJPEG, libtiff), {PROCESSES} processes, {CACHE_MIB} MiB of cache each, "
            f"all layers, FastCGI behind {nginx_version()}"
        )
