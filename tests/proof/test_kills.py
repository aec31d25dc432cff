"""SIGKILL at random moments of ingest, registration, cache fill and sweep; then every answer is looked at."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proof.pictures import WAYS, textured
from tests.support.server import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = {"work_ingest": 180, "work_register": 100, "work_fill": 150, "work_sweep": 100}
SHARE = 1.0 if os.environ.get("CI") else 0.15  # of the kills on a developer's machine
SECONDS = {
    "work_ingest": (0.005, 0.25),
    "work_register": (0.005, 0.15),
    "work_fill": (0.001, 0.08),
    "work_sweep": (0.005, 0.2),
}
LOOK_EVERY = 25


class Victim:
    """The process of tests.proof.victim."""

    def __init__(self, folder: Path) -> None:
        self.result = folder / "result.json"
        self.log = folder / "victim.log"
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        environment |= {
            "DJANGO_SETTINGS_MODULE": "iiifserver.settings.test",
            "DECODE_ISOLATION": "thread",
            "IIIF_DATA_DIR": str(folder / "data"),
            "PROOF_SOURCES": str(folder / "sources"),
            "PROOF_RESULT": str(self.result),
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0"], cwd=PROJECT, env=environment, check=True, timeout=120
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.proof.victim"],
                cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def _begin(self, name: str, seed: int) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name} {seed}\n")
        self.process.stdin.flush()
        return int(self._line())

    def do(self, name: str) -> Any:
        """A work that ends by itself; what it found."""
        self._begin(name, 0)
        assert self._line() == "0", self.log.read_text()[-4000:]
        return json.loads(self.result.read_text())

    def kill(self, name: str, seed: int, seconds: float) -> None:
        """Begin an endless work and kill it after this time."""
        child = self._begin(name, seed)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        assert self._line() == str(-signal.SIGKILL), self.log.read_text()[-4000:]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("kills")
    (folder / "data").mkdir()
    (folder / "sources").mkdir()
    for number, (kind, write) in enumerate(WAYS.items()):
        for version in range(2):
            (folder / "sources" / f"{version}-image.{kind}").write_bytes(write(textured(10 * number + version)))
    running = Victim(folder)
    yield running
    running.close()


@pytest.fixture(scope="module")
def reference(victim: Victim) -> dict[str, list[dict[str, list[str]]]]:
    """Digests of the bodies by image, version and request, from a run in which nothing was killed."""
    found = victim.do("set_up")
    assert all(versions[0] != versions[1] for versions in found.values())
    return found  # type: ignore[no-any-return]


def check(answers: list[list[Any]], reference: dict[str, list[dict[str, list[str]]]], kills: int) -> int:
    """Every 200 is the reference of one version, one version for each entity tag; returns how many there were."""
    good = 0
    tags: dict[str, set[int]] = {}
    for name, request, status, etag, digest in answers:
        if status != 200:
            assert status in {404, 502, 503, 504}, (name, request, status, kills)
            continue
        versions = {number for number, digests in enumerate(reference[name]) if digest in digests[request]}
        assert versions, f"after {kills} kills {name}/{request} is no version of the image"
        tags.setdefault(etag, set()).update(versions)
        good += 1
    assert all(len(versions) == 1 for versions in tags.values()), tags
    return good


def test_nothing_wrong_is_ever_served_and_everything_heals(
    victim: Victim, reference: dict[str, list[dict[str, list[str]]]]
) -> None:
    rng = random.Random(20261125)
    works = [name for name, count in KILLS.items() for _ in range(round(count * SHARE))]
    rng.shuffle(works)
    good = 0
    for number, name in enumerate(works, 1):
        victim.kill(name, number, rng.uniform(*SECONDS[name]))
        if number % LOOK_EVERY == 0:
            good += check(victim.do("look"), reference, number)
    assert good > 0, "nothing could be compared"
    healed = victim.do("heal")
    assert {state for _, state, _, _ in healed["states"]} <= {"ready", "failed"}, healed
    assert all(code and detail for _, state, code, detail in healed["states"] if state == "failed"), healed
    assert healed["left"] == []
    at_the_end = victim.do("look")
    assert [(status, digest) for _, _, status, _, digest in at_the_end] == [
        (200, reference[name][0][request][0]) for name, request, *_ in at_the_end
    ]
