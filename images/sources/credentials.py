"""Credentials by reference: what a record holds is where they are kept, never what they are."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from images.sources.errors import SourceForbiddenError

NAMES = frozenset(
    {
        "ACCESS_KEY_ID",  # S3
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "SERVICE_ACCOUNT_KEY",  # Google: the JSON of a service account
        "ACCOUNT_KEY",  # Azure
        "SAS_TOKEN",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "TENANT_ID",
        "USERNAME",  # web servers
        "PASSWORD",
        "AUTHORIZATION",  # the whole value of the header
        "API_KEY",  # Flickr
    }
)
"""All that is ever read from where a reference leads: it cannot be used to read anything else."""

_HEADER = re.compile(r"HEADER_[A-Z0-9_]{1,100}", re.ASCII)
_ENVIRONMENT = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,199}", re.ASCII)
_FILE = re.compile(r"file:/[^\x00-\x1f]{1,480}")
_MAX_BYTES = 65_536  # the key of a service account has 2,500

ReadEnvironment = Callable[[str], Mapping[str, str]]
"""The environment variables whose names begin with what is given, by the rest of their names."""


def what_is_wrong_with(reference: str) -> str:
    """A sentence about a reference that is none; empty for one that is, and for none at all."""
    if not reference or _ENVIRONMENT.fullmatch(reference) or _FILE.fullmatch(reference):
        return ""
    return (
        "Credentials are named, not written down: env:NAME for environment variables that begin with NAME_, or "
        "file:/path of a JSON file that only this server can read."
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """`reference` is `env:NAME`, `file:/path` or empty. Two are equal if their references are."""

    reference: str = ""
    read_environment: ReadEnvironment = field(default=lambda _prefix: {}, compare=False, repr=False)

    def values(self) -> "Secrets":
        """By name, in capitals. Raises SourceForbiddenError, which names the reference only."""
        kind, _, name = self.reference.partition(":")
        if not self.reference:
            found: Mapping[str, object] = {}
        elif kind == "env":
            found = self.read_environment(f"{name}_")
        else:
            found = _read_file(Path(name), self.reference)
        known = {
            key.upper(): str(value)
            for key, value in found.items()
            if key.upper() in NAMES or _HEADER.fullmatch(key.upper())
        }
        if self.reference and not known:
            raise SourceForbiddenError(
                "The credentials of the store are not there.", f"{self.reference} holds none of the names that are read"
            )
        return Secrets(known)


NO_CREDENTIALS = Credentials()


class Secrets(dict[str, str]):
    """Values that no message may show: even by accident, only their names are."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self))})"

    __str__ = __repr__


def _read_file(path: Path, reference: str) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(_MAX_BYTES))
    except OSError as error:
        raise SourceForbiddenError(
            "The credentials of the store cannot be read.", f"{reference}: {error.strerror}"
        ) from error
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise SourceForbiddenError("The credentials of the store cannot be read.", f"{reference} is no JSON object")
    if values.get("type") == "service_account":  # the very file that Google's console gives out
        return {"SERVICE_ACCOUNT_KEY": json.dumps(values)}
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
