import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from images.sources.credentials import Credentials, Secrets, what_is_wrong_with
from images.sources.errors import SourceForbiddenError

SECRET = "correct-horse-battery"


def environment(prefix: str) -> Mapping[str, str]:
    variables = {"NGA_ACCESS_KEY_ID": "id", "NGA_SECRET_ACCESS_KEY": SECRET, "NGA_PATH": "x", "SECRET_KEY": "django"}
    return {name[len(prefix) :]: value for name, value in variables.items() if name.startswith(prefix)}


@pytest.mark.parametrize("reference", ["", "env:NGA", "env:_a1", "file:/run/secrets/nga.json"])
def test_references(reference: str) -> None:
    assert what_is_wrong_with(reference) == ""


@pytest.mark.parametrize("reference", [SECRET, "env:", "env:A-B", "file:relative", "file:", "env:A\n", "{'a': 'b'}"])
def test_what_is_no_reference_is_not_repeated(reference: str) -> None:
    problem = what_is_wrong_with(reference)
    assert problem.endswith(".")
    assert SECRET not in problem


def test_from_the_environment_by_known_names_only() -> None:
    values = Credentials("env:NGA", environment).values()
    assert dict(values) == {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": SECRET}
    assert SECRET not in f"{values!r} {values} {[values]}"
    assert isinstance(values, Secrets)


@pytest.mark.parametrize("reference", ["env:SECRET", "env:NOTHING"])
def test_nothing_else_of_the_environment_can_be_read(reference: str) -> None:
    with pytest.raises(SourceForbiddenError) as caught:
        Credentials(reference, environment).values()
    assert "django" not in f"{caught.value} {caught.value.technical}"


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text(json.dumps({"username": "u", "password": SECRET, "header_x_token": "t", "other": 1}))
    values = Credentials(f"file:{path}", environment).values()
    assert dict(values) == {"USERNAME": "u", "PASSWORD": SECRET, "HEADER_X_TOKEN": "t"}


def test_the_file_of_a_service_account(tmp_path: Path) -> None:
    account = {"type": "service_account", "client_email": "a@b", "private_key": SECRET}
    path = tmp_path / "google.json"
    path.write_text(json.dumps(account))
    values = Credentials(f"file:{path}").values()
    assert json.loads(values["SERVICE_ACCOUNT_KEY"]) == account
    assert SECRET not in repr(values)


@pytest.mark.parametrize("text", ["[]", "nothing", "{}", f'"{SECRET}"', f"{{{SECRET}"])
def test_a_file_without_credentials(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret.json"
    path.write_text(text)
    with pytest.raises(SourceForbiddenError) as caught:
        Credentials(f"file:{path}").values()
    assert SECRET not in f"{caught.value!r} {caught.value.technical} {caught.value.__cause__!r}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceForbiddenError):
        Credentials(f"file:{tmp_path}/none.json").values()
    assert Credentials().values() == {}
