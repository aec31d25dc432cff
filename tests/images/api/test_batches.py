"""Thousands of images at once: checked as a whole, registered piece by piece, watched, retried and undone."""

import csv
import io
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.models import Batch, BatchRow, BatchState, Image, ImageState, Profile, Store
from images.services import batches
from images.services.batches import batch_run, batches_resume
from images.services.decoding import close_runner
from tests.flows.conftest import gradient, png_bytes
from tests.images.api.conftest import Caller, MakeCaller, make_collection, make_image, source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _runner() -> Iterator[None]:
    yield
    close_runner()


@pytest.fixture
def files(store: Store) -> Store:
    for number in range(5):
        (Path(store.root) / f"{number}.png").write_bytes(png_bytes(gradient(20 + number, 10)))
    return store


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Tasks are noted and not run."""
    tasks: list[tuple[Any, ...]] = []
    monkeypatch.setattr(batches, "enqueue", lambda *task, **_queue: tasks.append(task))
    monkeypatch.setattr(batches, "enqueue_many", lambda name, calls, **_queue: tasks.extend((name, *c) for c in calls))
    return tasks


def rows(store: Store, count: int = 5, **fields: Any) -> list[dict[str, Any]]:
    return [{"identifier": f"i{n}", "source": source(store, f"{n}.png"), **fields} for n in range(count)]


def send_csv(caller: Caller, text: str, query: str = "", **headers: str) -> Any:
    return caller("POST", f"batches/?{query}", text.encode(), content_type="text/csv", headers=headers)


def test_a_batch_from_beginning_to_end(curator: Caller, files: Store) -> None:
    (Path(files.root) / "2.png").write_bytes(b"nothing of the kind")
    made = curator("POST", "batches/", {"label": "spring", "rows": rows(files, label="Plate")})
    assert made.status_code == 202, made.content
    batch = curator("GET", made["Location"].removeprefix("http://testserver")).json()
    progress = batch["progress"]
    assert (batch["state"], batch["label"], progress["total"]) == ("registered", "spring", 5)
    assert (progress["pending"], progress["ready"], progress["failed"]) == (0, 4, 1)
    assert progress["rate"] > 0
    (failed,) = batch["failed_rows"]
    assert (failed["row"], failed["identifier"], failed["error"]["code"]) == (3, "i2", "not_an_image")
    assert Image.objects.get(identifier="i4").label == "Plate"
    table = curator("GET", f"batches/{batch['id']}/errors/")
    assert table["Content-Type"].startswith("text/csv")
    assert [row["identifier"] for row in csv.DictReader(io.StringIO(table.content.decode()))] == ["i2"]
    assert curator("GET", f"batches/{batch['id']}/rows/?state=ready").json()["count"] == 4

    (Path(files.root) / "2.png").write_bytes(png_bytes(gradient(9, 9)))
    assert curator("POST", f"batches/{batch['id']}/retry/").json()["progress"]["ready"] == 5
    assert Image.objects.get(identifier="i0").version == 1

    assert curator("POST", f"batches/{batch['id']}/undo/").json()["progress"]["undone"] == 5
    assert not Image.objects.exists()
    assert curator("GET", "batches/").json()["results"][0]["state"] == "undone"


def test_the_history_of_an_image_tells_who_sent_the_batch(curator: Caller, files: Store) -> None:
    def notes() -> list[tuple[str, str]]:
        entries = LogEntry.objects.filter(object_id=str(Image.objects.get(identifier="i1").pk)).order_by("pk")
        return [(entry.user.get_username(), entry.get_change_message()) for entry in entries]

    curator("POST", "batches/", {"rows": rows(files)})
    added = notes()
    assert [message for _name, message in added] == ["Added."]
    assert added[0][0] == Batch.objects.get().created_by.get_username()  # type: ignore[union-attr]
    assert LogEntry.objects.count() == 5
    curator("POST", "batches/", {"rows": rows(files)})
    assert notes() == added
    moved = [{"identifier": "i1", "source": source(files, "3.png")}]
    assert curator("POST", "batches/", {"rows": moved, "replace": True}).status_code == 202
    assert len(notes()) == 2
    assert notes()[1] == (added[0][0], "Changed Key.")


def test_the_same_batch_again_does_nothing(curator: Caller, files: Store) -> None:
    curator("POST", "batches/", {"rows": rows(files)})
    versions = list(Image.objects.values_list("version", "modified"))
    again = curator("POST", "batches/", {"rows": rows(files)}).json()
    assert again["progress"]["ready"] == 5
    assert list(Image.objects.values_list("version", "modified")) == versions
    curator("POST", f"batches/{again['id']}/undo/")
    assert Image.objects.count() == 5  # the second batch has made none


def test_a_late_retry_has_a_rate_of_its_own(curator: Caller, files: Store) -> None:
    (Path(files.root) / "2.png").write_bytes(b"nothing of the kind")
    link = curator("POST", "batches/", {"rows": rows(files)})["Location"].removeprefix("http://testserver")
    long_ago = timezone.now() - timedelta(days=10)
    Batch.objects.update(created=long_ago)
    Image.objects.update(state_changed=long_ago + timedelta(seconds=5))
    assert curator("GET", link).json()["progress"]["rate"] == 1.0
    (Path(files.root) / "2.png").write_bytes(png_bytes(gradient(9, 9)))
    curator("POST", f"{link}retry/")
    Batch.objects.update(resumed=timezone.now() - timedelta(seconds=4))
    Image.objects.filter(identifier="i2").update(state_changed=timezone.now())
    progress = curator("GET", link).json()["progress"]
    assert progress["ready"] == 5
    assert progress["rate"] == pytest.approx(0.25, abs=0.02)


def test_a_batch_may_name_a_profile(curator: Caller, files: Store) -> None:
    profile = Profile.objects.create(name="posters")
    unknown = curator("POST", "batches/", {"profile": "poster", "rows": rows(files)})
    assert (unknown.status_code, [error["field"] for error in unknown.json()["errors"]]) == (400, ["profile"])
    assert not Image.objects.exists()
    assert curator("POST", "batches/", {"profile": "posters", "rows": rows(files, 2)}).status_code == 202
    assert set(Image.objects.values_list("profile", flat=True)) == {profile.pk}
    table = "identifier,source\nt0,3.png\n"
    assert send_csv(curator, table, f"store={files.name}&profile=posters").status_code == 202
    assert Image.objects.get(identifier="t0").profile == profile


def test_a_dry_run_writes_nothing(curator: Caller, files: Store) -> None:
    make_image(files, "i0")
    Image.objects.update(key="0.png")
    make_image(files, "i1")
    body = {"rows": rows(files), "dry_run": True, "replace": True}
    answer = curator("POST", "batches/", body)
    assert answer.status_code == 200
    assert answer.json() == {"dry_run": True, "total": 5, "new": 3, "unchanged": 1, "moved": 1}
    assert not Batch.objects.exists()
    assert Image.objects.count() == 2


def test_another_source_is_an_error_unless_it_replaces(curator: Caller, files: Store) -> None:
    curator("POST", "batches/", {"rows": rows(files, 2)})
    swapped = [{"identifier": "i0", "source": source(files, "1.png")}]
    refused = curator("POST", "batches/", {"rows": swapped})
    assert [error["code"] for error in refused.json()["errors"]] == ["identifier_taken"]
    assert curator("POST", "batches/", {"rows": swapped, "replace": True}).status_code == 202
    image = Image.objects.get(identifier="i0")
    assert (image.key, image.version, image.width) == ("1.png", 2, 21)


def test_all_errors_come_at_once_with_their_rows(curator: Caller, files: Store) -> None:
    wrong: list[Any] = [
        {"identifier": "ok", "source": source(files)},
        {"identifier": "../up", "source": source(files)},
        {"identifier": "ok", "source": source(files)},
        {"identifier": "a", "source": {"store": "nowhere", "key": "x"}},
        {"identifier": "b", "source": source(files, "../x")},
        {"identifier": "c", "source": {"url": "ftp://x.example/a"}},
        {"identifier": "d", "source": source(files), "collection": "nowhere"},
        {"identifier": "e", "source": source(files), "metadata": [{"label": "x"}]},
        {"identifier": "f", "source": source(files), "labels": "x"},
        {"identifier": 7, "source": source(files)},
        {"source": source(files)},
        {"identifier": "g"},
        "no object",
        {"identifier": "h", "source": source(files), "rights": "javascript:alert(1)"},
        {"identifier": "i", "source": source(files), "label": "x" * 501},
    ]
    response = curator("POST", "batches/", {"rows": wrong})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    found = {(error["row"], error["field"]) for error in response.json()["errors"]}
    assert found == {
        (2, "identifier"),
        (3, "identifier"),
        (4, "source.store"),
        (5, "source.key"),
        (6, "source"),
        (7, "collection"),
        (8, "metadata"),
        (9, "labels"),
        (10, "identifier"),
        (11, "identifier"),
        (12, "source"),
        (13, ""),
        (14, "rights"),
        (15, "label"),
    }
    assert not Image.objects.exists()
    assert not Batch.objects.exists()


def test_errors_can_be_had_as_a_table(curator: Caller, files: Store) -> None:
    text = "identifier,source,store\n=cmd|x,../up,sources\nb,b.png,sources\n"
    response = send_csv(curator, text, Accept="text/csv")
    assert response.status_code == 400
    assert "attachment" in response["Content-Disposition"]
    (row,) = csv.DictReader(io.StringIO(response.content.decode()))
    assert (row["row"], row["identifier"], row["field"]) == ("2", "'=cmd|x", "source.key")


@pytest.mark.parametrize(
    "text",
    [
        "identifier,source,store,label,metadata.Date\ni0,0.png,sources,Plate,1877\n",
        "\ufeffidentifier;source;store;label;metadata.Date\r\ni0;0.png;sources;Plate;1877\r\n",
        'source\tidentifier\tstore\tlabel\tmetadata\n0.png\ti0\tsources\tPlate\t[{"label": "Date", "value": "1877"}]',
        (
            "identifier,source,store,label,metadata\n\n"
            '"i0",0.png,sources,Plate,"[{""label"": ""Date"", ""value"": ""1877""}]"\n,,,,\n'
        ),
    ],
)
def test_tables_as_spreadsheets_write_them(curator: Caller, files: Store, text: str) -> None:
    assert send_csv(curator, text).status_code == 202
    image = Image.objects.get()
    assert (image.identifier, image.key, image.label, image.width) == ("i0", "0.png", "Plate", 20)
    assert image.metadata == [{"label": "Date", "value": "1877"}]


def test_tables_of_go_iiif(curator: Caller, files: Store) -> None:
    plates = make_collection("plates")
    text = "source_id,alternate_id\n0.png,zero\n1.png,\n"
    assert send_csv(curator, text, f"store={files.name}&collection=plates").status_code == 202
    assert set(Image.objects.values_list("identifier", "collection")) == {("zero", plates.pk), ("1.png", plates.pk)}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", ""),
        ("identifier,source\n", ""),
        ("identifier,source,size\na,b,c\n", ""),
        ("identifier,identifier,source\na,b,c\n", ""),
        ("name,file\na,b\n", ""),
        ('identifier,source\n"a,b\n', ""),
        ("identifier,source\na,0.png\n", ""),
        ("identifier,source\na,0.png,x\n", "store=sources"),
        ("identifier,source\na,0.png\n", "store=nowhere"),
        ("identifier,source\na,0.png\n", "store=sources&collection=nowhere"),
        ("identifier,source\na,0.png\n", "store=sources&dry_run=perhaps"),
        ("identifier,source\na\0b,0.png\n", "store=sources"),
        ('identifier,source,metadata\na,0.png,"{"\n', "store=sources"),
        ("identifier,source\na,/etc/passwd\n", "store=sources"),
        ("identifier,source\na,file:///etc/passwd\n", ""),
    ],
)
def test_tables_that_make_no_sense_are_refused(curator: Caller, files: Store, text: str, query: str) -> None:
    response = send_csv(curator, text, query)
    assert response.status_code == 400, response.content
    assert response.json()["errors"]
    assert not Image.objects.exists()


@pytest.mark.parametrize("body", [[], {}, {"rows": {}}, {"rows": "x"}, 7, None])
def test_bodies_that_are_no_list_are_refused(curator: Caller, body: Any) -> None:
    response = curator("POST", "batches/", json.dumps(body), content_type="application/json")
    assert response.status_code == 400


def test_ten_thousand_rows(curator: Caller, store: Store, sent: list[tuple[Any, ...]]) -> None:
    with CaptureQueriesContext(connection) as captured:
        response = curator("POST", "batches/", {"rows": rows(store, 10_000)})
    assert response.status_code == 202
    assert len(captured) < 150  # a few for each 500 rows, none for each row
    pk = response.json()["id"]
    assert sent == [("images.batch", pk)]
    with CaptureQueriesContext(connection) as captured:
        batch_run(pk)
    assert len(captured) < 2500
    assert Image.objects.filter(state=ImageState.PENDING).count() == 10_000
    assert len(sent) == 10_001
    with CaptureQueriesContext(connection) as captured:
        assert curator("GET", f"batches/{pk}/").json()["progress"]["pending"] == 10_000
    assert len(captured) <= 12
    too_many = curator("POST", "batches/", {"rows": rows(store, 10_001)})
    assert (too_many.status_code, too_many.json()["code"]) == (413, "too_many_rows")


def test_a_worker_that_died_is_followed_by_another(
    curator: Caller, files: Store, sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    pk = curator("POST", "batches/", {"rows": rows(files)}).json()["id"]
    monkeypatch.setattr(batches, "_STEP_ROWS", 2)
    steps: list[tuple[Any, ...]] = []

    def dies(*arguments: Any, **_queue: Any) -> None:
        if steps:
            raise SystemExit
        steps.append(arguments)

    monkeypatch.setattr(batches, "enqueue_many", dies)
    with pytest.raises(SystemExit):
        batch_run(pk)
    assert Image.objects.count() == 2  # the step that it died in left nothing
    monkeypatch.setattr(batches, "enqueue_many", lambda *_call, **_queue: None)
    assert batches_resume() == 0
    Batch.objects.update(state_changed=timezone.now() - timedelta(seconds=settings.IIIF_STALLED_SECONDS + 1))
    assert batches_resume() == 1
    assert sent[-1] == ("images.batch", pk)
    batch_run(pk)
    batch_run(pk)
    assert Image.objects.count() == 5
    assert Batch.objects.get().state == BatchState.REGISTERED


def test_cancelled_rows_are_left_undone(curator: Caller, files: Store, sent: list[tuple[Any, ...]]) -> None:
    pk = curator("POST", "batches/", {"rows": rows(files)}).json()["id"]
    assert curator("POST", f"batches/{pk}/cancel/").json()["progress"]["cancelled"] == 5
    batch_run(pk)
    assert not Image.objects.exists()
    assert Batch.objects.get().state == BatchState.CANCELLED


def test_undoing_leaves_what_was_moved_elsewhere(curator: Caller, files: Store) -> None:
    pk = curator("POST", "batches/", {"rows": rows(files, 2)}).json()["id"]
    curator("PATCH", "images/i0/", {"source": source(files, "4.png")})
    curator("POST", f"batches/{pk}/undo/")
    assert list(Image.objects.values_list("identifier", flat=True)) == ["i0"]


def test_an_image_that_somebody_registers_meanwhile_is_no_trouble(
    curator: Caller, files: Store, sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = curator("POST", "batches/", {"rows": rows(files, 3)}).json()["id"]
    build = batches._image

    def meanwhile(row: BatchRow) -> Image:
        if row.identifier == "i1" and not Image.objects.filter(identifier="i1").exists():
            make_image(files, "i1")
        return build(row)

    monkeypatch.setattr(batches, "_image", meanwhile)
    batch_run(pk)
    states = dict(BatchRow.objects.values_list("identifier", "state"))
    assert states == {"i0": "done", "i1": "refused", "i2": "done"}
    assert Image.objects.count() == 3


def test_a_limited_token_stays_in_its_collections(as_token: MakeCaller, curator: Caller, files: Store) -> None:
    plates = make_collection("plates")
    make_image(files, "i1")
    theirs = curator("POST", "batches/", {"rows": rows(files, 1)}).json()["id"]
    caller = as_token("write", collections=[plates])
    assert caller("POST", "batches/", {"rows": rows(files, 1)}).json()["errors"][0]["field"] == "collection"
    taken = caller("POST", "batches/", {"rows": rows(files, 3), "collection": "plates", "replace": True}).json()
    assert {error["identifier"] for error in taken["errors"]} == {"i0", "i1"}
    mine = caller("POST", "batches/", {"rows": rows(files)[2:], "collection": "plates"}).json()
    assert mine["progress"]["ready"] == 3
    assert [batch["id"] for batch in caller("GET", "batches/").json()["results"]] == [mine["id"]]
    assert caller("GET", f"batches/{theirs}/").status_code == 404
    assert caller("POST", f"batches/{theirs}/undo/").status_code == 404
    assert caller("GET", f"batches/{uuid.uuid4()}/").status_code == 404


def test_a_limited_token_undoes_nothing_that_was_moved_out_of_its_collections(
    as_token: MakeCaller, files: Store
) -> None:
    caller = as_token("write", collections=[make_collection("plates")])
    pk = caller("POST", "batches/", {"rows": rows(files, 3), "collection": "plates"}).json()["id"]
    Image.objects.filter(identifier="i1").update(collection=make_collection("maps"))
    Image.objects.filter(identifier="i2").update(collection=None)
    assert caller("POST", f"batches/{pk}/undo/").status_code == 202
    assert set(Image.objects.values_list("identifier", flat=True)) == {"i1", "i2"}


def test_a_limited_token_replaces_nothing_that_was_registered_elsewhere_meanwhile(
    as_token: MakeCaller, files: Store, sent: list[tuple[Any, ...]]
) -> None:
    caller = as_token("write", collections=[make_collection("plates")])
    body = {"rows": rows(files, 2), "collection": "plates", "replace": True}
    pk = caller("POST", "batches/", body).json()["id"]
    make_image(files, "i1", collection=make_collection("maps"))
    batch_run(pk)
    assert dict(BatchRow.objects.values_list("identifier", "state")) == {"i0": "done", "i1": "refused"}
    assert Image.objects.get(identifier="i1").collection.name == "maps"  # type: ignore[union-attr]


def test_programs_are_told_in_english_whatever_they_accept(
    curator: Caller, store: Store, sent: list[tuple[Any, ...]]
) -> None:
    german = {"Accept-Language": "de"}
    wrong = send_csv(curator, "identifier,source,store\na,,\nb,1.png,attic\n", **german)
    assert [error["detail"] for error in wrong.json()["errors"]] == [
        "Name a store and a key, or a URL.",
        "There is no store 'attic'.",
    ]
    assert send_csv(curator, "a,b\n1,2\n", **german).json()["errors"][0]["detail"].startswith("The first line must")
    batch = curator("POST", "batches/", {"rows": rows(store, 1)}).json()
    make_image(store, "i0")
    batch_run(batch["id"])
    table = curator("GET", f"batches/{batch['id']}/errors/", headers=german).content.decode()
    (row,) = csv.DictReader(io.StringIO(table))
    assert row["detail"] == "The identifier is taken by another source."
    shown = curator("GET", f"batches/{batch['id']}/rows/", headers=german).json()["results"]
    assert [one["error"]["detail"] for one in shown] == [row["detail"]]
