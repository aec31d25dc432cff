import threading
from concurrent.futures import ThreadPoolExecutor

from caching.once import Once


def test_threads_that_ask_at_once_get_the_same() -> None:
    made: list[object] = []
    gate = threading.Event()

    @Once
    def get() -> object:
        gate.wait(10)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(get) for _ in range(16)]
        gate.set()
        assert len({id(one.result(10)) for one in asked}) == 1
    assert len(made) == 1
    get.cache_clear()
    assert get() is made[1]
