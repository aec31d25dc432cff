"""API tokens: made once, shown once, kept only as a digest."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from images.models import ApiToken, Collection

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_MARK = "iiif_"  # so that a secret in the wrong place is found by scanners
_SECRET_BYTES = 32
_PREFIX_LENGTH = len(_MARK) + 7
_LONGEST = 200
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewToken:
    """`secret` is known here and nowhere else afterwards."""

    token: ApiToken
    secret: str


def token_create(
    name: str,
    user: "User",
    scopes: Iterable[str],
    *,
    collections: Iterable[Collection] = (),
    expires: datetime | None = None,
) -> NewToken:
    """Make a token; raises ValidationError naming each wrong field."""
    token = ApiToken(name=name, user=user, scopes=sorted(set(scopes)), expires=expires)
    with transaction.atomic():
        secret = token_save_new(token)
        token_limit(token, collections)
    return NewToken(token, secret)


def token_save_new(token: ApiToken) -> str:
    """Give an unsaved token its secret and save it; returns the secret. Raises ValidationError."""
    secret = _MARK + secrets.token_urlsafe(_SECRET_BYTES)
    token.prefix, token.digest = secret[:_PREFIX_LENGTH], _digest(secret)
    token.full_clean()
    token.save()
    return secret


def token_limit(token: ApiToken, collections: Iterable[Collection]) -> None:
    """Limit a token to collections, or to none in particular.

    That it is limited is remembered: when its last collection is deleted it reaches nothing, and not everything.
    """
    chosen = list(collections)
    token.collections.set(chosen)
    token.limited = bool(chosen)
    token.save(update_fields=["limited"])


def token_find(secret: str) -> ApiToken | None:
    """The token with this secret, with its user, whether or not it is still valid; one query.

    The digests are compared in constant time.
    """
    if not secret.startswith(_MARK) or len(secret) > _LONGEST or not secret.isascii():
        return None
    digest = _digest(secret)
    candidates = ApiToken.objects.select_related("user").filter(prefix=secret[:_PREFIX_LENGTH])
    return next((token for token in candidates if hmac.compare_digest(token.digest, digest)), None)


def token_note_use(token: ApiToken) -> None:
    """Remember when it was last used, to the minute: no write for each request."""
    now = timezone.now()
    before = now - _USE_NOTED_EVERY
    if token.last_used is not None and token.last_used > before:
        return
    stale = Q(last_used__isnull=True) | Q(last_used__lte=before)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used=now)


def token_revoke(pk: int) -> bool:
    """False where it was revoked already."""
    return bool(ApiToken.objects.filter(pk=pk, revoked__isnull=True).update(revoked=timezone.now()))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
