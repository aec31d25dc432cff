"""The pages for batches: a table is checked, corrected, begun, watched, tried again, cancelled and undone."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from images.models import Batch, BatchState, Collection, Image, ImageState, Profile, Store
from images.queue import Queue
from images.services import batches
from images.services.batches import batch_run
from images.services.roles import CURATOR, VIEWER

pytestmark = pytest.mark.django_db
ADD = "/admin/images/batch/add/"


@pytest.fixture(autouse=True)
def fixture_sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Tasks are noted and not run."""
    tasks: list[Any] = []

    def note(*task: Any, queue: Queue | None = None) -> None:
        tasks.append((*task, queue))

    monkeypatch.setattr(batches, "enqueue", note)
    monkeypatch.setattr(batches, "enqueue_many", note)
    return tasks


@pytest.fixture(name="shelf")
def fixture_shelf(tmp_path: Path) -> Store:
    return Store.objects.create(name="shelf", root=str(tmp_path))


def table(count: int, wrong: range = range(0)) -> str:
    lines = [f"i{n},{'' if n in wrong else f'{n}.png'},Plate {n}" for n in range(count)]
    return "\n".join(["identifier,source,label", *lines])


def upload(text: str, name: str = "rows.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode(), content_type="text/csv")


def read(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def signed_in(django_user_model: Any, role: str) -> Client:
    call_command("migrate", verbosity=0)  # the roles
    user = django_user_model.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def begin(client: Client, text: str, **fields: Any) -> Batch:
    answer = client.post(ADD, {"rows": text, "begin": "1", **fields})
    assert answer.status_code == 302, answer.content.decode()
    batch = Batch.objects.first()
    assert batch is not None
    assert answer["Location"] == f"/admin/images/batch/{batch.pk}/change/"
    return batch


def test_wrong_rows_are_told_downloaded_corrected_and_sent_again(admin_client: Client, shelf: Store) -> None:
    wrong = range(100, 110)
    options = {"store": shelf.pk, "label": "spring"}
    answer = admin_client.post(ADD, {"file": upload(table(1000, wrong)), "check": "1", **options})
    page = answer.content.decode()
    assert "1,000 rows: 990 right, 10 wrong." in page
    assert page.count("Name a store and a key, or a URL.") == 10
    assert not Batch.objects.exists()
    text = answer.context["form"].data["rows"]
    assert "Nothing was begun" in admin_client.post(ADD, {"rows": text, "begin": "1", **options}).content.decode()
    assert not Batch.objects.exists()

    bad = admin_client.post(ADD, {"rows": text, "download": "1", **options})
    assert [row["row"] for row in read(bad)] == [str(n + 2) for n in wrong]
    assert "source: Name a store and a key" in read(bad)[0]["reason"]
    first = begin(admin_client, text, leaves_out="on", **options)
    assert (first.label, first.total, first.created_by_id is not None) == ("spring", 990, True)

    rows = [{**row, "source": f"{row['identifier']}.png"} for row in read(bad)]
    corrected = io.StringIO()
    writer = csv.DictWriter(corrected, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    second = begin(admin_client, corrected.getvalue(), **options)
    for batch in (first, second):
        batch_run(str(batch.pk))
    assert (second.total, Image.objects.count()) == (10, 1000)
    assert Image.objects.get(identifier="i105").label == "Plate 105"


@pytest.mark.parametrize(
    "text",
    [
        "source_id,alternate_id\n1.png,i1\n",
        '[{"identifier": "i1", "source": {"store": "shelf", "key": "1.png"}}]',
        '{"rows": [{"identifier": "i1", "source": "1.png", "store": "shelf"}]}',
        "identifier;source\ni1;1.png\n",
    ],
)
def test_what_is_read(admin_client: Client, shelf: Store, text: str) -> None:
    maps, small = Collection.objects.create(name="maps"), Profile.objects.create(name="small")
    batch_run(str(begin(admin_client, text, store=shelf.pk, collection=maps.pk, profile=small.pk).pk))
    image = Image.objects.get()
    assert (image.identifier, image.store, image.key) == ("i1", shelf, "1.png")
    assert (image.collection, image.profile) == (maps, small)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "There are no rows."),
        ({"rows": "a,b\n1,2"}, "The first line must name the columns"),
        ({"rows": "[1"}, "It is no JSON"),
        ({"rows": "identifier,source\n"}, "There are no rows."),
        ({"file": SimpleUploadedFile("x.csv", b"identifier,source\nM\xfcller,a.png")}, "It is not written in UTF-8"),
    ],
)
def test_what_is_no_table(admin_client: Client, fields: dict[str, Any], reason: str) -> None:
    answer = admin_client.post(ADD, {**fields, "begin": "1"})
    assert answer.status_code == 400
    assert reason in answer.content.decode()
    assert not Batch.objects.exists()


