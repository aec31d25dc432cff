"""/api/v1/collections/."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need, visible_collections
from images.api.addresses import public_root
from images.api.image_views import IF_MATCH
from images.api.named_views import NamedListView, NamedRecords, NamedView, StrictModelSerializer
from images.models import Collection, CopyPolicy, TokenScope
from images.services.collections import collection_delete, collection_save

READ = Need(TokenScope.READ, "images.view_collection")
ADD = Need(TokenScope.WRITE, "images.add_collection", whole=True)
CHANGE = Need(TokenScope.WRITE, "images.change_collection")
DELETE = Need(TokenScope.WRITE, "images.delete_collection", whole=True)


class CollectionInputSerializer(StrictModelSerializer[Collection]):
    class Meta:
        model = Collection
        fields = ("name", "label", "service_copy_policy")


class CollectionSerializer(serializers.Serializer[Collection]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    service_copy_policy = serializers.ChoiceField(choices=CopyPolicy.choices)
    images = serializers.IntegerField(source="counted_images")
    manifest = serializers.SerializerMethodField()
    created = serializers.DateTimeField()

    def get_manifest(self, collection: Collection) -> str:
        return f"{public_root(self.context['request'])}/iiif/presentation/3/collection/{collection.name}"


class _Collections(NamedRecords[Collection]):
    path = "collections"
    image_field = "collection"

    def records(self, request: Request) -> QuerySet[Collection]:
        return visible_collections(request)

    def output(self, request: Request, record: Collection) -> dict[str, Any]:
        return CollectionSerializer(record, context={"request": request}).data

    def input(self, request: Request, record: Collection | None, *, partial: bool = False) -> Mapping[str, Any]:
        serializer = CollectionInputSerializer(record, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        unset = {} if partial else {"label": "", "service_copy_policy": CopyPolicy.NEVER}
        return {**unset, **serializer.validated_data}

    def save(self, record: Collection, changed: frozenset[str]) -> None:
        collection_save(record, changed)

    def remove(self, record: Collection) -> None:
        collection_delete(record)


class CollectionListView(_Collections, NamedListView[Collection]):
    """All collections that the caller reaches."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "POST": ADD}
    serializer_class = CollectionSerializer
    queryset = Collection.objects.none()

    @extend_schema(operation_id="collections_list", responses=CollectionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """A page of collections."""
        return self.listed(request)

    @extend_schema(
        operation_id="collections_create", request=CollectionInputSerializer, responses={201: CollectionSerializer}
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Make a collection."""
        return self.created(request, Collection())


class CollectionView(_Collections, NamedView[Collection]):
    """One collection."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "PUT": CHANGE, "PATCH": CHANGE, "DELETE": DELETE}

    @extend_schema(operation_id="collections_retrieve", responses=CollectionSerializer)
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """The collection."""
        return self.read(request, name)

    @extend_schema(
        operation_id="collections_put",
        parameters=[IF_MATCH],
        request=CollectionInputSerializer,
        responses=CollectionSerializer,
    )
    def put(self, request: Request, name: str) -> HttpResponseBase:
        """Make the collection just this."""
        return self.changed(request, name, partial=False)

    @extend_schema(
        operation_id="collections_patch",
        parameters=[IF_MATCH],
        request=CollectionInputSerializer,
        responses=CollectionSerializer,
    )
    def patch(self, request: Request, name: str) -> HttpResponseBase:
        """Change some of it."""
        return self.changed(request, name, partial=True)

    @extend_schema(
        operation_id="collections_delete",
        parameters=[IF_MATCH],
        responses={204: OpenApiResponse(description="It is gone; its images stay.")},
    )
    def delete(self, request: Request, name: str) -> HttpResponseBase:
        """Remove the collection. Its images stay."""
        return self.removed(request, name)
