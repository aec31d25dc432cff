"""Manifests in the form of the Presentation API 3.0: what is shown, one canvas for each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from images.iiif.geometry import Size

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'

_LEVEL_2 = "http://iiif.io/api/image/2/level{level}.json"


@dataclass(frozen=True, slots=True)
class ImageServices:
    """The services of one image: base URIs without trailing slash, and compliance levels."""

    uri_2: str
    uri_3: str
    level_2: int = 2
    level_3: int = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said of a thing: `metadata` holds pairs of label and value, `attribution` may hold HTML (section 4.1)."""

    label: str
    rights: str = ""
    attribution: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CanvasImage:
    """One image on a canvas of its own.

    `full` is the size of the canvas; `largest` the size of `full/max` once limits were applied; `thumbnail` that of the
    thumbnail.
    """

    services: ImageServices
    full: Size
    largest: Size
    thumbnail: Size
    facts: Facts


@dataclass(frozen=True, slots=True)
class Work:
    """What a manifest describes; `canvases` are in the order of reading, one at least.

    The canvases of a work of several images say their own facts; a single one has those of the work.
    """

    manifest_uri: str
    page_uri: str
    facts: Facts
    canvases: tuple[CanvasImage, ...]


def build_manifest(work: Work) -> dict[str, Any]:
    """The manifest, ready for JSON, keys in the order of the specification's examples.

    Presentation API 3.0, sections 3 (properties) and 5.2 to 5.6 (structure).
    """
    manifest: dict[str, Any] = {
        "@context": CONTEXT,
        "id": work.manifest_uri,
        "type": "Manifest",
        "label": in_no_language(work.facts.label),
        **_descriptive(work.facts),
        "thumbnail": [thumbnail(work.canvases[0])],
        "homepage": [
            {
                "id": work.page_uri,
                "type": "Text",
                "label": in_no_language(work.facts.label),
                "format": "text/html",
            }
        ],
    }
    says_facts = len(work.canvases) > 1
    manifest["items"] = [
        _canvas(f"{work.manifest_uri}/canvas/{number}", image, says_facts=says_facts)
        for number, image in enumerate(work.canvases, 1)
    ]
    return manifest


def in_no_language(text: str) -> Mapping[str, list[str]]:
    """A language map for text whose language nobody recorded (section 4.1)."""
    return {"none": [text]}


def thumbnail(image: CanvasImage) -> dict[str, Any]:
    """The image resource of a thumbnail, with its services (section 3.1)."""
    size = image.thumbnail
    return _picture(image, f"{size.width},{size.height}", size)


def _descriptive(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if facts.metadata:
        found["metadata"] = [
            {"label": in_no_language(label), "value": in_no_language(value)} for label, value in facts.metadata
        ]
    if facts.rights:
        found["rights"] = facts.rights
    if facts.attribution:
        found["requiredStatement"] = {
            "label": {"en": ["Attribution"]},
            "value": in_no_language(facts.attribution),
        }
    return found


def _canvas(uri: str, image: CanvasImage, *, says_facts: bool) -> dict[str, Any]:
    return {
        "id": uri,
        "type": "Canvas",
        "label": in_no_language(image.facts.label),
        "height": image.full.height,
        "width": image.full.width,
        **(_descriptive(image.facts) | {"thumbnail": [thumbnail(image)]} if says_facts else {}),
        "items": [
            {
                "id": f"{uri}/page/1",
                "type": "AnnotationPage",
                "items": [
                    {
                        "id": f"{uri}/page/1/annotation/1",
                        "type": "Annotation",
                        "motivation": "painting",
                        "body": _picture(image, "max", image.largest),
                        "target": uri,
                    }
                ],
            }
        ],
    }


def _picture(image: CanvasImage, size_parameter: str, size: Size) -> dict[str, Any]:
    return {
        "id": f"{image.services.uri_3}/full/{size_parameter}/0/default.jpg",
        "type": "Image",
        "format": "image/jpeg",
        "height": size.height,
        "width": size.width,
        "service": _services(image.services),
    }


def _services(services: ImageServices) -> list[dict[str, Any]]:
    """Section 3.4.1: services older than their 3.0 form are named with @id and @type."""
    return [
        {"id": services.uri_3, "type": "ImageService3", "profile": f"level{services.level_3}"},
        {
            "@id": services.uri_2,
            "@type": "ImageService2",
            "profile": _LEVEL_2.format(level=services.level_2),
        },
    ]
