"""/api/v1/images/: the list, one record, and what can be asked to happen to it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import MethodNotAllowed, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need, may, visible_images
from images.api.addresses import image_links
from images.api.image_serializers import (
    ImageFieldsSerializer,
    ImageInputSerializer,
    ImagePatchSerializer,
    ImagePatchUploadSerializer,
    ImagePutSerializer,
    ImagePutUploadSerializer,
    ImageSerializer,
    ImageUploadSerializer,
    source_reference,
)
from images.api.paging import ImageFilter, Pages, StrictOrdering
from images.api.parsers import JSONParser, UploadParser
from images.api.preconditions import expectation, is_not_modified
from images.api.views import RecordView
from images.models import Image, TokenScope
from images.selectors.images import ImageNotFoundError
from images.selectors.records import list_records, record_etag
from images.services.audit import image_note_added, image_note_changed
from images.services.records import (
    Expectation,
    RecordChange,
    image_create,
    image_delete,
    image_put,
    image_update,
    source_identifier,
    upload_settle,
)
from images.services.registration import SourceReference
from images.services.uploads import UploadSink

READ = Need(TokenScope.READ, "images.view_image")
ADD = Need(TokenScope.WRITE, "images.add_image")
CHANGE = Need(TokenScope.WRITE, "images.change_image")
DELETE = Need(TokenScope.WRITE, "images.delete_image")

ACTIONS = ("refresh", "reingest", "restore", "invalidate", "seed")

_UNSET: Mapping[str, Any] = {
    "label": "",
    "rights": "",
    "attribution": "",
    "metadata": [],
    "collection": None,
    "profile": None,
    "max_width": None,
    "max_height": None,
    "max_area": None,
    "service_copy_policy": "inherit",
}
"""What PUT makes of the fields that it leaves out."""

IDENTIFIER = OpenApiParameter("identifier", str, OpenApiParameter.PATH, description="Slashes raw or as %2F.")
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag that was read.")
FORMS: tuple[str, str] = ("application/json", "multipart/form-data")


class UploadingView(RecordView):
    """A view whose requests may bring a file; what no record names in the end is removed."""

    parser_classes: Sequence[type[BaseParser]] = (JSONParser, UploadParser)
    upload: UploadSink | None = None
    upload_is_kept = False

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if self.upload is not None and not self.upload_is_kept:
            self.upload.discard()
        return super().finalize_response(request, response, *args, **kwargs)

    def read_input(
        self, request: Request, kind: type[ImageFieldsSerializer], *, partial: bool = False
    ) -> tuple[SourceReference | None, dict[str, Any]]:
        """The source, if one is named, and the fields. Raises ValidationError."""
        data = {**request.data} if isinstance(request.data, Mapping) else request.data
        upload = data.pop("file", None) if isinstance(data, dict) else None
        if isinstance(upload, UploadSink):
            kind = ImageFieldsSerializer
        elif upload is not None:
            raise ValidationError({"file": "A file is sent as multipart/form-data."})
        serializer = kind(data=data, partial=partial, context={"request": request})
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = dict(serializer.validated_data)
        named = fields.pop("source", None)
        if upload is not None:
            return SourceReference(store=upload.store, key=upload.key), fields
        return None if named is None else source_reference(named), fields

    def keep_upload(self, image: Image) -> None:
        """The file is the record's now, if the record names it."""
        self.upload_is_kept = self.upload is not None and image.key == self.upload.key

    def note(self, request: Request, change: RecordChange) -> None:
        """For the history of the image: who made or changed it."""
        if change.created:
            image_note_added(request.user, change.image)
        else:
            image_note_changed(request.user, change.image, change.fields)

    def answer(self, request: Request, image: Image, status: int) -> Response:
        """The record as it is in the database."""
        image = list_records().get(pk=image.pk)
        body = ImageSerializer(image, context={"request": request}).data
        headers = {"ETag": record_etag(image)}
        if status in (201, 202):
            headers["Location"] = image_links(request, image.identifier)["self"]
        return Response(body, status=status, headers=headers)


class ImageListView(GenericAPIView[Image], UploadingView):
    """All images, and the way to register one."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "POST": ADD}
    serializer_class = ImageSerializer
    pagination_class = Pages
    filter_backends = (StrictOrdering, DjangoFilterBackend)  # a search looks at how a list begins
    filterset_class = ImageFilter
    ordering_fields = ("identifier", "label", "created", "modified", "state", "state_changed", "width", "height")
    ordering = ("-created", "-pk")
    queryset = Image.objects.none()

    def get_queryset(self) -> QuerySet[Image]:
        return visible_images(self.request, list_records())

    @extend_schema(operation_id="images_list", responses=ImageSerializer(many=True))
    def get(self, request: Request) -> Response:
        """A page of images."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        serialized: Any = ImageSerializer(page, many=True, context={"request": request})  # type: ignore[arg-type]
        return self.get_paginated_response(serialized.data)

    @extend_schema(
        operation_id="images_create",
        request={FORMS[0]: ImageInputSerializer, FORMS[1]: ImageUploadSerializer},
        responses={
            202: OpenApiResponse(ImageSerializer, "Registered; its source is read next."),
            200: OpenApiResponse(ImageSerializer, "It was there with this very source; nothing was done."),
        },
    )
    def post(self, request: Request) -> Response:
        """Register an image. The same source under the same identifier again does nothing; another one is a 409."""
        source, fields = self.read_input(request, ImageInputSerializer)
        if source is None:
            raise ValidationError({"source": "Name a source, or send a file."}, code="required")
        identifier = fields.pop("identifier", None) or source_identifier(source)
        if self.upload is not None:
            source = upload_settle(identifier, source)
        change = image_create(visible_images(request, Image.objects.all()), identifier, source, fields)
        self.keep_upload(change.image)
        self.note(request, change)
        return self.answer(request, change.image, 202 if change.created else 200)


