"""What a fresh data directory needs before the server can start; each step does nothing when it is done already."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model

from images.conf import conf

ADMIN_NAME = "admin"


@dataclass(frozen=True, slots=True)
class AdminPassword:
    """`file` holds the generated password, and is None where the operator chose one or the user was there before."""

    created: bool
    file: Path | None


def admin_ensure(chosen_password: str) -> AdminPassword:
    """Make the first administrator, with the operator's password or a generated one kept in a file (0600)."""
    file = conf.data_dir / "admin-password"
    user_model = get_user_model()
    if user_model.objects.filter(is_superuser=True).exists():
        return AdminPassword(created=False, file=file if file.exists() else None)
    password = chosen_password or secrets.token_urlsafe(12)
    user_model.objects.create_superuser(username=ADMIN_NAME, email="", password=password)
    if chosen_password:
        return AdminPassword(created=True, file=None)
    file.touch(mode=0o600)
    file.write_text(password + "\n")
    return AdminPassword(created=True, file=file)
