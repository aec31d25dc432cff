"""Work that other processes leave to this one: until the last of its threads is done."""

from contextlib import ExitStack

from caching.alone import Alone
from tests.caching.others import OtherProcess


def test_a_lock_is_given_back_when_the_last_thread_is_done() -> None:
    locks = OtherProcess()
    alone = Alone(locks)
    with ExitStack() as first, ExitStack() as second:
        assert first.enter_context(alone.working("work", 0)).is_ours
        assert second.enter_context(alone.working("work", 0)).is_ours
        assert locks.ours == ["work"]
        first.close()
        assert locks.ours == ["work"]
        second.close()
        assert not locks.ours
    locks.theirs.add("work")
    with alone.working("work", 0) as turn:
        assert not turn.is_ours
    locks.theirs.clear()
    with alone.working("work", 0) as turn:
        assert turn.is_ours
    assert not locks.ours


def test_without_locks_there_is_nobody_to_wait_for() -> None:
    with Alone(None).working("work", 10) as turn:
        assert turn == (True, False)
