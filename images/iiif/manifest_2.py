"""Manifests in the form of the Presentation API 2.1, for viewers that know no other."""

from typing import Any

from images.iiif.geometry import Size
from images.iiif.manifest import CanvasImage, Facts, ImageServices, Work

CONTEXT = "http://iiif.io/api/presentation/2/context.json"
MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'

_IMAGE_CONTEXT = "http://iiif.io/api/image/2/context.json"


def build_manifest_2(work: Work) -> dict[str, Any]:
    """The manifest, ready for JSON: one sequence of canvases (Presentation API 2.1, sections 3 and 5)."""
    says_facts = len(work.canvases) > 1
    return {
        "@context": CONTEXT,
        "@id": work.manifest_uri,
        "@type": "sc:Manifest",
        "label": work.facts.label,
        **_descriptive(work.facts),
        "thumbnail": thumbnail_2(work.canvases[0]),
        "related": {"@id": work.page_uri, "format": "text/html"},
        "sequences": [
            {
                "@id": f"{work.manifest_uri}/sequence/1",
                "@type": "sc:Sequence",
                "canvases": [
                    _canvas(f"{work.manifest_uri}/canvas/{number}", image, says_facts=says_facts)
                    for number, image in enumerate(work.canvases, 1)
                ],
            }
        ],
    }


def thumbnail_2(image: CanvasImage) -> dict[str, Any]:
    size = image.thumbnail
    return {
        "@id": f"{image.services.uri_2}/full/{size.width},/0/default.jpg",
        "service": _service(image.services),
    }


def _descriptive(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if facts.metadata:
        found["metadata"] = [{"label": label, "value": value} for label, value in facts.metadata]
    if facts.attribution:
        found["attribution"] = facts.attribution
    if facts.rights:
        found["license"] = facts.rights
    return found


def _canvas(uri: str, image: CanvasImage, *, says_facts: bool) -> dict[str, Any]:
    return {
        "@id": uri,
        "@type": "sc:Canvas",
        "label": image.facts.label,
        "height": image.full.height,
        "width": image.full.width,
        **(_descriptive(image.facts) | {"thumbnail": thumbnail_2(image)} if says_facts else {}),
        "images": [
            {
                "@id": f"{uri}/annotation/1",
                "@type": "oa:Annotation",
                "motivation": "sc:painting",
                "resource": _picture(image, image.largest),
                "on": uri,
            }
        ],
    }


def _picture(image: CanvasImage, size: Size) -> dict[str, Any]:
    """`w,` is the canonical form of a size in 2.1, and allowed where limits make `full` too large."""
    return {
        "@id": f"{image.services.uri_2}/full/{size.width},/0/default.jpg",
        "@type": "dctypes:Image",
        "format": "image/jpeg",
        "height": size.height,
        "width": size.width,
        "service": _service(image.services),
    }


def _service(services: ImageServices) -> dict[str, Any]:
    return {
        "@context": _IMAGE_CONTEXT,
        "@id": services.uri_2,
        "profile": f"http://iiif.io/api/image/2/level{services.level_2}.json",
    }
