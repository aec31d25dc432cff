"""/api/v1/stores/{name}/test/ and …/objects/: whether a store works, and what lies in it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need
from images.api.image_serializers import StrictSerializer
from images.api.store_views import CHANGE
from images.api.views import RecordView
from images.models import Store, TokenScope
from images.services.store_test import store_test
from images.services.stores import LISTED, store_list

LIST = Need(TokenScope.WRITE, "images.add_image", whole=True)


class StoreTestInputSerializer(StrictSerializer):
    key = serializers.CharField(
        required=False, max_length=1000, trim_whitespace=False, help_text="The source to try; else one that is there."
    )


class StoreTestStepSerializer(serializers.Serializer[Any]):
    passed = serializers.BooleanField()
    sentence = serializers.CharField()
    milliseconds = serializers.IntegerField()
    technical = serializers.CharField()


class StoreTestSerializer(serializers.Serializer[Any]):
    passed = serializers.BooleanField()
    steps = StoreTestStepSerializer(many=True)


class StoreTestView(RecordView):
    """Does the store work?"""

    needs: ClassVar[Mapping[str, Need]] = {"POST": CHANGE}

    @extend_schema(operation_id="stores_test", request=StoreTestInputSerializer, responses={200: StoreTestSerializer})
    def post(self, request: Request, name: str) -> Response:
        """List the store, open one of its sources and read some of it."""
        store = get_store(name)
        serializer = StoreTestInputSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = store_test(store, serializer.validated_data.get("key", ""))
        return Response(StoreTestSerializer(result).data)


class ListingInputSerializer(serializers.Serializer[Any]):
    prefix = serializers.CharField(default="", allow_blank=True, max_length=1000, help_text="A folder of the store.")
    cursor = serializers.CharField(
        default="", allow_blank=True, max_length=1000, trim_whitespace=False, help_text="That of the page before."
    )
    limit = serializers.IntegerField(default=LISTED, min_value=1, max_value=LISTED)


class ListedSourceSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    byte_size = serializers.IntegerField(allow_null=True)
    modified = serializers.DateTimeField(allow_null=True)


class ListingSerializer(serializers.Serializer[Any]):
    objects = ListedSourceSerializer(many=True, source="sources")
    cursor = serializers.CharField(allow_blank=True, help_text="For the next page; empty at the end.")


class StoreObjectsView(RecordView):
    """What lies in a store?"""

    needs: ClassVar[Mapping[str, Need]] = {"GET": LIST}

    @extend_schema(
        operation_id="stores_objects",
        parameters=[
            OpenApiParameter("prefix", str, description="A folder of the store."),
            OpenApiParameter("cursor", str, description="That of the page before."),
            OpenApiParameter("limit", int, description=f"1 to {LISTED}."),
        ],
        responses=ListingSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        """A page of the sources below a folder of the store, by key."""
        store = get_store(name)
        serializer = ListingInputSerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        return Response(ListingSerializer(store_list(store, asked["prefix"], asked["cursor"], asked["limit"])).data)


def get_store(name: str) -> Store:
    store = Store.objects.filter(name=name).first()
    if store is None:
        raise Http404
    return store