def test_too_many_rows_and_too_large_a_file(admin_client: Client, settings: Any) -> None:
    settings.IIIF_BATCH_MAX_ROWS = 3
    assert "at most 3 rows, and these are 4" in admin_client.post(ADD, {"rows": table(4)}).content.decode()
    settings.IIIF_API_MAX_BODY_BYTES = 10
    assert "larger than 10" in admin_client.post(ADD, {"file": upload(table(2))}).content.decode()


def test_cells_are_never_formulas_and_come_back_as_they_were(admin_client: Client, shelf: Store) -> None:
    text = "identifier,source,label\na,,=1+1\n<b>x</b>,,'quoted\n"
    page = admin_client.post(ADD, {"rows": text, "check": "1", "store": shelf.pk}).content.decode()
    assert "<b>x</b></td>" not in page
    bad = admin_client.post(ADD, {"rows": text, "download": "1", "store": shelf.pk})
    assert [row["label"] for row in read(bad)] == ["'=1+1", "'quoted"]
    again = bad.content.decode("utf-8-sig").replace("a,,", "a,1.png,").replace("<b>x</b>,,", "c,2.png,")
    batch_run(str(begin(admin_client, again, store=shelf.pk).pk))
    assert sorted(Image.objects.values_list("label", flat=True)) == ["'quoted", "=1+1"]


def test_progress_failures_and_another_try(admin_client: Client, shelf: Store) -> None:
    batch = begin(admin_client, table(4), store=shelf.pk)
    page = f"/admin/images/batch/{batch.pk}/"
    assert admin_client.get(page + "state.json").json()["pending"] == 4
    assert 'http-equiv="refresh"' in admin_client.get(page + "change/").content.decode()
    batch_run(str(batch.pk))
    Image.objects.exclude(identifier="i2").update(state=ImageState.READY)
    Image.objects.filter(identifier="i2").update(
        state=ImageState.FAILED, error_code="not_an_image", error_detail="This is a text file."
    )
    facts = admin_client.get(page + "state.json").json()
    assert (facts["ready"], facts["failed"], facts["pending"], facts["is_finished"]) == (3, 1, 0, True)
    shown = admin_client.get(page + "change/?state=failed").content.decode()
    assert 'http-equiv="refresh"' not in shown
    assert (shown.count("This is a text file."), "i1</a>" in shown) == (1, False)
    (row,) = read(admin_client.get(page + "errors.csv"))
    assert (row["identifier"], row["source"], row["store"], row["label"]) == ("i2", "2.png", "shelf", "Plate 2")
    assert row["reason"] == "This is a text file."
    assert admin_client.post(page + "retry/").status_code == 302
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING


def test_cancelled_and_undone(admin_client: Client, shelf: Store) -> None:
    batch = begin(admin_client, table(3), store=shelf.pk)
    page = f"/admin/images/batch/{batch.pk}/"
    admin_client.post(page + "cancel/")
    assert admin_client.get(page + "state.json").json()["cancelled"] == 3
    other = begin(admin_client, table(3), store=shelf.pk)
    batch_run(str(other.pk))
    page = f"/admin/images/batch/{other.pk}/"
    assert "3 images that this batch has made are removed" in admin_client.get(page + "undo/").content.decode()
    assert Image.objects.count() == 3
    admin_client.post(page + "undo/")
    assert "Undo the batch" not in admin_client.get(page + "change/").content.decode()
    batch_run(str(other.pk))
    assert Image.objects.count() == 0