class ImageView(UploadingView):
    """One image."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "PUT": CHANGE, "PATCH": CHANGE, "DELETE": DELETE}

    def records(self, request: Request) -> QuerySet[Image]:
        return visible_images(request, Image.objects.all())

    @extend_schema(operation_id="images_retrieve", parameters=[IDENTIFIER], responses=ImageSerializer)
    def get(self, request: Request, identifier: str) -> HttpResponseBase:
        """The image as it is now."""
        image = visible_images(request, list_records()).filter(identifier=identifier).first()
        if image is None:
            raise _missing(identifier)
        etag = record_etag(image)
        if is_not_modified(request, etag):
            return HttpResponse(status=304, headers={"ETag": etag})
        body = ImageSerializer(image, context={"request": request}).data
        return Response(body, headers={"ETag": etag})

    @extend_schema(
        operation_id="images_put",
        parameters=[IDENTIFIER, IF_MATCH],
        request={FORMS[0]: ImagePutSerializer, FORMS[1]: ImagePutUploadSerializer},
        responses={
            200: OpenApiResponse(ImageSerializer, "Changed, or as it was."),
            202: OpenApiResponse(ImageSerializer, "New, or with another source, which is read next."),
        },
    )
    def put(self, request: Request, identifier: str) -> Response:
        """Make the image just this, whether or not it was there. Another source is read anew."""
        source, fields = self._read(request, ImagePutSerializer, identifier)
        if source is None:
            raise ValidationError({"source": "Name a source, or send a file."}, code="required")
        expected = _may_be_new(request, expectation(request))
        change = image_put(self.records(request), identifier, source, {**_UNSET, **fields}, expected)
        self.keep_upload(change.image)
        self.note(request, change)
        return self.answer(request, change.image, 202 if change.created or change.moved else 200)

    @extend_schema(
        operation_id="images_patch",
        parameters=[IDENTIFIER, IF_MATCH],
        request={FORMS[0]: ImagePatchSerializer, FORMS[1]: ImagePatchUploadSerializer},
        responses={
            200: OpenApiResponse(ImageSerializer, "Changed, or as it was."),
            202: OpenApiResponse(ImageSerializer, "With another source, which is read next."),
        },
    )
    def patch(self, request: Request, identifier: str) -> Response:
        """Change some fields. Another source is read anew."""
        source, fields = self._read(request, ImagePatchSerializer, identifier, partial=True)
        expected = expectation(request)
        change = image_update(self.records(request), identifier, fields, source=source, expectation=expected)
        self.keep_upload(change.image)
        self.note(request, change)
        return self.answer(request, change.image, 202 if change.moved else 200)

    @extend_schema(
        operation_id="images_delete",
        parameters=[IDENTIFIER, IF_MATCH],
        responses={204: OpenApiResponse(description="It is gone; nothing is served of it any more.")},
    )
    def delete(self, request: Request, identifier: str) -> Response:
        """Remove the record. A source that was uploaded is removed with it, any other stays where it lies."""
        image_delete(self.records(request), identifier, expectation(request), user=request.user)
        return Response(status=204)

    def _read(
        self, request: Request, kind: type[ImageFieldsSerializer], identifier: str, *, partial: bool = False
    ) -> tuple[SourceReference | None, dict[str, Any]]:
        source, fields = self.read_input(request, kind, partial=partial)
        if fields.pop("identifier", identifier) != identifier:
            raise ValidationError({"identifier": "It is another than in the address."})
        return source, fields


def _may_be_new(request: Request, expected: Expectation) -> Expectation:
    def expect(etag: str | None) -> None:
        if etag is None and not may(request, ADD):
            raise PermissionDenied
        expected(etag)

    return expect


def image_or_action_view(action: Any) -> Any:
    """POST is for the action that the address ends in; anything else for the image that is called so as a whole."""

    def view(request: HttpRequest, identifier: str) -> HttpResponseBase:
        if request.method == "POST":
            response: HttpResponseBase = action(request, identifier=identifier)
            return response
        return ImageView.as_view()(request, identifier=f"{identifier}/{action.cls.name}")

    view.cls = action.cls  # type: ignore[attr-defined]  # what the schema is made from
    view.initkwargs = {}  # type: ignore[attr-defined]
    view.csrf_exempt = True  # type: ignore[attr-defined]  # as the views within, which look after themselves
    return view


def _missing(identifier: str) -> Exception:
    if identifier.rpartition("/")[2] in ACTIONS and "/" in identifier:
        return MethodNotAllowed("GET")
    return ImageNotFoundError(identifier)
