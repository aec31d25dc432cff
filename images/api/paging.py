"""Pages, filters and orders of lists."""

from collections.abc import Sequence
from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

from images.api.conf import api_conf
from images.models import Image, ImageState
from images.selectors.paging import KeysFirstPaginator
from images.selectors.searching import search_images


class Pages(PageNumberPagination):
    """`page` from 1, `page_size` up to IIIF_API_MAX_PAGE_SIZE; larger ones are cut to it."""

    page_size_query_param = "page_size"
    django_paginator_class = KeysFirstPaginator

    def get_page_size(self, request: Request) -> int | None:
        self.page_size = api_conf.page_size
        self.max_page_size = api_conf.max_page_size
        return super().get_page_size(request)


class StrictOrdering(OrderingFilter):
    """`ordering` by named fields only; the primary key decides between equals, so that no row is on two pages."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> Sequence[str] | None:
        asked = [name.strip() for name in request.query_params.get(self.ordering_param, "").split(",") if name.strip()]
        known = {name for name, _label in self.get_valid_fields(queryset, view)}
        unknown = [name for name in asked if name.removeprefix("-") not in known]
        if unknown:
            detail = f"{unknown[0]!r} is not one of {', '.join(sorted(known))}."
            raise ValidationError({"ordering": detail}, code="invalid")
        if not asked:
            return super().get_ordering(request, queryset, view)
        return [*asked, "-pk" if asked[0].startswith("-") else "pk"]


class ImageFilter(django_filters.FilterSet):  # type: ignore[misc]  # has no types
    """`state` may be given several times; `search` looks into identifiers and labels."""

    state = django_filters.MultipleChoiceFilter(choices=ImageState.choices, distinct=False)
    collection = django_filters.CharFilter(field_name="collection__name")
    store = django_filters.CharFilter(field_name="store__name")
    source_format = django_filters.CharFilter()
    search = django_filters.CharFilter(method="filter_search", max_length=500)

    class Meta:
        model = Image
        fields: tuple[str, ...] = ()

    def filter_search(self, images: QuerySet[Image], _name: str, text: str) -> QuerySet[Image]:
        return search_images(images, text)
