from typing import Any

import pytest

from images.iiif.geometry import Size
from images.iiif.manifest import ImageServices, ManifestImage, build_manifest

SERVICES = ImageServices("https://example.org/iiif/2/a%2Fb", "https://example.org/iiif/3/a%2Fb")


def manifest_of(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "manifest_uri": "https://example.org/iiif/presentation/3/a%2Fb/manifest",
        "page_uri": "https://example.org/view/a%2Fb",
        "services": SERVICES,
        "full": Size(30_000, 20_000),
        "largest": Size(8660, 5773),
        "thumbnail": Size(400, 267),
        "label": "Map of the harbour",
    }
    return build_manifest(ManifestImage(**{**values, **changes}))


def painting_body(manifest: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = manifest["items"][0]["items"][0]["items"][0]["body"]
    return body


def test_context_comes_first_and_required_properties_are_there() -> None:
    manifest = manifest_of()
    assert next(iter(manifest)) == "@context"
    assert manifest["type"] == "Manifest"
    assert manifest["label"] == {"none": ["Map of the harbour"]}
    assert manifest["id"] == "https://example.org/iiif/presentation/3/a%2Fb/manifest"


def test_structure_is_canvas_page_annotation_painting_the_canvas() -> None:
    (canvas,) = manifest_of()["items"]
    (page,) = canvas["items"]
    (annotation,) = page["items"]
    assert [part["type"] for part in (canvas, page, annotation)] == [
        "Canvas",
        "AnnotationPage",
        "Annotation",
    ]
    assert annotation["motivation"] == "painting"
    assert annotation["target"] == canvas["id"]
    assert (canvas["width"], canvas["height"]) == (30_000, 20_000)


def test_body_says_the_size_that_max_really_has() -> None:
    body = painting_body(manifest_of())
    assert body["id"] == "https://example.org/iiif/3/a%2Fb/full/max/0/default.jpg"
    assert (body["width"], body["height"]) == (8660, 5773)
    assert body["format"] == "image/jpeg"


def test_services_are_named_in_the_form_of_their_version() -> None:
    newer, older = painting_body(manifest_of())["service"]
    assert newer == {"id": SERVICES.uri_3, "type": "ImageService3", "profile": "level2"}
    assert older == {
        "@id": SERVICES.uri_2,
        "@type": "ImageService2",
        "profile": "http://iiif.io/api/image/2/level2.json",
    }


def test_thumbnail_is_a_picture_with_services() -> None:
    (thumbnail,) = manifest_of()["thumbnail"]
    assert thumbnail["id"].endswith("/full/400,267/0/default.jpg")
    assert thumbnail["service"][0]["type"] == "ImageService3"


@pytest.mark.parametrize("name", ["metadata", "rights", "requiredStatement"])
def test_what_nobody_recorded_is_left_out(name: str) -> None:
    assert name not in manifest_of()


def test_rights_attribution_and_metadata() -> None:
    manifest = manifest_of(
        rights="http://rightsstatements.org/vocab/InC/1.0/",
        attribution="City Archive",
        metadata=(("Date", "1898"), ("Maker", "Unknown")),
    )
    assert manifest["rights"] == "http://rightsstatements.org/vocab/InC/1.0/"
    assert manifest["requiredStatement"] == {
        "label": {"en": ["Attribution"]},
        "value": {"none": ["City Archive"]},
    }
    assert manifest["metadata"][0] == {"label": {"none": ["Date"]}, "value": {"none": ["1898"]}}


def test_ids_are_distinct() -> None:
    manifest = manifest_of()
    canvas = manifest["items"][0]
    page = canvas["items"][0]
    ids = [part["id"] for part in (manifest, canvas, page, page["items"][0])]
    assert len(set(ids)) == len(ids)
