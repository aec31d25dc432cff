import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caching.backends.layout import Layout
from caching.backends.null import NullBackend
from caching.derivatives import Derivative, DerivativeCache, Production
from caching.keys import DerivativeKey
from tests.caching.conftest import body_of, files_below, key_of, production_of, store

Make = Callable[..., DerivativeCache]
KEY = key_of(1)


class Chunks(Iterator[bytes]):
    """A production's chunks that can be held back, fail, and note that they were closed."""

    def __init__(self, body: bytes = body_of(KEY), chunk: int = 1000, error: BaseException | None = None) -> None:
        self.pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
        self.error = error
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()

    def __next__(self) -> bytes:
        self.gate.wait(10)
        if self.pieces:
            return self.pieces.pop(0)
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self) -> None:
        self.closed = True


def producer(chunks: Chunks) -> Callable[[], Production]:
    return lambda: Production("image/jpeg", chunks)


def never() -> Production:
    raise AssertionError("nothing was to be produced")


def read(derivative: Derivative) -> bytes:
    body = b"".join(derivative.chunks)
    assert derivative.length in (None, len(body))
    return body


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_request_makes_and_the_second_hits(cache: DerivativeCache, stream: bool) -> None:
    chunks = Chunks()
    made = cache.get_or_create(KEY, producer(chunks), stream=stream)
    assert (made.outcome, made.content_type) == ("miss", "image/jpeg")
    assert made.length == (None if stream else 5000)
    assert read(made) == body_of(KEY)
    assert chunks.closed
    hit = cache.get_or_create(KEY, never)
    assert (hit.outcome, hit.content_type, hit.length) == ("hit", "image/jpeg", 5000)
    assert read(hit) == body_of(KEY)
    counts = cache.stats.snapshot()
    assert (counts["hits"], counts["misses"], counts["stored"], counts["hit_bytes"]) == (1, 1, 1, 5000)


def test_find_only_looks(cache: DerivativeCache) -> None:
    assert cache.find(KEY) is None
    store(cache, KEY)
    found = cache.find(KEY)
    assert found is not None
    assert found.outcome == "hit"


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_the_first_chunk_is_raised_at_once(cache: DerivativeCache, stream: bool) -> None:
    chunks = Chunks(b"", error=RuntimeError("damaged source"))
    with pytest.raises(RuntimeError, match="damaged source"):
        cache.get_or_create(KEY, producer(chunks), stream=stream)
    assert chunks.closed
    assert cache.find(KEY) is None
    assert store(cache, KEY) == body_of(KEY)


def test_an_error_in_mid_stream_keeps_nothing(cache: DerivativeCache, root: Path) -> None:
    chunks = Chunks(error=RuntimeError("damaged source"))
    derivative = cache.get_or_create(KEY, producer(chunks), stream=True)
    with pytest.raises(RuntimeError, match="damaged source"):
        list(derivative.chunks)
    assert chunks.closed
    assert not files_below(root / "entries") + files_below(root / "temporary")
    assert list(derivative.chunks) == []


@pytest.mark.parametrize("read_first", [0, 1, 3])
def test_a_client_that_goes_away_leaves_nothing(cache: DerivativeCache, root: Path, read_first: int) -> None:
    chunks = Chunks()
    derivative = cache.get_or_create(KEY, producer(chunks), stream=True)
    for _ in range(read_first):
        next(derivative.chunks)
    derivative.close()
    derivative.close()
    assert chunks.closed
    assert not files_below(root / "entries") + files_below(root / "temporary")
    assert cache.stats.snapshot()["aborted"] == 1
    assert store(cache, KEY) == body_of(KEY)


def test_a_response_dropped_unread_ends_its_flight(cache: DerivativeCache, root: Path) -> None:
    cache.get_or_create(KEY, producer(Chunks()), stream=True)
    assert not files_below(root / "temporary")
    assert store(cache, KEY) == body_of(KEY)
    assert cache.stats.snapshot()["waits"] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_production_is_not_kept(cache: DerivativeCache, stream: bool) -> None:
    assert read(cache.get_or_create(KEY, producer(Chunks(b"")), stream=stream)) == b""
    assert cache.find(KEY) is None


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_above_the_limit_is_served_and_not_kept(make_cache: Make, layout: Layout, stream: bool) -> None:
    cache = make_cache(cache={"entry_bytes": 4999})
    assert read(cache.get_or_create(KEY, producer(Chunks()), stream=stream)) == body_of(KEY)
    assert cache.find(KEY) is None
    assert not files_below(layout.temporary)


@pytest.mark.parametrize("stream", [False, True])
def test_switched_off_nothing_is_kept(stream: bool) -> None:
    cache = DerivativeCache(NullBackend())
    for _ in range(2):
        derivative = cache.get_or_create(KEY, producer(Chunks()), stream=stream)
        assert derivative.outcome == "bypassed"
        assert read(derivative) == body_of(KEY)
    assert cache.stats.snapshot()["bypassed"] == 2


class Herd:
    """Many threads that ask for one key, and a production that waits until all of them do."""

    def __init__(self, cache: DerivativeCache, size: int = 100, *, stream: bool = False) -> None:
        self.cache = cache
        self.size = size
        self.stream = stream
        self.productions = 0
        self.mutex = threading.Lock()

    def produce(self) -> Production:
        with self.mutex:
            self.productions += 1
        deadline = time.monotonic() + 20
        while self.cache.stats.snapshot()["waits"] < self.size - 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        return production_of(KEY)

    def ask(self, _number: int = 0) -> tuple[str, bytes]:
        derivative = self.cache.get_or_create(KEY, self.produce, stream=self.stream)
        return derivative.outcome, read(derivative)

    def run(self) -> list[tuple[str, bytes]]:
        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(self.ask, range(self.size)))


