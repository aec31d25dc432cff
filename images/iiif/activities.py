"""The feed of what was made, changed and taken away (IIIF Change Discovery API 1.0, level 2)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

CONTEXT = "http://iiif.io/api/discovery/1/context.json"
MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'


@dataclass(frozen=True, slots=True)
class Activity:
    """One change of one manifest; `moment` is aware."""

    number: int
    kind: Literal["Create", "Update", "Delete"]
    manifest_uri: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """The whole feed: `uri` is its own, `pages` counts from 1 (0 for an empty feed)."""

    uri: str
    total: int
    pages: int

    def page_uri(self, number: int) -> str:
        return f"{self.uri}/pages/{number}"


def build_feed(feed: Feed) -> dict[str, Any]:
    """Section 3.2.1: `last` is required, and leads to the newest activities."""
    pages = {
        "first": {"id": feed.page_uri(1), "type": "OrderedCollectionPage"},
        "last": {"id": feed.page_uri(max(1, feed.pages)), "type": "OrderedCollectionPage"},
    }
    return {
        "@context": CONTEXT,
        "id": feed.uri,
        "type": "OrderedCollection",
        "totalItems": feed.total,
        **pages,
    }


def build_feed_page(feed: Feed, number: int, start: int, activities: tuple[Activity, ...]) -> dict[str, Any]:
    """Section 3.2.2: in the order of their times, oldest first; `start` counts the activities of earlier pages."""
    page: dict[str, Any] = {
        "@context": CONTEXT,
        "id": feed.page_uri(number),
        "type": "OrderedCollectionPage",
        "partOf": {"id": feed.uri, "type": "OrderedCollection"},
        "startIndex": start,
    }
    if number > 1:
        page["prev"] = {"id": feed.page_uri(number - 1), "type": "OrderedCollectionPage"}
    if number < feed.pages:
        page["next"] = {"id": feed.page_uri(number + 1), "type": "OrderedCollectionPage"}
    page["orderedItems"] = [
        {
            "id": f"{feed.uri}/activities/{activity.number}",
            "type": activity.kind,
            "object": {"id": activity.manifest_uri, "type": "Manifest"},
            "endTime": _utc(activity.moment),
        }
        for activity in activities
    ]
    return page


def _utc(moment: datetime) -> str:
    """Section 3.2.3: xsd:dateTime in UTC, ending in Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
