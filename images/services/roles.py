"""The roles that come with the server, as Django groups: Viewer, Curator and Administrator."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections, transaction

VIEWER, CURATOR, ADMINISTRATOR = "Viewer", "Curator", "Administrator"
ROLES = (VIEWER, CURATOR, ADMINISTRATOR)

_SEEN = ("image", "collection", "profile", "namedquery", "store", "batch", "tiling", "servicecopy", "profile", "job")
_KEPT = ("image", "collection", "namedquery", "batch")
_OWN_APPS = ("images", "caching", "django_celery_beat")


def roles_ensure() -> None:
    """Make the groups that are missing and give them what they lack; nothing is taken from them. Idempotent.

    Permissions are rows that Django makes at the end of `migrate`, so this runs after it.
    """
    with transaction.atomic():
        for name in ROLES:
            group, _created = Group.objects.get_or_create(name=name)
            missing = set(_permissions(name)) - set(group.permissions.values_list("pk", flat=True))
            group.permissions.add(*missing)


def roles_ensure_after_migrate(using: str = DEFAULT_DB_ALIAS, **_kwargs: object) -> None:
    """The end of `migrate`, also of one that has taken everything away."""
    connection = connections[using]
    if using == DEFAULT_DB_ALIAS and Group._meta.db_table in connection.introspection.table_names():  # noqa: SLF001 - documented
        roles_ensure()


def _permissions(role: str) -> Iterable[int]:
    known = Permission.objects.filter(content_type__app_label__in=_OWN_APPS)
    if role == ADMINISTRATOR:
        return known.values_list("pk", flat=True)
    codes = {f"view_{model}" for model in _SEEN}
    if role == CURATOR:
        codes |= {f"{verb}_{model}" for verb in ("add", "change", "delete") for model in _KEPT}
        codes |= {f"{verb}_apitoken" for verb in ("view", "add", "change", "delete")}
    return known.filter(content_type__app_label="images", codename__in=codes).values_list("pk", flat=True)
