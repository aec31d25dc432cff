"""Who may do what: the user's model permissions, narrowed by a token's scopes and collections. Default: nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from images.models import ApiToken, Collection, Image, TokenScope

_INCLUDED: Mapping[str, frozenset[str]] = {
    TokenScope.READ: frozenset({TokenScope.READ}),
    TokenScope.WRITE: frozenset({TokenScope.WRITE, TokenScope.READ}),
    TokenScope.PURGE: frozenset({TokenScope.PURGE}),
    TokenScope.ADMIN: frozenset(TokenScope),
}
_ATTRIBUTE = "_api_collections"


@dataclass(frozen=True, slots=True)
class Need:
    """What a method of a route asks for. `whole`: a token that is limited to collections never has it."""

    scope: TokenScope
    permission: str
    whole: bool = False


class NeedsPermission(BasePermission):
    """Grants what the view's `needs` names for the method; a method that names nothing is refused."""

    def has_permission(self, request: Request, view: Any) -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method.lower() not in view.http_method_names or not hasattr(view, method.lower()):
            return True  # answered with 405
        need = view.needs.get(method)
        return need is not None and may(request, need)


def may(request: Request, need: Need) -> bool:
    user: Any = request.user
    if not user.is_authenticated or not user.is_active:
        return False
    token = request.auth
    if isinstance(token, ApiToken):
        granted = frozenset[str]().union(*(_INCLUDED.get(scope, frozenset()) for scope in token.scopes))
        if need.scope not in granted or (need.whole and token.limited):
            return False
    return bool(user.has_perm(need.permission))


def limited_to(request: Request) -> frozenset[int] | None:
    """Primary keys of the collections that the caller's token is limited to; None where it is not."""
    token = request.auth
    if not isinstance(token, ApiToken) or not token.limited:
        return None
    known: frozenset[int] | None = getattr(request, _ATTRIBUTE, None)
    if known is None:
        known = frozenset(token.collections.values_list("pk", flat=True))
        setattr(request, _ATTRIBUTE, known)
    return known


def visible_images(request: Request, images: QuerySet[Image]) -> QuerySet[Image]:
    """Those that the caller's token reaches."""
    allowed = limited_to(request)
    return images if allowed is None else images.filter(collection_id__in=allowed)


def visible_collections(request: Request) -> QuerySet[Collection]:
    allowed = limited_to(request)
    return Collection.objects.all() if allowed is None else Collection.objects.filter(pk__in=allowed)


def may_see_sources(request: Request) -> bool:
    """Where sources lie is nothing for those who only look."""
    return may(request, Need(TokenScope.WRITE, "images.change_image"))
