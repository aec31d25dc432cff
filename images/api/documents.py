"""The description of the API itself: OpenAPI, and a page of it that needs nothing from elsewhere."""

import functools
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from images.api.problems import MEDIA_TYPE
from images.api.reference import Reference

_PROBLEM = {
    "type": "object",
    "description": "An error as RFC 9457 has it.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "For programs."},
        "detail": {"type": "string", "description": "For people."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "row": {"type": "integer", "description": "Of a batch."},
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_ANSWER = {"description": "An error", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


class SchemaView(SpectacularAPIView):
    permission_classes = (AllowAny,)

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response


@functools.cache
def _reference() -> Reference:
    """What the page shows; the same for everybody, and for as long as the process lives."""
    with translation.override(settings.LANGUAGE_CODE):
        return Reference(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


class DocsView(APIView):
    """The description as a page that needs no script."""

    permission_classes = (AllowAny,)
    renderer_classes = (TemplateHTMLRenderer,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        reference = _reference()
        return render(
            request,
            "api/docs.html",
            {
                "tags": reference.tags(),
                "objects": reference.objects(),
                "server": request.build_absolute_uri("/").rstrip("/"),
                "language": settings.LANGUAGE_CODE,
            },
        )


def add_problems(result: dict[str, Any], **_arguments: Any) -> dict[str, Any]:
    """Every operation may answer a problem."""
    result["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
    operations: list[Mapping[str, Any]] = [each for path in result["paths"].values() for each in path.values()]
    for operation in operations:
        if isinstance(operation, dict) and "responses" in operation:
            operation["responses"]["default"] = _ANSWER
    return result


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "images.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `manage.py create_token`, or the admin's.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "images.api.authentication.HeaderSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        text = "A session of the admin; what changes something needs the CSRF token in X-CSRFToken."
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": text}