def test_who_may_do_what(django_user_model: Any, shelf: Store) -> None:
    curator, viewer = signed_in(django_user_model, CURATOR), signed_in(django_user_model, VIEWER)
    batch = begin(curator, table(2), store=shelf.pk)
    page = f"/admin/images/batch/{batch.pk}/"
    assert viewer.get(page + "change/").status_code == 200
    assert viewer.get(page + "state.json").status_code == 200
    assert viewer.get(ADD).status_code == 403
    assert [viewer.post(page + f"{action}/").status_code for action in ("cancel", "retry", "undo")] == [403, 403, 403]
    assert [curator.get(page + f"{action}/").status_code for action in ("cancel", "retry")] == [403, 403]
    nobody = Client()
    nobody.force_login(get_user_model().objects.create_user("nobody", is_staff=True))
    assert [nobody.get(page + name).status_code for name in ("change/", "state.json", "errors.csv")] == [403, 403, 403]
    assert curator.get("/admin/images/batch/nonsense/change/").status_code == 404
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING


def test_queries_do_not_grow_with_batches_or_rows(admin_client: Client, shelf: Store) -> None:
    begin(admin_client, table(2), store=shelf.pk)
    with CaptureQueriesContext(connection) as few:
        admin_client.get("/admin/images/batch/")
    for _time in range(6):
        batch = begin(admin_client, table(300), store=shelf.pk)
    with CaptureQueriesContext(connection) as many:
        assert admin_client.get("/admin/images/batch/").status_code == 200
    assert len(many) <= len(few) <= 12
    with CaptureQueriesContext(connection) as one:
        page = admin_client.get(f"/admin/images/batch/{batch.pk}/change/?p=3").content.decode()
    assert len(one) <= 12
    assert "i299" in page
    assert "i199<" not in page


GERMAN = {"accept-language": "de"}
WRONG = """identifier,source,store,collection
a,1.png,shelf,
a,2.png,shelf,
b,,,
c,../1.png,shelf,
d,1.png,attic,
e,1.png,shelf,maps
f,1.png,,
g,1.png,shelf,,,
"""


def test_what_is_wrong_with_rows_is_said_in_the_readers_language(admin_client: Client, shelf: Store) -> None:
    english = read(admin_client.post(ADD, {"rows": WRONG, "download": "1"}))
    german = read(admin_client.post(ADD, {"rows": WRONG, "download": "1"}, headers=GERMAN))
    assert [row["reason"] for row in english] == [
        "identifier: Row 2 has the same identifier.",
        "source: Name a store and a key, or a URL.",
        "source: The name of the source file has an empty part or one that leads to another folder.",
        "store: There is no store 'attic'.",
        "collection: There is no collection 'maps', or you may not use it.",
        "source: It is no URL, and no store is named in which it could be a key.",
        "It has 6 cells, and the first line 4.",
    ]
    assert [row["reason"] for row in german] == [
        "identifier: Zeile 2 hat dieselbe Kennung.",
        "source: Geben Sie eine Ablage und einen Schlüssel an oder eine URL.",
        "source: Der Name der Quelldatei hat einen leeren Teil oder einen, der in einen anderen Ordner führt.",
        "store: Es gibt keine Ablage 'attic'.",
        "collection: Es gibt keine Sammlung 'maps', oder Sie dürfen sie nicht verwenden.",
        "source: Das ist keine URL, und es ist keine Ablage angegeben, in der es ein Schlüssel sein könnte.",
        "Sie hat 6 Zellen und die erste Zeile 4.",
    ]
    assert "Es gibt keine Ablage &#x27;attic&#x27;." in page_of(admin_client, WRONG)
    assert "Es ist kein JSON" in page_of(admin_client, "[1")
    assert "Die erste Zeile muss die Spalten nennen" in page_of(admin_client, "a,b\n1,2")


def page_of(client: Client, rows: str) -> str:
    content: bytes = client.post(ADD, {"rows": rows}, headers=GERMAN).content
    return content.decode()


def test_what_a_worker_refused_is_said_in_the_readers_language(admin_client: Client, shelf: Store) -> None:
    batch = begin(admin_client, table(1), store=shelf.pk)
    Image.objects.create(identifier="i0", store=shelf, key="another.png")
    batch_run(str(batch.pk))
    page = f"/admin/images/batch/{batch.pk}/"
    for headers, words in (
        ({}, "The identifier is taken by another source."),
        (GERMAN, "Die Kennung ist durch eine andere Quelle belegt."),
    ):
        assert words in admin_client.get(page + "change/", headers=headers).content.decode()
        (row,) = read(admin_client.get(page + "errors.csv", headers=headers))
        assert row["reason"] == words
