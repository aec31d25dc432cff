"""The npm package iiif-processor (sharp, libvips) with a small server of two processes around it."""

import json
import shutil
import subprocess
from pathlib import Path

from benchmarks.commands import find_program, run
from benchmarks.servers import HOST, Server, free_port

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "iiif_processor_server.mjs"
PACKAGE = {"private": True, "dependencies": {"iiif-processor": "7.0.0", "sharp": "0.34.5"}}


class IiifProcessor(Server):
    name = "iiif-processor"
    # Its sharp reads no JPEG 2000.
    files = frozenset({"tiff-jpeg", "tiff-deflate", "jpeg-4096"})

    def prepare(self) -> None:
        find_program("node", package="nodejs")
        npm = find_program("npm", package="npm")
        self.work.mkdir(parents=True, exist_ok=True)
        wanted = json.dumps(PACKAGE)
        manifest = self.work / "package.json"
        if not (self.work / "node_modules" / "sharp").exists() or manifest.read_text() != wanted:
            manifest.write_text(wanted)
            options = ("--ignore-scripts", "--no-fund", "--no-audit", "--no-package-lock")
            run([npm, "install", *options], cwd=self.work, timeout_seconds=600)
        shutil.copyfile(SCRIPT, self.work / SCRIPT.name)

    def start(self, *, cold: bool = True) -> None:  # noqa: ARG002 - it keeps nothing
        self.port = free_port()
        facts = {
            recipe: {"path": str(path), "width": self.corpus.width, "height": self.corpus.height}
            for recipe in sorted(self.files)
            if (path := self.corpus.find(recipe))
        }
        environment = {"BENCH_HOST": HOST, "BENCH_PORT": str(self.port), "BENCH_FILES": json.dumps(facts)}
        self.launch(["node", self.work / SCRIPT.name], environment=environment)
        self.wait_until_ready(self.path("tiff-jpeg", "info.json"))

    def path(self, file: str, request: str) -> str:
        return f"/iiif/3/{file}/{request}"

    def version(self) -> str:
        names = ("iiif-processor", "sharp")
        versions = []
        for name in names:
            facts = json.loads((self.work / "node_modules" / name / "package.json").read_text())
            versions.append(f"{name} {facts['version']}")
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
        return f"{', '.join(versions)}, node {node}, 2 processes, sizes and pages told in advance"
