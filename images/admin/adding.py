"""Adding many images on one page: files that are dropped on it, web addresses, what lies in a store."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images.admin.keeping import keeping_problem
from images.conf import conf
from images.models import Collection, Image, Store
from images.services.registration import (
    IdentifierTakenError,
    SourceReference,
    image_register,
    upload_discard,
    upload_store,
    validation_messages,
)
from images.services.stores import store_list
from images.services.uploads import UploadError
from images.sources.errors import SourceError

_PAGE = 200
"""Sources of a store that are listed at a time."""


class SourceForm(forms.Form):
    """One source: a file, an address, or a key of a store. An empty identifier is made of the source's name."""

    beginning = forms.CharField(required=False, max_length=200)
    collection = forms.ModelChoiceField(Collection.objects.all(), required=False)
    file = forms.FileField(required=False, label=gettext_lazy("File"))
    url = forms.URLField(required=False, max_length=2000, assume_scheme="https", label=gettext_lazy("URL"))
    store = forms.ModelChoiceField(Store.objects.all(), required=False)
    key = forms.CharField(required=False, max_length=1000)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = [bool(cleaned.get("file")), bool(cleaned.get("url")), bool(cleaned.get("store") and cleaned.get("key"))]
        if not self.errors and given.count(True) != 1:
            raise ValidationError(_("Send a file, a URL, or a store and a key."))
        return cleaned


def add_many_response(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """The page itself."""
    context = {
        **site.each_context(request),
        "title": _("Add many images"),
        "collections": Collection.objects.order_by("name"),
        "stores": Store.objects.filter(is_enabled=True).order_by("name"),
        "upload_limit": conf.upload_max_bytes,
        "opts": Image._meta,  # noqa: SLF001 - what admin templates are given
    }
    return TemplateResponse(request, "admin/images/image/add_many.html", context)


def add_one_response(request: HttpRequest) -> JsonResponse:
    """Register one source: 200 with its identifier and whether it is new, 400 with the reason."""
    form = SourceForm(request.POST, request.FILES)
    if not form.is_valid():
        return _refused(validation_messages(ValidationError(form.errors.as_data())))
    cleaned = form.cleaned_data
    upload: UploadedFile[bytes] | None = cleaned["file"]
    source, name = None, ""
    try:
        source, name = _source(cleaned, upload)
        registered = image_register(cleaned["beginning"] + name, source, collection=cleaned["collection"])
    except (ValidationError, IdentifierTakenError, UploadError, OSError) as error:
        if upload is not None and source is not None:
            upload_discard(source)
        return _refused(validation_messages(error) if isinstance(error, ValidationError) else keeping_problem(error))
    if upload is not None and not registered.changed:
        upload_discard(source)
    image = registered.image
    facts = {
        "identifier": image.identifier,
        "page": reverse("admin:images_image_change", args=[image.pk]),
        "state": f"{reverse('gallery-state')}?id=",
        "is_new": registered.changed,
    }
    return JsonResponse(facts)


def list_store_response(request: HttpRequest) -> JsonResponse:
    """A page of what lies below a folder of a store, and which of it is registered already."""
    store = Store.objects.filter(pk=request.GET.get("store") or 0).first()
    if store is None:
        return _refused(_("There is no such store."))
    try:
        listing = store_list(store, request.GET.get("prefix", ""), request.GET.get("cursor", ""), _PAGE)
    except SourceError as error:
        return _refused(error.detail)
    keys = [source.key for source in listing.sources]
    known = set(Image.objects.filter(store=store, key__in=keys).values_list("key", flat=True))
    return JsonResponse(
        {
            "sources": [
                {"key": source.key, "bytes": source.byte_size, "is_known": source.key in known}
                for source in listing.sources
            ],
            "cursor": listing.cursor,
        }
    )


def _source(cleaned: dict[str, Any], upload: UploadedFile[bytes] | None) -> tuple[SourceReference, str]:
    """Raises UploadError, OSError."""
    if upload is not None:
        name = PurePosixPath(upload.name or "upload").name
        return upload_store(upload.chunks(), upload.name or "", sniffed=True), name
    if cleaned["url"]:
        name = unquote(PurePosixPath(urlsplit(cleaned["url"]).path).name)
        return SourceReference(url=cleaned["url"]), name or "image"
    return SourceReference(store=cleaned["store"], key=cleaned["key"]), cleaned["key"]


def _refused(reason: str) -> JsonResponse:
    return JsonResponse({"error": reason}, status=400)
