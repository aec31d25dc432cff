"""Keeps nothing: for measurements of what a server does without a cache."""

from caching.backends.protocol import Entry, EntryWriter, SweepReport, Usage
from caching.eviction import NOTHING, Amount
from caching.keys import DerivativeKey


class NullBackend:
    def __init__(self, **_options: object) -> None:
        pass

    def find(self, key: DerivativeKey) -> Entry | None:  # noqa: ARG002
        return None

    def open_writer(self, key: DerivativeKey, content_type: str) -> EntryWriter | None:  # noqa: ARG002
        return None

    def discard(
        self,
        image: str | None = None,  # noqa: ARG002
        before_version: int | None = None,  # noqa: ARG002
        *,
        dry_run: bool = False,  # noqa: ARG002
    ) -> Amount:
        return NOTHING

    def sweep(self) -> SweepReport:
        return SweepReport(ran=False)

    def usage(self) -> Usage:
        return Usage(NOTHING, NOTHING)
