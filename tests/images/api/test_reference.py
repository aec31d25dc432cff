"""The page that shows what the API's description says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from images.api.reference import Reference
from tests.support.server import PROJECT

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(name="document", scope="module")
def fixture_document() -> Any:
    return yaml.safe_load(Path(PROJECT / "docs" / "openapi.yaml").read_text())


def test_every_operation_and_object_has_its_place(document: Any) -> None:
    reference = Reference(document)
    operations = [(each.method.lower(), each.path) for tag in reference.tags() for each in tag.operations]
    described = [(method, path) for path, each in document["paths"].items() for method in METHODS if method in each]
    assert sorted(operations) == sorted(described)
    assert {each.name for each in reference.objects()} == set(document["components"]["schemas"])


def test_an_operation_is_shown_with_all_that_it_takes_and_gives(document: Any) -> None:
    found = {each.anchor: each for tag in Reference(document).tags() for each in tag.operations}
    made = found["images_create"]
    assert [each.media_type for each in made.bodies] == ["application/json", "multipart/form-data"]
    assert [each.link for each in made.bodies] == ["ImageInputRequest", "ImageUploadRequest"]
    assert [each.status for each in made.answers] == ["202", "200", ""]
    assert made.example.startswith('curl -X POST -H "Authorization: Bearer $TOKEN" "$SERVER/api/v1/images/"')
    assert '"identifier"' in made.example
    listed = found["images_list"]
    assert {each.place for each in listed.parameters} == {"query"}
    assert found["root"].is_open
    assert "TOKEN" not in found["root"].example
    assert "$SERVER/api/v1/images/IDENTIFIER/" in found["images_retrieve"].example


def test_what_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"parts": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}}
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    path = {"get": {"operationId": "a", "responses": {"200": answer}}}
    reference = Reference({"paths": {"/a": path}, "components": {"schemas": {"A": node}}})
    [tag] = reference.tags()
    assert tag.operations[0].answers[0].contents[0].example.count("parts") == 2


def test_the_page_needs_no_script_and_all_its_links_lead_somewhere(client: Client) -> None:
    response = client.get("/api/v1/docs/")
    text = response.content.decode()
    assert response.status_code == 200
    assert "<script" not in text
    anchors = set(re.findall(r' id="([^"]+)"', text))
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links - anchors == set()
    assert len(links) > 60


def test_the_page_speaks_the_language_of_its_reader(client: Client) -> None:
    german = client.get("/api/v1/docs/", headers={"accept-language": "de"}).content.decode()
    assert '<html lang="de">' in german
    assert "Antworten" in german
    english = client.get("/api/v1/docs/", headers={"accept-language": "en"}).content.decode()
    assert '<html lang="en">' in english
    assert ">Answers<" in english
