"""The German catalogue is whole, says the same as the English sentences, and was compiled after it was written."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polib
import pytest
from django.conf import settings

from tests.support.server import PROJECT

LOCALES = PROJECT / "locale"
LANGUAGES = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w+\}|<[^>]+>")
SOURCES = ("caching", "iiifserver", "images", "templates")

Key = tuple[str, str, str]


def catalogue(code: str) -> polib.POFile:
    return polib.pofile(str(LOCALES / code / "LC_MESSAGES" / "django.po"))


def key(entry: polib.POEntry | polib.MOEntry) -> Key:
    return entry.msgctxt or "", entry.msgid, entry.msgid_plural or ""


def texts(entry: polib.POEntry | polib.MOEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def test_every_language_that_is_offered_has_a_catalogue() -> None:
    assert LANGUAGES
    assert sorted(LANGUAGES) == sorted(path.name for path in LOCALES.iterdir() if path.is_dir())


@pytest.mark.parametrize("code", LANGUAGES)
def test_nothing_is_untranslated_doubtful_or_left_over(code: str) -> None:
    entries = catalogue(code)
    assert len(entries) > 500
    assert [entry.msgid for entry in entries if not all(texts(entry))] == []
    assert [entry.msgid for entry in entries if entry.fuzzy] == []
    assert [entry.msgid for entry in entries.obsolete_entries()] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_placeholders_agree(code: str) -> None:
    wrong = [
        (entry.msgid, text)
        for entry in catalogue(code)
        for text in texts(entry)
        if Counter(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid)) != Counter(PLACEHOLDER.findall(text))
    ]
    assert wrong == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_edges_agree(code: str) -> None:
    """Sentences are put together with what surrounds them: spaces, full stops and ellipses at their ends matter."""
    ends = ("…", ".", ":", "?", " ", "\n")
    wrong = [
        (entry.msgid, text)
        for entry in catalogue(code)
        for text in texts(entry)
        if not entry.msgctxt
        and any(
            entry.msgid.endswith(end) != text.endswith(end) or entry.msgid[0].isspace() != text[0].isspace()
            for end in ends
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_was_compiled_is_what_is_written(code: str) -> None:
    compiled = polib.mofile(str(LOCALES / code / "LC_MESSAGES" / "django.mo"))
    written = catalogue(code)
    assert {key(entry): texts(entry) for entry in compiled} == {key(entry): texts(entry) for entry in written}
    assert compiled.metadata["Plural-Forms"] == written.metadata["Plural-Forms"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_catalogue_has_all_that_is_marked(code: str, tmp_path: Path) -> None:
    if not (shutil.which("xgettext") and shutil.which("msguniq")):
        pytest.skip("there is no xgettext on this machine (Debian's package gettext)")
    for name in SOURCES:
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("static", "__pycache__"))
    (tmp_path / "locale").mkdir()
    command = [sys.executable, "-m", "django", "makemessages", "--locale", code, "--no-location"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin"})
    marked = {key(entry) for entry in polib.pofile(str(tmp_path / "locale" / code / "LC_MESSAGES" / "django.po"))}
    known = {key(entry) for entry in catalogue(code)}
    assert marked - known == set(), "run makemessages, see docs/operations.md"
    assert known - marked == set()


def test_the_container_has_the_catalogues() -> None:
    lines = (PROJECT / "deploy" / "Dockerfile").read_text().splitlines()
    assert "COPY locale locale" in lines
