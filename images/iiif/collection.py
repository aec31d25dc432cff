"""Collections of manifests, in pages where they are long (Presentation API 3.0 §5.1; 2.1 §5.8)."""

from dataclasses import dataclass
from typing import Any

from images.iiif import manifest, manifest_2
from images.iiif.manifest import CanvasImage, in_no_language, thumbnail


@dataclass(frozen=True, slots=True)
class Member:
    """A manifest or a collection within a collection; `image` is what stands for it in a list."""

    uri: str
    label: str
    image: CanvasImage | None = None
    is_collection: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a collection: `number` of `pages`, both from 1; `start` counts the members before it.

    `uri` is the collection's own; its pages lie at `{uri}/pages/{number}`.
    """

    uri: str
    label: str
    total: int
    members: tuple[Member, ...]
    number: int = 1
    pages: int = 1
    start: int = 0
    parent_uri: str = ""

    def page_uri(self, number: int) -> str:
        return f"{self.uri}/pages/{number}"


def build_collection(listing: Listing) -> dict[str, Any]:
    """A collection that fits into one page, ready for JSON."""
    return {**_collection(listing.uri, listing.label), **_part_of(listing.parent_uri), "items": _items(listing)}


def build_paged_collection(listing: Listing) -> dict[str, Any]:
    """A long collection: one collection for each of its pages, since 3.0 has no pages of its own."""
    pages = [
        {"id": listing.page_uri(number), "type": "Collection", "label": in_no_language(f"{number} / {listing.pages}")}
        for number in range(1, listing.pages + 1)
    ]
    return {**_collection(listing.uri, listing.label), **_part_of(listing.parent_uri), "items": pages}


def build_collection_page(listing: Listing) -> dict[str, Any]:
    """One page of a long collection."""
    label = f"{listing.label} ({listing.number} / {listing.pages})"
    return {
        **_collection(listing.page_uri(listing.number), label),
        **_part_of(listing.uri),
        "items": _items(listing),
    }


def build_collection_2(listing: Listing) -> dict[str, Any]:
    """2.1: the members themselves, or where there are several pages the first and the last of them (§5.8)."""
    collection: dict[str, Any] = {
        "@context": manifest_2.CONTEXT,
        "@id": listing.uri,
        "@type": "sc:Collection",
        "label": listing.label,
    }
    if listing.parent_uri:
        collection["within"] = listing.parent_uri
    if listing.pages > 1:
        return {
            **collection,
            "total": listing.total,
            "first": listing.page_uri(1),
            "last": listing.page_uri(listing.pages),
        }
    return {**collection, **_members_2(listing)}


def build_collection_page_2(listing: Listing) -> dict[str, Any]:
    number = listing.number
    page: dict[str, Any] = {
        "@context": manifest_2.CONTEXT,
        "@id": listing.page_uri(number),
        "@type": "sc:Collection",
        "label": listing.label,
        "within": listing.uri,
        "startIndex": listing.start,
    }
    if number > 1:
        page["prev"] = listing.page_uri(number - 1)
    if number < listing.pages:
        page["next"] = listing.page_uri(number + 1)
    return {**page, **_members_2(listing)}


def _collection(uri: str, label: str) -> dict[str, Any]:
    return {"@context": manifest.CONTEXT, "id": uri, "type": "Collection", "label": in_no_language(label)}


def _part_of(uri: str) -> dict[str, Any]:
    return {"partOf": [{"id": uri, "type": "Collection"}]} if uri else {}


def _items(listing: Listing) -> list[dict[str, Any]]:
    return [
        {
            "id": member.uri,
            "type": "Collection" if member.is_collection else "Manifest",
            "label": in_no_language(member.label),
            **({"thumbnail": [thumbnail(member.image)]} if member.image else {}),
        }
        for member in listing.members
    ]


def _members_2(listing: Listing) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {"collections": [], "manifests": []}
    for member in listing.members:
        entry: dict[str, Any] = {
            "@id": member.uri,
            "@type": "sc:Collection" if member.is_collection else "sc:Manifest",
            "label": member.label,
        }
        if member.image:
            entry["thumbnail"] = manifest_2.thumbnail_2(member.image)
        found["collections" if member.is_collection else "manifests"].append(entry)
    return {kind: members for kind, members in found.items() if members}
