"""What a process remembers of records, while others change them."""

from images.selectors.memo import RecordMemo

FOREVER = float("inf")


def memo() -> RecordMemo[list[int]]:
    return RecordMemo(lambda known, new: known == new)


def test_what_is_the_same_stays_the_same_object() -> None:
    records, first = memo(), [1]
    assert records.put("a", first, records.moment()) is first
    assert records.put("a", [1], records.moment()) is first
    assert records.put("a", [2], records.moment()) is not first


def test_what_is_discarded_is_gone_and_what_expires_is_stale() -> None:
    records = memo()
    for name in "ab":
        records.put(name, [1], records.moment())
    records.discard("a")
    assert records.get_stale("a") is None
    records.expire()
    assert records.get("b", 1e9) is None
    assert records.get_stale("b") == [1]


def test_what_was_read_before_a_change_is_not_trusted_after_it() -> None:
    """The query saw the old record, the news of the new one came before the answer."""
    records = memo()
    moment = records.moment()
    records.discard("a")
    records.put("a", [1], moment)
    assert records.get("a", 1e9) is None
    moment = records.moment()
    records.expire()
    records.put_unknown("b", moment)
    assert not records.is_unknown("b", 1e9)


def test_what_there_is_not_is_known_until_it_is_made() -> None:
    records = memo()
    records.put_unknown("a", records.moment())
    assert records.is_unknown("a", 1e9)
    assert not records.is_unknown("a", 0)
    records.discard("a")
    assert not records.is_unknown("a", 1e9)
    records.put_unknown("a", records.moment())
    records.put("a", [1], records.moment())
    assert not records.is_unknown("a", 1e9)


def test_both_are_bounded() -> None:
    records = memo()
    for number in range(5000):
        records.put(str(number), [number], records.moment())
        records.put_unknown(f"no{number}", records.moment())
    assert records.get("0", FOREVER) is None
    assert records.get("4999", FOREVER) == [4999]
    assert not records.is_unknown("no0", FOREVER)
    assert records.is_unknown("no4999", FOREVER)
