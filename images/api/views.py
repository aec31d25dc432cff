"""What all views of the REST API have in common, and the addresses that need no record."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from images.api.access import Need
from images.api.addresses import public_root
from images.api.problems import problem

_PARTS = ("images", "batches", "collections", "stores", "profiles", "cache", "schema", "docs")


class AlwaysJSON(DefaultContentNegotiation):
    """There is one form of each answer, so a request that prefers others is answered with that."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type


class RecordView(APIView):
    """A view with `needs` of each of its methods; answers are private and asked for anew each time."""

    needs: ClassVar[Mapping[str, Need]] = {}
    content_negotiation_class = AlwaysJSON
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "private, no-cache")
        response.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response


class RootView(RecordView):
    """Where to begin."""

    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="root",
        auth=[],
        responses=inline_serializer("Root", {part: serializers.URLField() for part in _PARTS}),
    )
    def get(self, request: Request) -> Response:
        """The addresses of all parts."""
        root = public_root(request)
        return Response({part: f"{root}/api/v1/{part}/" for part in _PARTS})


@csrf_exempt
def not_found_view(_request: HttpRequest, **_arguments: str) -> HttpResponse:
    """Any other address below /api/."""
    return problem(404, "not_found", "There is nothing at this address.")
