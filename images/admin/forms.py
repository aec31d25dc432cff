"""The form of an image in the admin: its source is a store and a key, a URL, or an upload."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from images.admin.keeping import keeping_problem
from images.conf import conf
from images.models import Image, ImageCopyPolicy
from images.services.registration import SourceReference, upload_store
from images.services.stores import store_for_uploads
from images.services.uploads import UploadError
from images.templatetags.iiif_urls import grouped

UPLOAD_KEY = "upload"


class ImageForm(forms.ModelForm[Image]):
    """Where `upload` is given, store and key stand for it; `kept` is where it lies once everything is valid."""

    kept: SourceReference | None = None

    upload = forms.FileField(
        label=_("Upload"),
        required=False,
        help_text=_("Instead of store, key and URL: the file is kept on this server."),
    )

    url = forms.URLField(label=_("URL"), required=False, max_length=2000, assume_scheme="https")
    rights = forms.URLField(
        label=_("Rights"),
        required=False,
        max_length=500,
        assume_scheme="https",
        help_text=_("Creative Commons or RightsStatements.org URI"),
    )

    service_copy_policy = forms.ChoiceField(
        label=_("Service copy"),
        required=False,
        choices=ImageCopyPolicy.choices,
        help_text=_("A copy that is quick to serve. An image without a collection has none unless it says so here."),
    )

    class Meta:
        model = Image
        fields = [
            "identifier",
            "label",
            "collection",
            "profile",
            "service_copy_policy",
            "upload",
            "store",
            "key",
            "url",
            "rights",
            "attribution",
            "metadata",
            "max_width",
            "max_height",
            "max_area",
            "information",
        ]

    def full_clean(self) -> None:
        """Keeps the upload at the end, so that the form can say that there is no room for it, and loses nothing.

        Of what is refused the record that is shown beside the form has nothing.
        """
        source = self.instance.store_id, self.instance.key, self.instance.url
        self._clean_and_keep()
        if self.errors:
            self.instance.store_id, self.instance.key, self.instance.url = source

    def _clean_and_keep(self) -> None:
        super().full_clean()
        upload = self.cleaned_data.get("upload") if self.is_bound and not self.errors else None
        if upload is None:
            return
        try:
            self.kept = upload_store(upload.chunks(), upload.name or "", sniffed=True)
        except (UploadError, OSError) as error:
            self.add_error("upload", keeping_problem(error))

    def clean_upload(self) -> UploadedFile[bytes] | None:
        upload: UploadedFile[bytes] | None = self.cleaned_data.get("upload")
        if upload is not None and (upload.size or 0) > conf.upload_max_bytes:
            raise ValidationError(
                _("The file is larger than %(limit)s bytes."), params={"limit": grouped(conf.upload_max_bytes)}
            )
        return upload

    def clean_service_copy_policy(self) -> str:
        return self.cleaned_data.get("service_copy_policy") or self.instance.service_copy_policy

    def clean_metadata(self) -> Any:
        return self.cleaned_data.get("metadata") or []

    def clean_information(self) -> Any:
        return self.cleaned_data.get("information") or {}

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        if cleaned.get("upload") is not None:  # it is kept by the admin, once everything else is valid
            cleaned["store"], cleaned["key"], cleaned["url"] = store_for_uploads(), UPLOAD_KEY, ""
        return cleaned
