"""Counting in memory that processes share: exact, complete, and never counted twice."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from caching.counter_file import RECORDS
from caching.counters import SECONDS, Counters, Published, Tally
from caching.heavy import Heavy, HeavyName, merged
from caching.totals import Timing, read_totals
from caching.traffic import Answered, Traffic

_COUNT_IN_ANOTHER_PROCESS = """
import os, sys
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "iiifserver.settings.test"
from caching.counters import Counters
from caching.traffic import Traffic
counters = Counters(Path(sys.argv[1]))
counters.counter("hits", tier="disk").add(7)
counters.gauge("busy").set(3)
counters.histogram("seconds").observe(0.003)
traffic = Traffic(counters)
traffic.note("hit", 0.001, 100, "theirs")
traffic.publish()
print("ready", flush=True)
sys.stdin.readline()
os._exit(9)
"""


@pytest.fixture
def other(tmp_path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _COUNT_IN_ANOTHER_PROCESS, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate("\n", timeout=10)


def test_counts_of_all_processes_are_added_up_while_they_live_and_after(
    tmp_path: Path, other: "subprocess.Popen[str]"
) -> None:
    mine = Counters(tmp_path)
    mine.counter("hits", tier="disk").add(5)
    mine.gauge("busy").set(1)
    alive = read_totals(tmp_path)
    assert alive.of("hits") == {(("tier", "disk"),): 12}
    assert alive.gauges_of("busy") == {(): 4}
    assert alive.timings_of("seconds")[()].count == 1
    assert [(row.name, row.requests, row.byte_size) for row in alive.top] == [("theirs", 1, 100)]
    assert alive.processes == 2

    end(other)
    for _ in range(3):  # what is past is counted once, however often it is read
        ended = read_totals(tmp_path)
        assert ended.of("hits") == {(("tier", "disk"),): 12}
        assert ended.gauges_of("busy") == {(): 1}  # nothing that has ended is busy
        assert ended.timings_of("seconds")[()].count == 1
        assert [row.name for row in ended.top] == ["theirs"]
        assert ended.processes == 1
    assert len(list(tmp_path.glob("*.counters"))) == 1
    mine.let_go()


def test_a_reader_that_dies_after_it_wrote_what_is_past_counts_nothing_twice(
    tmp_path: Path, other: "subprocess.Popen[str]"
) -> None:
    (file,) = tmp_path.glob("*.counters")
    end(other)
    saved = file.read_bytes()
    assert read_totals(tmp_path).of("hits") == {(("tier", "disk"),): 7}
    file.write_bytes(saved)  # as if it had not come to removing the file
    assert read_totals(tmp_path).of("hits") == {(("tier", "disk"),): 7}
    assert not file.exists()
    assert read_totals(tmp_path).of("hits") == {(("tier", "disk"),): 7}


def test_no_addition_is_lost_among_threads(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    cell, histogram = counters.counter("hits"), counters.histogram("seconds")

    def work() -> None:
        for _ in range(5_000):
            cell.add()
            histogram.observe(0.002)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    totals = read_totals(tmp_path)
    assert totals.of("hits")[()] == totals.timings_of("seconds")[()].count == 40_000
    counters.let_go()


def test_a_full_table_costs_the_last_names_and_nothing_else(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    cells = [counters.counter("many", number=str(number)) for number in range(RECORDS + 50)]
    for cell in cells:
        cell.add()
    counters.counter("x" * 300).add()
    counters.histogram("late").observe(1.0)
    assert set(read_totals(tmp_path).of("many").values()) == {1}
    assert len(read_totals(tmp_path).counters) == RECORDS - 1
    counters.let_go()


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_count(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    counters = Counters(file / "folder")
    counters.counter("hits").add(3)
    assert counters.counter("hits").value == 3
    assert counters.beside(".top") is None


def test_a_forked_child_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    counters.counter("hits").add(1)
    (go_on, tell_child), (hear_child, tell_parent) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        counters.let_go()
        os.close(tell_child)
        os.write(tell_parent, b"x")
        os.read(go_on, 1)
        os._exit(0)
    assert os.read(hear_child, 1) == b"x"
    assert read_totals(tmp_path).processes == 1
    counters.let_go()  # as at the end of the parent, which the child outlives
    assert read_totals(tmp_path).processes == 0
    os.close(tell_child)
    os.waitpid(pid, 0)
    for descriptor in (go_on, hear_child, tell_parent):
        os.close(descriptor)


def test_what_others_count_is_taken_over_as_growth(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    published = Published(counters, "decoders", {"busy"})
    published.publish({"jobs": 5, "busy": 2, "wait_seconds": 0.25, "isolation": "pool"})
    published.publish({"jobs": 6, "busy": 0, "wait_seconds": 0.5})
    published.publish({"jobs": 2, "busy": 1, "wait_seconds": 0.0})  # begun anew
    totals = read_totals(tmp_path)
    assert totals.of("decoders_jobs") == {(): 8}
    assert totals.of("decoders_wait_seconds") == {(): 500_000}
    assert totals.gauges_of("decoders_busy") == {(): 1}
    counters.let_go()


def test_a_tally_begins_at_nothing(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    Tally(counters, "cache", ["hits"]).count("hits", 4)
    second = Tally(counters, "cache", ["hits"])
    second.count("hits")
    assert second.snapshot() == {"hits": 1}
    assert read_totals(tmp_path).of("cache_hits") == {(): 5}
    counters.let_go()


def test_quantiles_lie_in_their_bucket() -> None:
    counts = [0] * (len(SECONDS) + 1)
    counts[3], counts[9] = 90, 10  # up to 1 ms, and up to 100 ms
    timing = Timing(tuple(counts), 1.0)
    assert 0.0005 <= (timing.quantile(0.5) or 0) <= 0.001
    assert 0.05 <= (timing.quantile(0.95) or 0) <= 0.1
    assert Timing((0,) * (len(SECONDS) + 1), 0.0).quantile(0.5) is None


def test_who_is_asked_for_most_is_known_in_a_flood_of_others() -> None:
    heavy = Heavy(capacity=20)
    for number in range(20_000):
        heavy.note(f"rare {number}", 1)
        if number % 10 == 0:
            heavy.note("often", 10)
    first = heavy.top()[0]
    assert first.name == "often"
    assert first.requests <= 2_000 <= first.requests + first.missed
    assert len(heavy._rows) <= 40


def test_tables_are_merged_by_name() -> None:
    one, two = [HeavyName("a", 5, 50), HeavyName("b", 1, 1)], [HeavyName("a", 2, 20), HeavyName("c", 3, 3)]
    assert merged([one, two], 2) == [HeavyName("a", 7, 70), HeavyName("c", 3, 3)]


def test_traffic_by_outcome(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    traffic = Traffic(counters)
    traffic.note(Answered.HIT, 0.0002, 1_000, "a")
    traffic.note("hit", 0.0002, 1_000, "a")
    traffic.note(Answered.PASS_THROUGH, 0.02, 500, "b")
    traffic.publish()
    totals = read_totals(tmp_path)
    assert totals.timings_of("iiif_request_seconds")[("outcome", "hit"),].count == 2
    assert totals.of("iiif_request_bytes")[("outcome", "pass_through"),] == 500
    assert [(row.name, row.requests) for row in totals.top] == [("a", 2), ("b", 1)]
    counters.let_go()


def test_damaged_files_count_nothing(tmp_path: Path) -> None:
    (tmp_path / "past.json").write_text("{")
    (tmp_path / "1-00.counters").write_bytes(b"IIIF")
    (tmp_path / "1-00.top").write_text("[1]")
    assert read_totals(tmp_path).counters == {}
    assert not (tmp_path / "1-00.counters").exists()
    assert read_totals(tmp_path / "absent").processes == 0
