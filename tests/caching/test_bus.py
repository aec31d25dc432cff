"""News between processes over a real Redis, which may go away."""

import os
import threading

from caching.bus import Bus, get_bus
from tests.caching.shared import hearing, listening, shared_server, wait_until
from tests.support.proxy import Proxy
from tests.support.redis import Redis


def test_without_redis_news_stay_in_the_process() -> None:
    bus = Bus(None)
    with hearing() as news:
        bus.publish("records", "a", "b")
        bus.listen()
    assert news.received == [("records", ("a", "b"))]
    assert not bus.is_listening


def test_others_hear_it_and_the_sender_once(redis_server: Redis) -> None:
    with listening(shared_server(redis_server)) as listener, hearing() as news:
        Bus(shared_server(redis_server)).publish("records", "karte/1 \u00e4")
        assert wait_until(lambda: len(news.received) == 2)  # both stand in this process
        listener.publish("records", "own")
        Bus(shared_server(redis_server)).publish("records", "last")
        assert wait_until(lambda: len(news.received) == 5)
    heard = [names for _, names in news.received]
    assert heard.count(("own",)) == 1
    assert heard.count(("karte/1 \u00e4",)) == 2


def test_whoever_was_cut_off_takes_it_that_something_was_missed(redis_server: Redis) -> None:
    with listening(shared_server(redis_server)) as bus, hearing() as news:
        redis_server.stop()
        assert wait_until(lambda: not bus.is_connected)
        assert news.missed == 0
        redis_server.start()
        assert wait_until(lambda: bus.is_connected)
        assert wait_until(lambda: news.missed == 1)
        Bus(shared_server(redis_server)).publish("records", "after")
        assert wait_until(lambda: len(news.received) == 2)


def test_a_server_that_hangs_is_noticed(redis_server: Redis) -> None:
    with listening(shared_server(redis_server)) as bus, hearing() as news:
        redis_server.halt()
        assert wait_until(lambda: not bus.is_connected)
        redis_server.go_on()
        assert wait_until(lambda: bus.is_connected and news.missed)


def test_a_connection_that_leads_nowhere_is_noticed(redis_server: Redis) -> None:
    with Proxy(redis_server.port) as proxy:
        server = shared_server(redis_server, port=proxy.port)
        with listening(server) as bus, hearing() as news:
            proxy.stall()
            assert wait_until(lambda: not bus.is_connected)
            proxy.resume()
            assert wait_until(lambda: bus.is_connected and news.missed)


def test_what_could_not_be_sent_is_made_up_for(redis_server: Redis) -> None:
    """The sender cannot reach Redis while the others can: they trust nothing once it can."""
    with listening(shared_server(redis_server)), Proxy(redis_server.port) as proxy, hearing() as news:
        sender = Bus(shared_server(redis_server, port=proxy.port))
        proxy.refuse()
        sender.publish("records", "lost")
        assert news.missed == 0
        proxy.accept()
        # Once as the sender connects, once as the other hears of it.
        assert wait_until(lambda: news.missed == 2)
        sender.close()
    assert news.received == [("records", ("lost",))]


def test_unreadable_news_are_passed_over(redis_server: Redis) -> None:
    server = shared_server(redis_server)
    with listening(server), hearing() as news:
        for data in (b"\xff", b"[]", b'"x"', b"[1,2]", b'["sender"]', b"{}"):
            server.call(lambda redis, data=data: redis.publish("test:news", data))  # type: ignore[misc]
        Bus(shared_server(redis_server)).publish("records", "good")
        assert wait_until(lambda: len(news.received) == 2)


def test_a_receiver_that_fails_does_not_hinder_the_others(redis_server: Redis) -> None:
    def fail(**_kwargs: object) -> None:
        raise ValueError("broken")

    from caching.bus import news_received

    news_received.connect(fail)
    try:
        with listening(shared_server(redis_server)), hearing() as news:
            Bus(shared_server(redis_server)).publish("records", "a")
            assert wait_until(lambda: len(news.received) == 2)
    finally:
        news_received.disconnect(fail)


def test_closing_ends_the_thread(redis_server: Redis) -> None:
    with listening(shared_server(redis_server)) as bus:
        thread = bus._thread
    assert thread is not None
    assert not thread.is_alive()
    assert thread not in threading.enumerate()


def test_a_fork_gets_a_bus_of_its_own() -> None:
    before = get_bus()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"1" if get_bus() is not before and not get_bus().is_listening else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"1"
    os.close(read)
    os.close(write)
