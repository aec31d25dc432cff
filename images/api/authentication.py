"""Who asks: a program with a token of its own, or a person with a session of the admin."""

from typing import TYPE_CHECKING, Any

from django.http import QueryDict
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from images.models import ApiToken
from images.services.tokens import token_find, token_note_use

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_SCHEMES = frozenset({"bearer", "token"})


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer SECRET`, or `Token SECRET`; nowhere else, since addresses end up in logs."""

    def authenticate(self, request: Request) -> "tuple[User, ApiToken] | None":
        scheme, _, secret = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
        if scheme.lower() not in _SCHEMES:
            return None
        token = token_find(secret.strip())
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This token is not known here.")
        if not token.is_valid:
            raise AuthenticationFailed("This token has expired or was revoked.")
        token_note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework's signature
        return 'Bearer realm="api"'


class HeaderSessionAuthentication(SessionAuthentication):
    """A session with the CSRF token in the header `X-CSRFToken`.

    It is not looked for in the body: an upload would be read before anybody knows who sends it.
    """

    def enforce_csrf(self, request: Request) -> Any:
        inner: Any = getattr(request, "_request", request)
        inner.POST = QueryDict()
        return super().enforce_csrf(inner)
