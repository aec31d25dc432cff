"""The form of a new batch: a file or pasted rows, and what holds for all of them."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from images.admin.keeping import keeping_problem
from images.conf import conf
from images.models import Collection, Profile, Store
from images.services.batch_rows import Defaults
from images.services.batch_tables import RawRow, TableError, rows_from_text
from images.templatetags.iiif_urls import grouped


class BatchForm(forms.Form):
    """`raw` and `text` are there once it is valid. A file goes before pasted rows."""

    label = forms.CharField(label=_("Label"), required=False, max_length=200)
    file = forms.FileField(label=_("File (CSV or JSON)"), required=False)
    rows = forms.CharField(
        label=_("Or paste the rows"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    store = forms.ModelChoiceField(
        Store.objects.filter(is_enabled=True).order_by("name"),
        label=_("Store"),
        required=False,
        empty_label=_("None"),
        help_text=_("In which a source is a key that is no web address and names no store."),
    )
    collection = forms.ModelChoiceField(
        Collection.objects.order_by("name"),
        label=_("Collection"),
        required=False,
        empty_label=_("None"),
        help_text=_("Of the rows that name none."),
    )
    profile = forms.ModelChoiceField(
        Profile.objects.order_by("name"), label=_("Compliance profile"), required=False, empty_label=_("None")
    )
    replaces = forms.BooleanField(
        label=_("Replace the sources of known identifiers"),
        required=False,
        help_text=_("Otherwise another source of a known identifier is an error."),
    )
    leaves_out = forms.BooleanField(
        label=_("Leave wrong rows out"),
        required=False,
        help_text=_("Otherwise nothing begins before every row is right."),
    )

    def __init__(self, *args: Any, may_replace: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.raw: list[RawRow] = []
        self.text = ""
        if not may_replace:
            del self.fields["replaces"]

    def clean_file(self) -> UploadedFile[bytes] | None:
        file: UploadedFile[bytes] | None = self.cleaned_data.get("file")
        if file is not None and (file.size or 0) > conf.api_max_body_bytes:
            limit = filesizeformat(conf.api_max_body_bytes)
            raise ValidationError(_("The file is larger than %(limit)s."), params={"limit": limit})
        return file

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        file = cleaned.get("file")
        name = "rows" if file is None else "file"
        self.text = cleaned.get("rows", "") if file is None else _text(file)
        try:
            self.raw = rows_from_text(self.text) if self.text.strip() else []
        except TableError as error:
            raise ValidationError({name: str(error)}) from error
        if not self.raw:
            raise ValidationError({name: _("There are no rows.")})
        if len(self.raw) > conf.batch_max_rows:
            text = _("A batch has at most %(most)s rows, and these are %(count)s.")
            counts = {"most": grouped(conf.batch_max_rows), "count": grouped(len(self.raw))}
            raise ValidationError({name: text % counts})
        return cleaned

    @property
    def name(self) -> str:
        """What the batch is called: as the file is, where nothing is said."""
        file = self.cleaned_data["file"]
        return self.cleaned_data["label"] or (file.name[:200] if file else "")

    @property
    def defaults(self) -> Defaults:
        chosen = self.cleaned_data
        store, collection, profile = chosen["store"], chosen["collection"], chosen["profile"]
        return Defaults(
            store.name if store else "",
            collection.name if collection else "",
            profile=profile.name if profile else "",
        )


def _text(file: UploadedFile[bytes]) -> str:
    try:
        return bytes(file.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(
            {"file": _("It is not written in UTF-8. In a spreadsheet, save it as “CSV UTF-8”.")}
        ) from error
    except OSError as error:
        raise ValidationError({"file": keeping_problem(error)}) from error
