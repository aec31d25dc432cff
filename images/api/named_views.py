"""What lists and records have in common that are found by name: collections and stores."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.addresses import public_root
from images.api.image_serializers import StrictSerializer
from images.api.paging import Pages, StrictOrdering
from images.api.preconditions import expectation, is_not_modified
from images.api.views import RecordView
from images.selectors.paging import count_images, count_images_of

Named = TypeVar("Named", bound=models.Model)


class StrictModelSerializer(serializers.ModelSerializer[Named], StrictSerializer, Generic[Named]):
    """Refuses fields that it does not know; what is wrong with the record as a whole is found by the model."""


class NamedRecords(Generic[Named], RecordView):
    """`path` is the name of the list below /api/v1/; the rest says how records are found, written and shown.

    `image_field` is the foreign key in which images name the record, where answers say how many do.
    """

    path: ClassVar[str]
    image_field: ClassVar[str] = ""

    def records(self, request: Request) -> QuerySet[Named]:
        raise NotImplementedError

    def output(self, request: Request, record: Named) -> dict[str, Any]:
        raise NotImplementedError

    def input(self, request: Request, record: Named | None, *, partial: bool = False) -> Mapping[str, Any]:
        raise NotImplementedError

    def save(self, record: Named, changed: frozenset[str]) -> None:
        raise NotImplementedError

    def remove(self, record: Named) -> None:
        raise NotImplementedError

    def answer(self, request: Request, name: str, status: int = 200) -> HttpResponseBase:
        body, etag = self.shown(request, name)
        headers = {"ETag": etag}
        if status == 201:
            headers["Location"] = f"{public_root(request)}/api/v1/{self.path}/{name}/"
        return Response(body, status=status, headers=headers)

    def shown(self, request: Request, name: str) -> tuple[dict[str, Any], str]:
        records: QuerySet[Any] = self.records(request)
        if self.image_field:
            records = records.annotate(counted_images=count_images(self.image_field))
        record = records.filter(name=name).first()
        if record is None:
            raise Http404
        body = self.output(request, record)
        return body, representation_etag(body)

    def store_record(self, record: Named, values: Mapping[str, Any]) -> None:
        """Raises ValidationError naming each wrong field."""
        changed = frozenset(name for name, value in values.items() if getattr(record, name) != value)
        for name, value in values.items():
            setattr(record, name, value)
        record.full_clean()
        self.save(record, changed)


class NamedListView(NamedRecords[Named], GenericAPIView[Named]):
    """The list, by name."""

    pagination_class = Pages
    filter_backends = (StrictOrdering,)
    ordering_fields = ("name", "created")
    ordering = ("name",)

    def listed(self, request: Request) -> Response:
        page: list[Any] = self.paginate_queryset(self.filter_queryset(self.records(request))) or []
        if self.image_field:
            images = count_images_of(self.image_field, [record.pk for record in page])
            for record in page:
                record.counted_images = images[record.pk]
        return self.get_paginated_response([self.output(request, record) for record in page])

    def created(self, request: Request, record: Named) -> HttpResponseBase:
        self.store_record(record, self.input(request, None))
        return self.answer(request, str(getattr(record, "name", "")), 201)


class NamedView(NamedRecords[Named]):
    """One record."""

    def read(self, request: Request, name: str) -> HttpResponseBase:
        body, etag = self.shown(request, name)
        if is_not_modified(request, etag):
            return HttpResponse(status=304, headers={"ETag": etag})
        return Response(body, headers={"ETag": etag})

    def changed(self, request: Request, name: str, *, partial: bool) -> HttpResponseBase:
        expected = expectation(request)
        with transaction.atomic():
            record = self.locked(request, name)
            expected(self.shown(request, name)[1])
            self.store_record(record, self.input(request, record, partial=partial))
        return self.answer(request, str(getattr(record, "name", name)))

    def removed(self, request: Request, name: str) -> Response:
        expected = expectation(request)
        with transaction.atomic():
            record = self.locked(request, name)
            expected(self.shown(request, name)[1])
            self.remove(record)
        return Response(status=204)

    def locked(self, request: Request, name: str) -> Named:
        record = self.records(request).select_for_update().filter(name=name).first()
        if record is None:
            raise Http404
        return record


def representation_etag(body: Mapping[str, Any]) -> str:
    return f'"{hashlib.sha256(json.dumps(body, default=str, sort_keys=True).encode()).hexdigest()[:32]}"'
