"""/api/v1/profiles/: compliance settings."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need
from images.api.image_views import IF_MATCH
from images.api.named_views import NamedListView, NamedRecords, NamedView, StrictModelSerializer
from images.models import Profile, TokenScope

READ = Need(TokenScope.READ, "images.view_profile")
ADD = Need(TokenScope.ADMIN, "images.add_profile", whole=True)
CHANGE = Need(TokenScope.ADMIN, "images.change_profile", whole=True)
DELETE = Need(TokenScope.ADMIN, "images.delete_profile", whole=True)

_FIELDS = (
    "name",
    "label",
    "is_default",
    "disabled_features",
    "qualities",
    "formats",
    "max_width",
    "max_height",
    "max_area",
    "tile_size",
    "thumbnail_sizes",
    "jpeg_quality",
    "webp_quality",
    "layer_policy",
    "rights",
    "attribution",
    "information",
)


class ProfileSerializer(StrictModelSerializer[Profile]):
    """What of the Image API is answered, how large and how it is encoded; narrower than the server's settings."""

    class Meta:
        model = Profile
        fields = (*_FIELDS, "created", "modified")
        read_only_fields = ("created", "modified")


class _Profiles(NamedRecords[Profile]):
    path = "profiles"

    def records(self, _request: Request) -> QuerySet[Profile]:
        return Profile.objects.all()

    def output(self, _request: Request, record: Profile) -> dict[str, Any]:
        return ProfileSerializer(record).data

    def input(self, request: Request, record: Profile | None, *, partial: bool = False) -> Mapping[str, Any]:
        serializer = ProfileSerializer(record, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        unset = {} if partial else {name: getattr(Profile(), name) for name in _FIELDS if name != "name"}
        return {**unset, **serializer.validated_data}

    def save(self, record: Profile, changed: frozenset[str]) -> None:  # noqa: ARG002 - as others need it
        record.save()

    def remove(self, record: Profile) -> None:
        record.delete()


class ProfileListView(_Profiles, NamedListView[Profile]):
    """All profiles."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "POST": ADD}
    serializer_class = ProfileSerializer
    queryset = Profile.objects.none()

    @extend_schema(operation_id="profiles_list", responses=ProfileSerializer(many=True))
    def get(self, request: Request) -> Response:
        """A page of profiles."""
        return self.listed(request)

    @extend_schema(operation_id="profiles_create", request=ProfileSerializer, responses={201: ProfileSerializer})
    def post(self, request: Request) -> HttpResponseBase:
        """Make a profile."""
        return self.created(request, Profile())


class ProfileView(_Profiles, NamedView[Profile]):
    """One profile."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "PUT": CHANGE, "PATCH": CHANGE, "DELETE": DELETE}

    @extend_schema(operation_id="profiles_retrieve", responses=ProfileSerializer)
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """The profile."""
        return self.read(request, name)

    @extend_schema(
        operation_id="profiles_put", parameters=[IF_MATCH], request=ProfileSerializer, responses=ProfileSerializer
    )
    def put(self, request: Request, name: str) -> HttpResponseBase:
        """Make the profile just this."""
        return self.changed(request, name, partial=False)

    @extend_schema(
        operation_id="profiles_patch", parameters=[IF_MATCH], request=ProfileSerializer, responses=ProfileSerializer
    )
    def patch(self, request: Request, name: str) -> HttpResponseBase:
        """Change some of it."""
        return self.changed(request, name, partial=True)

    @extend_schema(
        operation_id="profiles_delete",
        parameters=[IF_MATCH],
        responses={204: OpenApiResponse(description="It is gone.")},
    )
    def delete(self, request: Request, name: str) -> HttpResponseBase:
        """Remove the profile, unless images or collections refer to it."""
        return self.removed(request, name)
