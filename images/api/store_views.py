"""/api/v1/stores/. Where a store lies and how it is entered is for administrators only."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need, may
from images.api.image_views import IF_MATCH
from images.api.named_views import NamedListView, NamedRecords, NamedView, StrictModelSerializer
from images.api.problems import ApiError
from images.models import Store, StoreKind, StoreTestState, TokenScope
from images.services.stores import UPLOADS, StoreInUseError, store_delete

READ = Need(TokenScope.READ, "images.view_store")
ADD = Need(TokenScope.ADMIN, "images.add_store", whole=True)
CHANGE = Need(TokenScope.ADMIN, "images.change_store", whole=True)
DELETE = Need(TokenScope.ADMIN, "images.delete_store", whole=True)

_FIELDS = (
    "name",
    "kind",
    "root",
    "options",
    "credentials",
    "allowed_hosts",
    "is_enabled",
    "strategy",
    "prefetch",
    "freshness_seconds",
    "max_connections",
    "max_bytes_per_second",
    "registers_itself",
    "identifier_prefix",
    "key_prefix",
    "key_suffix",
    "identifier_pattern",
    "key_template",
)


class StoreInputSerializer(StrictModelSerializer[Store]):
    """`credentials` is a reference (`env:NAME`, `file:/path`); the secret itself is never stored."""

    class Meta:
        model = Store
        fields = _FIELDS


class StoreDetailSerializer(serializers.ModelSerializer[Store]):
    """For administrators."""

    class Meta:
        model = Store
        fields = (*_FIELDS[2:6], *_FIELDS[7:])


class StoreSerializer(serializers.Serializer[Store]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=StoreKind.choices)
    is_enabled = serializers.BooleanField()
    images = serializers.IntegerField(source="counted_images")
    test_state = serializers.ChoiceField(choices=StoreTestState.choices, allow_blank=True)
    created = serializers.DateTimeField()
    details = serializers.SerializerMethodField()

    @property
    def _shows_details(self) -> bool:
        return may(self.context["request"], CHANGE)

    @extend_schema_field(StoreDetailSerializer(allow_null=True))
    def get_details(self, store: Store) -> Mapping[str, Any] | None:
        """Only for administrators."""
        return StoreDetailSerializer(store).data if self._shows_details else None


class _Stores(NamedRecords[Store]):
    path = "stores"
    image_field = "store"

    def records(self, _request: Request) -> QuerySet[Store]:
        return Store.objects.all()

    def output(self, request: Request, record: Store) -> dict[str, Any]:
        return StoreSerializer(record, context={"request": request}).data

    def input(self, request: Request, record: Store | None, *, partial: bool = False) -> Mapping[str, Any]:
        serializer = StoreInputSerializer(record, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        unset: dict[str, Any] = {}
        if not partial:
            fresh = Store()
            unset = {field: getattr(fresh, field) for field in _FIELDS if field not in {"name", "kind"}}
        values = {**unset, **serializer.validated_data}
        self._refuse_uploads(record, str(values.get("name", "")))
        return values

    def save(self, record: Store, changed: frozenset[str]) -> None:  # noqa: ARG002 - as others need it
        record.save()

    def remove(self, record: Store) -> None:
        self._refuse_uploads(record, "")
        try:
            store_delete(record)
        except StoreInUseError as error:
            raise ApiError(409, "in_use", str(error)) from error

    @staticmethod
    def _refuse_uploads(record: Store | None, name: str) -> None:
        if UPLOADS in {name, record.name if record else ""}:
            raise ApiError(409, "reserved", "The store of uploads is looked after by the server itself.")


class StoreListView(_Stores, NamedListView[Store]):
    """All stores."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "POST": ADD}
    serializer_class = StoreSerializer
    queryset = Store.objects.none()

    @extend_schema(operation_id="stores_list", responses=StoreSerializer(many=True))
    def get(self, request: Request) -> Response:
        """A page of stores."""
        return self.listed(request)

    @extend_schema(operation_id="stores_create", request=StoreInputSerializer, responses={201: StoreSerializer})
    def post(self, request: Request) -> HttpResponseBase:
        """Make a store."""
        return self.created(request, Store())


class StoreView(_Stores, NamedView[Store]):
    """One store."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "PUT": CHANGE, "PATCH": CHANGE, "DELETE": DELETE}

    @extend_schema(operation_id="stores_retrieve", responses=StoreSerializer)
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """The store."""
        return self.read(request, name)

    @extend_schema(
        operation_id="stores_put", parameters=[IF_MATCH], request=StoreInputSerializer, responses=StoreSerializer
    )
    def put(self, request: Request, name: str) -> HttpResponseBase:
        """Make the store just this."""
        return self.changed(request, name, partial=False)

    @extend_schema(
        operation_id="stores_patch", parameters=[IF_MATCH], request=StoreInputSerializer, responses=StoreSerializer
    )
    def patch(self, request: Request, name: str) -> HttpResponseBase:
        """Change some of it."""
        return self.changed(request, name, partial=True)

    @extend_schema(
        operation_id="stores_delete",
        parameters=[IF_MATCH],
        responses={204: OpenApiResponse(description="It is gone; what lies there is left alone.")},
    )
    def delete(self, request: Request, name: str) -> HttpResponseBase:
        """Remove the store, unless images refer to it."""
        return self.removed(request, name)
