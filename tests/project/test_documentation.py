"""The documents keep up with the code."""

import re
from pathlib import Path

from django.conf import settings

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_every_setting_and_variable_is_documented() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text()
    own = [name for name in dir(settings) if name.startswith(("IIIF_", "DECODE_")) and name != "IIIF_DATA_DIR"]
    source = (PROJECT / "iiifserver" / "env.py").read_text()
    variables = re.findall(r'_env\.\w+\(\s*"([A-Z_]+)"', source)
    assert len(own) > 30
    assert len(variables) > 10
    missing = [name for name in (*own, *variables) if f"`{name}`" not in text]
    assert missing == []


def test_nothing_documented_is_gone() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE))
    source = (PROJECT / "iiifserver" / "env.py").read_text()
    gone = {name for name in documented if not hasattr(settings, name) and f'"{name}"' not in source}
    assert gone == set()


def test_links_between_documents_lead_somewhere() -> None:
    for document in (PROJECT / "README.md", PROJECT / "CHANGELOG.md", *(PROJECT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