@pytest.mark.parametrize("stream", [False, True])
def test_a_hundred_requests_make_one_production(cache: DerivativeCache, stream: bool) -> None:
    herd = Herd(cache, stream=stream)
    answers = herd.run()
    assert herd.productions == 1
    assert {body for _, body in answers} == {body_of(KEY)}
    outcomes = [outcome for outcome, _ in answers]
    assert (outcomes.count("miss"), outcomes.count("waited")) == (1, 99)


def test_a_hundred_requests_make_one_production_with_nothing_kept() -> None:
    herd = Herd(DerivativeCache(NullBackend()))
    assert {body for _, body in herd.run()} == {body_of(KEY)}
    assert herd.productions == 1


def test_followers_get_the_error_of_their_leader(cache: DerivativeCache) -> None:
    herd = Herd(cache, 20)

    def produce() -> Production:
        herd.produce()
        raise ValueError("poisonous source")

    def ask(_number: int) -> str:
        try:
            cache.get_or_create(KEY, produce)
        except ValueError as error:
            return str(error)
        return "no error"

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {"poisonous source"}
    assert herd.productions == 1
    assert store(cache, KEY) == body_of(KEY)


@pytest.mark.parametrize("end", ["close", "exit"])
def test_a_follower_takes_over_from_a_leader_that_leaves(cache: DerivativeCache, end: str) -> None:
    chunks = Chunks(error=SystemExit() if end == "exit" else None)
    leader = cache.get_or_create(KEY, producer(chunks), stream=True)
    next(leader.chunks)
    with ThreadPoolExecutor(5) as pool:
        made: list[int] = []

        def produce() -> Production:
            made.append(1)
            return production_of(KEY)

        followers = [pool.submit(cache.get_or_create, KEY, produce) for _ in range(5)]
        while cache.stats.snapshot()["waits"] < 5:
            time.sleep(0.001)
        assert not made
        if end == "close":
            leader.close()
        else:
            with pytest.raises(SystemExit):
                list(leader.chunks)
        derivatives = [follower.result(10) for follower in followers]
    assert sum(made) == 1
    assert {read(derivative) for derivative in derivatives} == {body_of(KEY)}
    assert sorted(derivative.outcome for derivative in derivatives) == ["miss", *["waited"] * 4]


def test_patience_ends(make_cache: Make) -> None:
    cache = make_cache(cache={"wait_seconds": 0.05})
    chunks = Chunks()
    leader = cache.get_or_create(KEY, producer(chunks), stream=True)
    impatient = cache.get_or_create(KEY, producer(Chunks()))
    assert impatient.outcome == "miss"
    assert read(impatient) == body_of(KEY)
    assert cache.get_or_create(KEY, never).outcome == "hit"
    assert read(leader) == body_of(KEY)
    assert cache.stats.snapshot()["wait_timeouts"] == 1


def test_followers_of_a_stream_that_is_not_kept_work_side_by_side(make_cache: Make) -> None:
    cache = make_cache(cache={"entry_bytes": 100})
    leader = cache.get_or_create(KEY, producer(Chunks()), stream=True)
    with ThreadPoolExecutor(3) as pool:
        followers = [pool.submit(cache.get_or_create, KEY, producer(Chunks())) for _ in range(3)]
        while cache.stats.snapshot()["waits"] < 3:
            time.sleep(0.001)
        assert read(leader) == body_of(KEY)
        assert {read(follower.result(10)) for follower in followers} == {body_of(KEY)}


def test_other_keys_do_not_wait(cache: DerivativeCache) -> None:
    leader = cache.get_or_create(KEY, producer(Chunks()), stream=True)
    other = key_of(2)
    assert store(cache, other) == body_of(other)
    assert read(leader) == body_of(KEY)


def test_a_purged_version_stays_away(cache: DerivativeCache) -> None:
    """A fill that ends after the purge lands under the key of the old version."""
    old, new = key_of(1, version=1), key_of(1, version=2)
    late = cache.get_or_create(old, producer(Chunks(body_of(old))), stream=True)
    cache.discard_image(old.image)
    assert read(late) == body_of(old)
    assert store(cache, new) == body_of(new)
    cache.discard_image(old.image, before_version=2)
    assert cache.find(old) is None
    assert cache.find(new) is not None


def test_purges_under_load(cache: DerivativeCache) -> None:
    """Readers, writers and purges at once: every body is that of its key, and nothing fails."""
    keys = [key_of(number, image=number % 3) for number in range(30)]
    stop = threading.Event()

    def work(start: int) -> int:
        done = 0
        while not stop.is_set():
            key: DerivativeKey = keys[(start + done * 7) % len(keys)]
            assert store(cache, key) == body_of(key)
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, start) for start in range(4)]
        for purge in range(60):
            cache.discard_image(keys[purge % 3].image)
            time.sleep(0.005)
        stop.set()
        assert all(worker.result() > 10 for worker in workers)
    assert cache.stats.snapshot()["errors"] == 0
    assert cache.stats.snapshot()["corrupt"] == 0
