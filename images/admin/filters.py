"""Filters of the admin's lists that Django's own don't make well."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from images.indexes.description import SourceFormat
from images.models import Image, ServiceCopyState
from images.templatetags.iiif_urls import format_name


class SourceFormatFilter(admin.SimpleListFilter):
    """By the formats that the server reads: no query for those that occur."""

    title = _("source format")
    parameter_name = "source_format"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(name.value, format_name(name.value)) for name in SourceFormat]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        return queryset.filter(source_format=self.value()) if self.value() else queryset


class ServiceCopyFilter(admin.SimpleListFilter):
    """By what the service copy is, or that there is none."""

    title = _("service copy")
    parameter_name = "service_copy"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [("none", _("None")), *ServiceCopyState.choices]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        if self.value() is None:
            return queryset
        if self.value() == "none":
            return queryset.filter(service_copy__isnull=True)
        return queryset.filter(service_copy__state=self.value())
