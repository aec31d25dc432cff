"""Callers of the REST API: people of each role, and tokens of each kind."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from images.models import Collection, Image, Store
from images.services.roles import roles_ensure
from images.services.stores import store_for_folder
from images.services.tokens import token_create


@dataclass
class Caller:
    """Sends requests as somebody; JSON goes in, and any answer comes out."""

    client: Client
    headers: dict[str, str]

    def __call__(self, method: str, path: str, data: Any = None, **extra: Any) -> Any:
        headers = {**self.headers, **extra.pop("headers", {})}
        if data is not None and "content_type" not in extra:
            data, extra["content_type"] = json.dumps(data), "application/json"
        address = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.generic(method, address, data or b"", headers=headers, **extra)

    def upload(self, path: str, method: str = "POST", **fields: Any) -> Any:
        """The same with a form; a field that can be read is a file."""
        body = encode_multipart(BOUNDARY, fields)
        return self(method, path, body, content_type=MULTIPART_CONTENT)


MakeCaller = Callable[..., Caller]


@pytest.fixture(autouse=True)
def _nobody_waits() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def roles(db: None) -> None:
    roles_ensure()


def make_user(name: str, role: str = "") -> User:
    user: User = get_user_model().objects.create_user(name)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def as_token(roles: None) -> MakeCaller:
    """`as_token("write", role="Curator", collections=[…])`."""

    def make(*scopes: str, role: str = "Administrator", **options: Any) -> Caller:
        user = options.pop("user", None) or make_user(f"user-{User.objects.count()}", role)
        new = token_create("test", user, scopes or ("read",), **options)
        return Caller(Client(), {"Authorization": f"Bearer {new.secret}"})

    return make


@pytest.fixture
def curator(as_token: MakeCaller) -> Caller:
    return as_token("write", role="Curator")


@pytest.fixture
def store(db: None, tmp_path: Path) -> Store:
    folder = tmp_path / "sources"
    folder.mkdir(exist_ok=True)
    return store_for_folder(folder)


def make_image(store: Store, identifier: str, **fields: Any) -> Image:
    """A record as it lies in the database; nothing reads its source."""
    return Image.objects.create(identifier=identifier, store=store, key=f"{identifier}.tif", **fields)


def make_collection(name: str) -> Collection:
    return Collection.objects.create(name=name)


def source(store: Store, key: str = "a.tif") -> dict[str, str]:
    return {"store": store.name, "key": key}
