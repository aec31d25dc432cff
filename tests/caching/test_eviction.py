from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from caching.eviction import Amount, EntryInfo, allocated, is_young, plan_eviction, usage_of
from tests.caching.conftest import image_name
from tests.support.examples import dear

NOW = 1_000_000.0
GRACE = 60.0

entries_of_few_images = st.lists(
    st.builds(
        EntryInfo,
        image=st.integers(0, 4).map(image_name),
        version=st.integers(1, 2),
        digest=st.uuids().map(lambda uuid: uuid.hex * 2),
        byte_size=st.integers(0, 50_000),
        used=st.floats(NOW - 500, NOW + 100),
    ),
    max_size=40,
    unique_by=lambda entry: entry.digest,
)
budgets = st.builds(Amount, st.integers(0, 1_000_000), st.integers(0, 60))


def plan(entries: list[EntryInfo], budget: Amount, image_share: float = 0.2) -> list[EntryInfo]:
    return plan_eviction(entries, budget, now=NOW, grace_seconds=GRACE, low_water=0.9, image_share=image_share)


def is_superseded(entry: EntryInfo, entries: list[EntryInfo]) -> bool:
    return any(other.image == entry.image and other.version > entry.version for other in entries)


@dear
@given(entries_of_few_images, budgets)
def test_what_is_left_fits_unless_all_of_it_is_young(entries: list[EntryInfo], budget: Amount) -> None:
    chosen = plan(entries, budget)
    left = [entry for entry in entries if entry not in chosen]
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(entries)
    assert usage_of(left).fits(budget.scaled(0.9)) or all(is_young(entry, NOW, GRACE) for entry in left)


@dear
@given(entries_of_few_images, budgets)
def test_young_entries_stay(entries: list[EntryInfo], budget: Amount) -> None:
    assert not [entry for entry in plan(entries, budget) if is_young(entry, NOW, GRACE)]


@dear
@given(entries_of_few_images, budgets)
def test_superseded_versions_always_go_and_nothing_else_without_need(entries: list[EntryInfo], budget: Amount) -> None:
    chosen = plan(entries, budget)
    stale = {entry for entry in entries if is_superseded(entry, entries) and not is_young(entry, NOW, GRACE)}
    assert stale <= set(chosen)
    if len(chosen) > len(stale):
        before_the_last = [entry for entry in entries if entry not in chosen[:-1]]
        assert not usage_of(before_the_last).fits(budget.scaled(0.9))


@dear
@given(entries_of_few_images, budgets)
def test_without_shares_the_least_recently_used_go(entries: list[EntryInfo], budget: Amount) -> None:
    chosen = [entry for entry in plan(entries, budget, image_share=1e9) if not is_superseded(entry, entries)]
    left = [
        entry
        for entry in entries
        if entry not in chosen and not is_young(entry, NOW, GRACE) and not is_superseded(entry, entries)
    ]
    assert not chosen or not left or max(entry.used for entry in chosen) <= min(entry.used for entry in left)


@dear
@given(entries_of_few_images, budgets)
def test_an_image_within_its_share_pays_only_after_all_others(entries: list[EntryInfo], budget: Amount) -> None:
    """Nobody who holds less than a share loses anything while someone holds more."""
    chosen = [entry for entry in plan(entries, budget) if not is_superseded(entry, entries)]
    share = budget.scaled(0.2)
    evictable: dict[str, list[EntryInfo]] = defaultdict(list)
    for entry in entries:
        if not is_young(entry, NOW, GRACE) and not is_superseded(entry, entries):
            evictable[entry.image].append(entry)
    for image, held in evictable.items():
        left = [entry for entry in held if entry not in chosen]
        if sum(allocated(entry.byte_size) for entry in left) > share.bytes or len(left) > share.entries:
            others = [entry for other, held in evictable.items() if other != image for entry in held]
            for other in {entry.image for entry in others if entry in chosen}:
                total = evictable[other]
                assert sum(e.cost.bytes for e in total) > share.bytes or len(total) > share.entries


def test_a_flood_for_one_image_leaves_the_hot_set_alone() -> None:
    hot = [EntryInfo(image_name(n), 1, f"{n:064x}", 20_000, NOW - 400) for n in range(1, 11)]
    flood = [EntryInfo(image_name(0), 1, f"{n:064x}", 20_000, NOW - 100) for n in range(100, 200)]
    chosen = plan(hot + flood, Amount(60 * 20_480, 1000), image_share=0.05)
    assert len(chosen) > 50
    assert not set(hot) & set(chosen)


def test_a_date_far_in_the_future_does_not_protect() -> None:
    entry = EntryInfo(image_name(), 1, "0" * 64, 5000, NOW + 1e6)
    assert plan([entry], Amount(1, 1)) == [entry]


def test_sizes_are_counted_in_blocks_and_folders_count() -> None:
    assert [allocated(size) for size in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]
    entries = [EntryInfo(image_name(), 1, f"{n:064x}", 1, NOW) for n in range(3)]
    assert usage_of(entries) == Amount(4 * 4096, 4)
