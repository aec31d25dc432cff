"""Compliance profiles: what they switch off is refused and not advertised; what they change has names of its own."""

import json
import re
import socket
from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.live_server_helper import LiveServer

from images.conf import conf
from images.models import Collection, Image, Profile
from images.models.profile import SWITCHABLE_FEATURES

pytestmark = pytest.mark.django_db
TILE = "/iiif/3/picture/0,0,512,400/512,/0/default.jpg"


def information(client: Client, version: int = 3) -> dict[str, Any]:
    response = client.get(f"/iiif/{version}/picture/info.json")
    assert response.status_code == 200
    document: dict[str, Any] = json.loads(response.content)
    return document


def use(picture: Image, **fields: Any) -> Profile:
    profile = Profile(name="strict", **fields)
    profile.full_clean()
    profile.save()
    picture.profile = profile
    picture.save()
    return profile


def boxes(without: Sequence[str] = ()) -> dict[str, list[str]]:
    """As a form has them that has just been opened, but for the features that are not ticked."""
    return {
        "features": [name for name in map(str, SWITCHABLE_FEATURES) if name not in without],
        "qualities": list(map(str, conf.capabilities.qualities)),
        "formats": list(map(str, conf.capabilities.formats)),
    }


def test_a_feature_that_is_off_is_501_and_not_advertised(client: Client, picture: Image) -> None:
    assert "rotationArbitrary" in information(client)["extraFeatures"]
    use(picture, disabled_features=["rotationArbitrary", "regionByPct"])
    document = information(client)
    assert "rotationArbitrary" not in document["extraFeatures"]
    assert document["profile"] == "level1"
    for path in ("full/100,/12.5/default.jpg", "pct:0,0,50,50/100,/0/default.jpg"):
        response = client.get(f"/iiif/3/picture/{path}")
        assert (response.status_code, response.json()["error"]) == (501, "not_supported")
    assert client.get("/iiif/3/picture/full/100,/90/default.jpg").status_code == 200


def test_qualities_and_formats(client: Client, picture: Image) -> None:
    use(picture, qualities=["gray"], formats=["png"])
    document = information(client)
    assert document["extraQualities"] == ["gray"]
    assert document["extraFormats"] == ["png"]
    statuses = {
        written: client.get(f"/iiif/3/picture/full/50,/0/{written}").status_code
        for written in ("default.jpg", "gray.png", "bitonal.png", "default.webp")
    }
    assert statuses == {"default.jpg": 200, "gray.png": 200, "bitonal.png": 501, "default.webp": 501}


def test_limits_are_the_smaller_ones(client: Client, picture: Image, settings: Any) -> None:
    settings.IIIF_MAX_WIDTH = 500
    use(picture, max_width=300)
    assert information(client)["maxWidth"] == 300
    assert client.get("/iiif/3/picture/full/301,/0/default.jpg").status_code == 400
    Profile.objects.update(max_width=10_000)
    assert information(client)["maxWidth"] == 500


def test_tiles_and_encoding_have_names_of_their_own(client: Client, picture: Image) -> None:
    before = client.get(TILE)
    profile = use(picture, jpeg_quality=30, tile_size=256)
    after = client.get(TILE)
    assert after["ETag"] != before["ETag"]
    assert len(b"".join(after)) < len(b"".join(before))
    assert information(client)["tiles"][0]["width"] == 256
    profile.jpeg_quality = None
    profile.save()
    assert client.get(TILE)["ETag"] == before["ETag"]


