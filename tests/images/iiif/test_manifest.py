from typing import Any

import pytest

from images.iiif.geometry import Size
from images.iiif.manifest import CanvasImage, Facts, ImageServices, Work, build_manifest
from images.iiif.manifest_2 import build_manifest_2

SERVICES = ImageServices("https://example.org/iiif/2/a%2Fb", "https://example.org/iiif/3/a%2Fb")


def image_of(**changes: Any) -> CanvasImage:
    values: dict[str, Any] = {
        "services": SERVICES,
        "full": Size(30_000, 20_000),
        "largest": Size(8660, 5773),
        "thumbnail": Size(400, 267),
        "facts": Facts("Map of the harbour"),
    }
    return CanvasImage(**{**values, **changes})


def work_of(*images: CanvasImage, version: int = 3, **facts: Any) -> Work:
    return Work(
        manifest_uri=f"https://example.org/iiif/presentation/{version}/a%2Fb/manifest",
        page_uri="https://example.org/view/a%2Fb",
        facts=Facts(**{"label": "Map of the harbour", **facts}),
        canvases=images or (image_of(),),
    )


def manifest_of(**facts: Any) -> dict[str, Any]:
    return build_manifest(work_of(**facts))


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


def test_a_set_has_a_canvas_for_each_image_and_each_says_its_own_facts() -> None:
    pages = [image_of(facts=Facts(f"Page {number}", metadata=(("Page", str(number)),))) for number in (1, 2)]
    manifest = build_manifest(work_of(*pages, label="The whole book"))
    assert manifest["label"] == {"none": ["The whole book"]}
    assert [canvas["label"] for canvas in manifest["items"]] == [{"none": ["Page 1"]}, {"none": ["Page 2"]}]
    assert len({canvas["id"] for canvas in manifest["items"]}) == 2
    assert manifest["items"][1]["metadata"] == [{"label": {"none": ["Page"]}, "value": {"none": ["2"]}}]
    assert manifest["items"][1]["thumbnail"][0]["type"] == "Image"


def test_form_of_version_2() -> None:
    manifest = build_manifest_2(
        work_of(version=2, rights="http://x.org/r", attribution="Archive", metadata=(("A", "b"),))
    )
    assert manifest["@context"] == "http://iiif.io/api/presentation/2/context.json"
    assert (manifest["@type"], manifest["license"], manifest["attribution"]) == (
        "sc:Manifest",
        "http://x.org/r",
        "Archive",
    )
    assert manifest["metadata"] == [{"label": "A", "value": "b"}]
    (sequence,) = manifest["sequences"]
    (canvas,) = sequence["canvases"]
    (annotation,) = canvas["images"]
    assert annotation["on"] == canvas["@id"]
    resource = annotation["resource"]
    assert resource["@id"] == "https://example.org/iiif/2/a%2Fb/full/8660,/0/default.jpg"
    assert (resource["width"], resource["height"]) == (8660, 5773)
    assert resource["service"]["@id"] == SERVICES.uri_2
    assert resource["service"]["profile"] == "http://iiif.io/api/image/2/level2.json"
