"""Lines of a log that are said now and then."""

from images.views.sparing import Sparing


def test_one_line_a_subject_and_the_number_of_those_left_out() -> None:
    now = [10.0]
    sparing = Sparing(1.0, clock=lambda: now[0])
    assert sparing.admits("a") == (True, 0)
    assert [sparing.admits("a")[0] for _ in range(5)] == [False] * 5
    assert sparing.admits("b") == (True, 0)
    now[0] += 1.0
    assert sparing.admits("a") == (True, 5)
    assert sparing.admits("a")[0] is False
    now[0] += 1.0
    assert sparing.admits("a") == (True, 1)


def test_it_remembers_a_bounded_number_of_subjects() -> None:
    sparing = Sparing(3600.0, clock=lambda: 0.0)
    for number in range(1000):
        assert sparing.admits(str(number))[0]
    assert len(sparing._said) <= 256
