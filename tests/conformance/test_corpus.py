"""Every file of the corpus through the whole product: ingested, then served with the pixels of a reference decode.

Or refused with a reason. The results stand as a table at the end of the test output.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.conftest import CORPUS
from tests.images.decoders.test_corpus import FILES, FOLDERS, LOSSY_CHROMA, REFUSED, jp2_reference, reference
from tests.support.server import ProductServer

pytestmark = [pytest.mark.corpus, pytest.mark.xdist_group("corpus-server")]

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[ProductServer]:
    folder = tmp_path_factory.mktemp("corpus")
    rows = folder / "rows.csv"
    lines = [f"{name},{corpus / name}" for name in FILES]
    rows.write_text("\n".join(["identifier,source", *lines]) + "\n")
    with ProductServer(folder / "data") as running:
        done = running.ingest("--csv", str(rows), check=False)
        assert f"{len(FILES) - len(REFUSED)} of {len(FILES)} images indexed." in done.stdout, done.stdout + done.stderr
        yield running


def test_the_corpus_is_not_empty(corpus: Path) -> None:
    assert all((CORPUS / folder).is_dir() for folder in FOLDERS)
    assert len(FILES) > 80


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_served_as_its_reference_or_refused(
    server: ProductServer, corpus: Path, name: str, record_property: Record
) -> None:
    path = f"/iiif/3/{quote(name, safe='')}"
    information = server.get(f"{path}/info.json")
    if name in REFUSED:
        assert information.status == 404
        detail = str(information.json()["detail"])
        assert REFUSED[name] in detail
        record_property("corpus", [name, "", "refused", detail.removeprefix("This image could not be read: ")])
        return
    info = information.json()
    data = (corpus / name).read_bytes()
    expected, tolerance = jp2_reference(data) if name.endswith((".jp2", ".j2k", ".j2c")) else reference(data)
    served = _pixels(server, f"{path}/full/max/0/default.png")
    assert served.shape[:2] == (info["height"], info["width"])
    error = _difference(served, expected)
    worst, mean = int(error.max()), float(error.mean())
    assert mean < 5 if name in LOSSY_CHROMA else worst <= tolerance
    size = f"{info['width']} × {info['height']}"
    verdict = "identical" if worst == 0 else f"within {worst} of 255"
    record_property("corpus", [name, size, "served", f"{verdict} (mean {mean:.2f})"])
    for shrink in (2, 4, 8, 16):
        width = max(1, info["width"] // shrink)
        assert server.get(f"{path}/full/{width},/0/default.jpg").status == 200


def _pixels(server: ProductServer, path: str) -> Any:
    answer = server.get(path)
    assert answer.status == 200, answer.body
    return np.asarray(Pillow.open(BytesIO(answer.body)))


def _difference(served: Any, expected: Any) -> Any:
    assert served.shape == expected.shape
    error = np.abs(served.astype(int) - expected.astype(int))
    if served.shape[2:] == (4,):
        error *= served[:, :, 3:] > 0  # what is transparent has no colour
    return error
