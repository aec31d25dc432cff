"""The form of an image in the admin: its source is a store and a key, a URL, or an upload."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from images.conf import conf
from images.models import Image
from images.services.registration import upload_store


class ImageForm(forms.ModelForm[Image]):
    """`source_changed` tells, after validation, whether the record must be ingested anew."""

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

    class Meta:
        model = Image
        fields = [
            "identifier",
            "label",
            "collection",
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
        ]

    @property
    def source_changed(self) -> bool:
        return self.instance._state.adding or bool({"upload", "store", "key", "url"} & set(self.changed_data))  # noqa: SLF001 - Django documents it

    def clean_upload(self) -> UploadedFile[bytes] | None:
        upload: UploadedFile[bytes] | None = self.cleaned_data.get("upload")
        if upload is not None and (upload.size or 0) > conf.upload_max_bytes:
            raise ValidationError(
                _("The file is larger than %(limit)s bytes."), params={"limit": conf.upload_max_bytes}
            )
        return upload

    def clean_metadata(self) -> Any:
        rows = self.cleaned_data.get("metadata") or []
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and {"label", "value"} <= set(row) for row in rows
        ):
            raise ValidationError(_('Metadata is a list of {"label": …, "value": …}.'))
        return rows

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        upload = cleaned.get("upload")
        if upload is not None and not self.errors:
            reference = upload_store(upload.chunks(), upload.name or "")
            cleaned["store"], cleaned["key"], cleaned["url"] = reference.store, reference.key, ""
        return cleaned
