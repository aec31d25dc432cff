"""`./run bench --quick session`, for this server only: the whole way from the corpus to the report."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.trees import MemoryWatch, usage

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.mark.timeout(600)
def test_a_quick_session_is_measured_and_reported(tmp_path: Path) -> None:
    unwanted = {"DJANGO_SETTINGS_MODULE", "IIIF_BENCH_DIR", "IIIF_DATA_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment["IIIF_DATA_DIR"] = str(tmp_path / "data")
    chosen = ("--servers", "ours", "--files", "jp2-rpcl-plt,tiff-jpeg")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", *chosen, "session", "memory", "cached"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "data" / "benchmarks" / "results").glob("*.json")
    result = json.loads(path.read_text())
    assert set(result) == {"facts", "servers", "missing", "notes", "series", "claims"}
    assert result["missing"] == {}
    by_name = {(one["suite"], one["file"]): one for one in result["series"]}
    by_wrk = {file for suite, file in by_name if suite == "cached"}  # as many as it can ask for, where it is installed
    assert by_wrk == {"jp2-rpcl-plt", "tiff-jpeg"}
    for file in by_wrk:
        assert by_name.pop(("cached", file))["rounds"][0]["failed"] == 0
    assert set(by_name) == {
        ("session", "jp2-rpcl-plt"),
        ("memory", "jp2-rpcl-plt"),
        ("session", "tiff-jpeg"),
        ("session w,", "tiff-jpeg"),
        ("memory", "tiff-jpeg"),
        ("cached, own load", "jp2-rpcl-plt"),
        ("cached, own load", "tiff-jpeg"),
    }
    for (suite, _), one in by_name.items():
        assert one["server"] == "ours"
        assert one["problem"] == ""
        (measured,) = one["rounds"]
        assert measured["requests"] == (440 if suite == "cached, own load" else 110)
        assert measured["failed"] == 0
        assert measured["cpu_seconds"] > 0
        assert measured["p95_ms"] >= measured["p50_ms"] > 0
    memory = by_name["memory", "jp2-rpcl-plt"]["rounds"][0]["extra"]
    assert memory["peak_rss_mib"] >= memory["peak_pss_mib"] > 20


@pytest.mark.timeout(600)
def test_quick_sessions_from_afar_are_measured_and_reported(tmp_path: Path) -> None:
    unwanted = {"DJANGO_SETTINGS_MODULE", "IIIF_BENCH_DIR", "IIIF_DATA_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment["IIIF_DATA_DIR"] = str(tmp_path / "data")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--files", "tiff-jpeg", "sources", "rtt"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "data" / "benchmarks" / "results").glob("*.json")
    by_name = {(one["suite"], one["server"]): one for one in json.loads(path.read_text())["series"]}
    assert {(one["problem"], one["rounds"][0]["failed"]) for one in by_name.values()} == {("", 0)}
    seen = {name: one["rounds"][0]["extra"] for name, one in by_name.items()}
    assert {extra["origin_heads"] for extra in seen.values()} == {0}
    assert seen["sources", "disk"]["origin_requests"] == 0
    assert seen["sources", "memory"]["origin_requests"] >= 1
    for label in ("30 ms", "100 ms"):
        assert seen["rtt tile", label]["origin_rounds"] == 5, "each of five tiles alone takes one round"


def test_the_time_of_children_counts(tmp_path: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    script = tmp_path / "parent.py"
    script.write_text(
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r}])\n"
        "print('done', flush=True)\ninput()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        assert usage([parent.pid]).cpu_seconds >= 0.25  # the system counts in steps of 10 ms
        parent.communicate("\n")


def test_the_peak_of_memory_is_seen() -> None:
    script = "data = bytearray(b'x') * (80 << 20)\nprint('full', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", "input();" + script.replace("\n", ";")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        watch = MemoryWatch([child.pid])
        with watch:
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            time.sleep(0.3)
        child.communicate("\n")
    assert watch.peak_resident - watch.idle_resident > 70 << 20
