"""/api/v1/cache/: what the caches hold and spare, and emptying them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from caching.derivatives import get_derivative_cache
from caching.report import cache_report
from images.api.access import Need, limited_to, visible_collections, visible_images
from images.api.addresses import public_root
from images.api.cache_serializers import (
    CacheSerializer,
    PurgedSerializer,
    PurgeJobSerializer,
    PurgeSerializer,
)
from images.api.problems import ApiError
from images.api.views import RecordView
from images.models import Image, Job, TokenScope
from images.services.purging import KIND, Purge, PurgeScopeError, Scope, purge_run, purge_start

READ = Need(TokenScope.READ, "images.view_image", whole=True)
PURGE = Need(TokenScope.PURGE, "images.purge_cache")

_SCOPES = {"identifier": Scope.IMAGE, "collection": Scope.COLLECTION, "source": Scope.STORE}


class CacheView(RecordView):
    """The caches as they are."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ}

    @extend_schema(operation_id="cache_retrieve", responses=CacheSerializer)
    def get(self, _request: Request) -> Response:
        """What the cache of derivatives holds, and how requests were answered."""
        try:
            report = cache_report()
        except OSError as error:
            raise ApiError(
                503, "statistics", "The statistics cannot be read just now.", {"Retry-After": "5"}
            ) from error
        facts: dict[str, Any] = {name: getattr(report, name) for name in ("processes", "hit_share", "answers")}
        facts |= {"cache": report.cache, "sources": report.sources, "top": report.top}
        return Response(CacheSerializer({**facts, "usage": get_derivative_cache().usage()}).data)


class CachePurgeView(RecordView):
    """Empties them."""

    needs: ClassVar[Mapping[str, Need]] = {"POST": PURGE}

    @extend_schema(
        operation_id="cache_purge",
        request=PurgeSerializer,
        responses={
            200: OpenApiResponse(PurgedSerializer, "What was freed of one image, or would be freed (dry run)."),
            202: OpenApiResponse(PurgeJobSerializer, "A worker does it; `Location` says how far it is."),
        },
    )
    def post(self, request: Request) -> Response:
        """Remove what the caches hold of an image, a collection, a store, all, or what is of no use any more."""
        serializer = PurgeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked: dict[str, Any] = serializer.validated_data
        purge = _purge(asked)
        _require_reach(request, purge)
        user: Any = request.user
        try:
            if asked["dry_run"] or purge.scope is Scope.IMAGE:
                return Response(PurgedSerializer(purge_run(purge, dry_run=asked["dry_run"])).data)
            job = purge_start(purge, user=user)
        except PurgeScopeError as error:
            raise ApiError(404, "not_found", str(error)) from error
        job.refresh_from_db()
        location = f"{public_root(request)}/api/v1/cache/purge/{job.pk}/"
        return Response(PurgeJobSerializer(job).data, status=202, headers={"Location": location})


class CachePurgeJobView(RecordView):
    """A purge that a worker does."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": PURGE}

    @extend_schema(operation_id="cache_purge_retrieve", responses=PurgeJobSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """How far it is; `detail` is what it freed."""
        jobs = Job.objects.filter(kind=KIND, pk=pk)
        if limited_to(request) is not None:
            jobs = jobs.filter(created_by__pk=request.user.pk or 0)
        job = jobs.first()
        if job is None:
            raise Http404
        return Response(PurgeJobSerializer(job).data)


def _purge(asked: Mapping[str, Any]) -> Purge:
    scope = _SCOPES.get(asked["scope"]) or Scope(asked["scope"])
    name = asked.get("store") if scope is Scope.STORE else asked.get(asked["scope"])
    return Purge(scope, name or "", asked.get("prefix", ""))


def _require_reach(request: Request, purge: Purge) -> None:
    """A token that is limited to collections purges those, and images in them."""
    if limited_to(request) is None:
        return
    if purge.scope is Scope.IMAGE:
        if not visible_images(request, Image.objects.filter(identifier=purge.name)).exists():
            raise Http404
    elif purge.scope is not Scope.COLLECTION or not visible_collections(request).filter(name=purge.name).exists():
        raise PermissionDenied
