"""A Presentation 3.0 manifest of one image: one canvas, painted by it and served by its services."""

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
class ManifestImage:
    """What a manifest says of its image.

    `full` is the size of the canvas; `largest` the size of `full/max` once limits were applied;
    `thumbnail` that of the thumbnail. `metadata` holds pairs of label and value. `attribution` may
    hold HTML (section 4.1).
    """

    manifest_uri: str
    page_uri: str
    services: ImageServices
    full: Size
    largest: Size
    thumbnail: Size
    label: str
    rights: str = ""
    attribution: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


def build_manifest(image: ManifestImage) -> dict[str, Any]:
    """The manifest, ready for JSON, keys in the order of the specification's examples.

    Presentation API 3.0, sections 3 (properties) and 5.2 to 5.6 (structure).
    """
    manifest: dict[str, Any] = {
        "@context": CONTEXT,
        "id": image.manifest_uri,
        "type": "Manifest",
        "label": _in_no_language(image.label),
    }
    if image.metadata:
        manifest["metadata"] = [
            {"label": _in_no_language(label), "value": _in_no_language(value)} for label, value in image.metadata
        ]
    if image.rights:
        manifest["rights"] = image.rights
    if image.attribution:
        manifest["requiredStatement"] = {
            "label": {"en": ["Attribution"]},
            "value": _in_no_language(image.attribution),
        }
    manifest["thumbnail"] = [_thumbnail(image)]
    manifest["homepage"] = [
        {
            "id": image.page_uri,
            "type": "Text",
            "label": _in_no_language(image.label),
            "format": "text/html",
        }
    ]
    manifest["items"] = [_canvas(image)]
    return manifest


def _in_no_language(text: str) -> Mapping[str, list[str]]:
    """A language map for text whose language nobody recorded (section 4.1)."""
    return {"none": [text]}


def _canvas(image: ManifestImage) -> dict[str, Any]:
    canvas = f"{image.manifest_uri}/canvas/1"
    return {
        "id": canvas,
        "type": "Canvas",
        "label": _in_no_language(image.label),
        "height": image.full.height,
        "width": image.full.width,
        "items": [
            {
                "id": f"{canvas}/page/1",
                "type": "AnnotationPage",
                "items": [
                    {
                        "id": f"{canvas}/page/1/annotation/1",
                        "type": "Annotation",
                        "motivation": "painting",
                        "body": _picture(image, "max", image.largest),
                        "target": canvas,
                    }
                ],
            }
        ],
    }


def _thumbnail(image: ManifestImage) -> dict[str, Any]:
    size = image.thumbnail
    return _picture(image, f"{size.width},{size.height}", size)


def _picture(image: ManifestImage, size_parameter: str, size: Size) -> dict[str, Any]:
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