@pytest.mark.parametrize("holder", ["image", "collection", "default"])
def test_an_image_has_the_nearest_profile(
    client: Client, picture: Image, holder: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    profiles = [
        Profile.objects.create(name=f"p{width}", max_width=width, is_default=width == 300) for width in (100, 200, 300)
    ]
    if holder != "default":
        picture.collection = Collection.objects.create(name="maps", profile=profiles[1])
    if holder == "image":
        picture.profile = profiles[0]
    picture.save()
    assert connection.features.supports_json_field  # asked of the database once a process
    with django_assert_max_num_queries(1):
        found = information(client)["maxWidth"]
    assert found == {"image": 100, "collection": 200, "default": 300}[holder]


@pytest.mark.parametrize("version", [2, 3])
def test_rights_attribution_and_additions(client: Client, picture: Image, version: int) -> None:
    use(
        picture,
        rights="http://rightsstatements.org/vocab/InC/1.0/",
        attribution="The archive",
        information={"service": {"@id": "https://example.org/x", "profile": "p"}, "seen": "profile", "note": 1},
    )
    picture.information = {"seen": "image"}
    picture.save()
    document = information(client, version)
    assert document["rights" if version == 3 else "license"] == "http://rightsstatements.org/vocab/InC/1.0/"
    assert document["service"] == [{"@id": "https://example.org/x", "profile": "p"}]
    assert (document["seen"], document["note"]) == ("image", 1)
    manifest = client.get(f"/iiif/presentation/{version}/picture/manifest").json()
    assert "The archive" in json.dumps(manifest)


def test_the_etag_of_info_json_follows(client: Client, picture: Image) -> None:
    profile = use(picture)
    seen = {client.get("/iiif/3/picture/info.json")["ETag"]}
    for change in ({"attribution": "A"}, {"tile_size": 256}, {"information": {"a": 1}}, {"formats": ["png"]}):
        Profile.objects.filter(pk=profile.pk).update(**change)
        seen.add(client.get("/iiif/3/picture/info.json")["ETag"])
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"disabled_features": ["regionByMagic"]}, "regionByMagic"),
        ({"disabled_features": ["cors"]}, "cors"),
        ({"qualities": "gray"}, "list of names"),
        ({"formats": ["bmp"]}, "bmp"),
        ({"information": {"width": 1}}, "width: the server says this itself"),
        ({"information": {"service": ["x"]}}, "service is a list"),
        ({"information": ["note"]}, "object"),
        ({"max_height": 10}, "maximum width"),
        ({"tile_size": 5}, "128"),
        ({"jpeg_quality": 101}, "100"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Profile(name="x", **fields).full_clean()


def test_there_is_one_default() -> None:
    Profile.objects.create(name="a", is_default=True)
    with pytest.raises(ValidationError, match="default already"):
        Profile(name="b", is_default=True).full_clean()
    with pytest.raises(IntegrityError):
        Profile.objects.create(name="b", is_default=True)


def test_the_command_shows_a_profile(picture: Image) -> None:
    use(picture, disabled_features=["regionByPx", "rotationBy90s"])
    out = StringIO()
    call_command("compliance", "--json", "--profile", "strict", stdout=out)
    assert json.loads(out.getvalue())["levels"] == {"2": 0, "3": 0}
    with pytest.raises(CommandError, match="there are: strict"):
        call_command("compliance", "--profile", "other")


def test_a_new_format_is_answered_where_all_are_ticked(client: Client, settings: Any) -> None:
    """And what a server offers no more stays in the profile until its box is cleared."""
    client.force_login(get_user_model().objects.create_superuser("admin"))
    form = {**boxes(), "name": "all", "information": "{}", "layer_policy": ""}
    assert client.post("/admin/images/profile/add/", form).status_code == 302
    profile = Profile.objects.get()
    assert (profile.disabled_features, profile.qualities, profile.formats) == ([], [], [])
    Profile.objects.update(disabled_features=["sizeByPct"], formats=["png", "webp"])
    settings.IIIF_FORMATS = ["jpg", "png"]
    text = client.get(f"/admin/images/profile/{profile.pk}/change/").content.decode()
    ticked = re.findall(r'<input[^>]*name="formats"[^>]*value="(.*?)"[^>]*checked[^>]*>', text)
    assert ticked == ["jpg", "png", "webp"]


def test_curators_tick_boxes(client: Client, picture: Image) -> None:
    client.force_login(get_user_model().objects.create_superuser("admin"))
    form = {**boxes(without=["rotationArbitrary"]), "name": "reading-room", "formats": ["png"], "information": "{}"}
    assert (
        "This field is required" in client.post("/admin/images/profile/add/", {**form, "formats": []}).content.decode()
    )
    assert client.post("/admin/images/profile/add/", form).status_code == 302
    profile = Profile.objects.get()
    assert (profile.disabled_features, profile.qualities, profile.formats) == (["rotationArbitrary"], [], ["png"])
    text = client.get(f"/admin/images/profile/{profile.pk}/change/").content.decode()
    (box,) = re.findall(r'<input[^>]*value="rotationArbitrary"[^>]*>', text)
    assert "checked" not in box
    (box,) = re.findall(r'<input[^>]*value="regionByPct"[^>]*>', text)
    assert "checked" in box
    ticked = re.findall(r'<input[^>]*name="formats"[^>]*value="(.*?)"[^>]*checked[^>]*>', text)
    assert ticked == ["jpg", "png"]  # as it is answered
    everything = {**boxes(), "name": "reading-room", "information": "{}", "layer_policy": ""}
    everything["formats"] = [name for name in boxes()["formats"] if name != "jpg"]
    assert client.post(f"/admin/images/profile/{profile.pk}/change/", everything).status_code == 302
    profile.refresh_from_db()
    assert (profile.disabled_features, profile.formats) == ([], [])
    assert len(re.findall(r'<input[^>]*name="qualities"[^>]*checked[^>]*>', text)) == 4
    assert "2 (3.0), 2 (2.1)" in client.get("/admin/images/profile/").content.decode()


@pytest.mark.parametrize(
    ("written", "kept", "shown"),
    [("", None, ""), ("0", [], "0"), (" 400,100 , 200", [400, 100, 200], "400, 100, 200")],
)
def test_thumbnail_sizes_are_written_with_commas(
    client: Client, written: str, kept: list[int] | None, shown: str
) -> None:
    client.force_login(get_user_model().objects.create_superuser("admin"))
    form = {**boxes(), "name": "posters", "information": "{}", "layer_policy": "", "thumbnail_sizes": written}
    assert client.post("/admin/images/profile/add/", form).status_code == 302
    profile = Profile.objects.get()
    assert profile.thumbnail_sizes == kept
    text = client.get(f"/admin/images/profile/{profile.pk}/change/").content.decode()
    (field,) = re.findall(r'<input[^>]*name="thumbnail_sizes"[^>]*>', text)
    assert re.findall(r'value="([^"]*)"', field) == ([shown] if shown else [])


@pytest.mark.parametrize(
    ("written", "message"), [("100 200", "commas between"), ("-1", "commas between"), ("3000", "from 1 to 2048")]
)
def test_thumbnail_sizes_that_are_none_are_explained(client: Client, written: str, message: str) -> None:
    client.force_login(get_user_model().objects.create_superuser("admin"))
    form = {**boxes(), "name": "posters", "information": "{}", "layer_policy": "", "thumbnail_sizes": written}
    assert message in client.post("/admin/images/profile/add/", form).content.decode()
    assert not Profile.objects.exists()


def test_the_preview_follows_the_form(client: Client) -> None:
    client.force_login(get_user_model().objects.create_superuser("admin"))
    form = {**boxes(without=["regionByPx"]), "name": "new", "max_width": "300", "information": '{"note": 1}'}
    answer = client.post("/admin/images/profile/preview/", form).json()
    assert answer["levels"] == {"2": 0, "3": 0}
    assert answer["documents"]["3"]["maxWidth"] == 300
    assert answer["documents"]["2"]["note"] == 1
    assert "tiles" not in answer["documents"]["3"]
    assert any("they cannot zoom in" in text for text in answer["warnings"])
    wrong = client.post("/admin/images/profile/preview/", {**form, "max_width": "0"}).json()
    assert wrong["errors"] == ["Maximum width: Ensure this value is greater than or equal to 1."]
    assert not Profile.objects.exists()
    assert client.get("/admin/images/profile/preview/").status_code == 405
    client.force_login(get_user_model().objects.create_user("visitor", is_staff=True))
    assert client.post("/admin/images/profile/preview/", form).status_code == 403


def test_an_image_is_checked_at_the_running_server(
    client: Client, picture: Image, live_server: LiveServer, settings: Any
) -> None:
    use(picture, disabled_features=["rotationArbitrary"], formats=["png"])
    client.force_login(get_user_model().objects.create_superuser("admin"))
    settings.IIIF_OWN_ADDRESS = live_server.url
    address = f"/admin/images/image/{picture.pk}/check/"
    text = client.post(address, headers={"host": "localhost:9"}).content.decode()  # where nobody answers
    assert "http://localhost:9/iiif/3/picture/info.json" in text
    assert "rotation 12.5" in text
    assert "✗" not in text, re.findall("✗[^<]*", text)
    assert text.count("✓") > 40
    out = StringIO()
    call_command("check_image", "picture", "--url", live_server.url, stdout=out)
    assert "WRONG" not in out.getvalue()
    with pytest.raises(SystemExit):
        call_command("check_image", "picture", "--url", "http://127.0.0.1:9", stdout=out)
    assert "No answer" in out.getvalue()


def test_who_may_only_look_at_an_image_has_nothing_checked(client: Client, picture: Image) -> None:
    reader = get_user_model().objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_image"))
    client.force_login(reader)
    address = f"/admin/images/image/{picture.pk}/check/"
    assert client.get(f"/admin/images/image/{picture.pk}/change/").status_code == 200
    assert client.post(address).status_code == client.get(address).status_code == 403


def test_the_page_of_a_check_asks_nobody_before_it_is_sent(client: Client, picture: Image, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        settings.IIIF_OWN_ADDRESS = f"http://127.0.0.1:{server.getsockname()[1]}"
        client.force_login(get_user_model().objects.create_superuser("admin"))
        answer = client.get(f"/admin/images/image/{picture.pk}/check/")
        assert answer.status_code == 200
        assert "✓" not in answer.content.decode()
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_check_goes_to_the_public_address_with_its_path(
    client: Client, picture: Image, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IIIF_BASE_URL = "http://127.0.0.1:9/below"
    asked: list[str] = []

    def ask(_opener: object, url: str, _accept: str, address: str | None) -> tuple[int, dict[str, str], bytes]:
        asked.append(f"{address or ''} {url}")
        return 200, {}, b""

    monkeypatch.setattr("images.services.checking._ask", ask)
    client.force_login(get_user_model().objects.create_superuser("admin"))
    client.post(f"/admin/images/image/{picture.pk}/check/")
    assert len(asked) > 40
    assert all(re.match(r" http://127\.0\.0\.1:9/below/iiif/[23]/picture/", each) for each in asked)


def test_those_who_may_only_look_are_told_what_is_answered(client: Client) -> None:
    profile = Profile.objects.create(name="narrow", disabled_features=["mirroring"], formats=["png"])
    user = get_user_model().objects.create_user("guest", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_profile"))
    client.force_login(user)
    text = client.get(f"/admin/images/profile/{profile.pk}/change/").content.decode()
    assert "mirroring" not in text
    told = [name for name in map(str, SWITCHABLE_FEATURES) if name != "mirroring"]
    assert ", ".join(sorted(told)) in text
    assert "bitonal, color, default, gray" in text
    assert '<div class="readonly">jpg, png</div>' in text
    assert "profile-preview" not in text
