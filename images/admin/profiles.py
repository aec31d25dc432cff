"""Compliance profiles as curators set them: boxes instead of JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from images.admin.addresses import public_root
from images.conf import conf
from images.iiif.version import ApiVersion
from images.models import Profile
from images.models.profile import SWITCHABLE_FEATURES
from images.selectors.paging import count_images
from images.selectors.profiles import ALWAYS_FORMAT, ALWAYS_QUALITY, served_profile
from images.services.profile_preview import profile_preview
from images.templatetags.iiif_urls import grouped


class SidesField(forms.CharField):
    """Whole numbers with commas between them: a list; None where nothing is written, and an empty list for 0."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return ", ".join(map(str, value)) or "0"
        return value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        sides = [word.strip() for word in text.split(",")]
        if not all(side.isascii() and side.isdigit() for side in sides):
            raise forms.ValidationError(_("Write whole numbers with commas between them."), code="numbers")
        return [int(side) for side in sides if int(side)]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


_ALWAYS = {"qualities": str(ALWAYS_QUALITY), "formats": str(ALWAYS_FORMAT)}


class ProfileForm(forms.ModelForm[Profile]):
    """Lists of names as boxes: ticked is what is answered, of all that the server is configured for.

    A record names the features that are *not* answered, and no quality or format where all of them are, so that those
    that a later version brings are answered too.
    """

    features = forms.MultipleChoiceField(
        label=_("Features"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What is not ticked is answered with 501, and not in info.json."),
    )
    qualities = forms.MultipleChoiceField(
        label=_("Qualities"), widget=forms.CheckboxSelectMultiple, help_text=_("“default” is answered in any case.")
    )
    formats = forms.MultipleChoiceField(
        label=_("Formats"), widget=forms.CheckboxSelectMultiple, help_text=_("“jpg” is answered in any case.")
    )

    thumbnail_sizes = SidesField(
        label=_("Thumbnail sizes"),
        required=False,
        max_length=200,
        help_text=_("Sides of boxes in pixels, as in 100, 200, 400. Empty: as configured; 0: none are made."),
    )

    rights = forms.URLField(
        label=_("Rights"),
        required=False,
        max_length=500,
        assume_scheme="https",
        help_text=_("For images that name none themselves."),
    )

    class Meta:
        model = Profile
        exclude = ("disabled_features",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = {name: list(getattr(self.instance, name)) for name in ("disabled_features", "qualities", "formats")}
        self._features = {*map(str, SWITCHABLE_FEATURES), *kept["disabled_features"]}
        self._offer("features", self._features, without=kept["disabled_features"])
        for name, known in (("qualities", conf.capabilities.qualities), ("formats", conf.capabilities.formats)):
            self._offer(name, {*known, *kept[name]}, only=kept[name] and {*kept[name], _ALWAYS[name]})

    def _offer(self, name: str, known: Iterable[str], *, without: Iterable[str] = (), only: Iterable[str] = ()) -> None:
        """Boxes for all of `known`, ticked but for those that are `without`; or `only` these, if there are any."""
        field = self.fields[name]
        names = sorted(map(str, known))
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(each, each) for each in names]
        self.initial[name] = sorted(map(str, only)) or [each for each in names if each not in set(map(str, without))]

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        for name, known in (("qualities", conf.capabilities.qualities), ("formats", conf.capabilities.formats)):
            if set(map(str, known)) <= {*cleaned.get(name, ()), _ALWAYS[name]}:
                cleaned[name] = []
        if "features" in cleaned:
            self.instance.disabled_features = sorted(self._features - set(cleaned["features"]))
        return cleaned

    def clean_information(self) -> Any:
        """An empty field adds nothing."""
        return self.cleaned_data["information"] or {}


_BOXES = ("features", "qualities", "formats")


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin[Profile]):
    form = ProfileForm
    list_display = ("name", "label", "is_default", "levels", "limits", "image_count", "collection_count")
    search_fields = ("name", "label")
    readonly_fields = ("levels", "answered_features", "answered_qualities", "answered_formats")
    fieldsets = (
        (None, {"fields": ("name", "label", "is_default", "levels")}),
        (_("What is answered"), {"fields": _BOXES}),
        (_("How large"), {"fields": (("max_width", "max_height", "max_area"), "tile_size", "thumbnail_sizes")}),
        (_("How it is encoded"), {"fields": (("jpeg_quality", "webp_quality"), "layer_policy")}),
        (_("What info.json and manifests say"), {"fields": ("rights", "attribution", "information")}),
    )

    class Media:
        css = {"all": ("images/css/admin.css",)}

    def get_urls(self) -> list[Any]:
        preview = path("preview/", self.admin_site.admin_view(self.preview_view), name="images_profile_preview")
        return [preview, *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """What the form comes to as it stands; nothing is saved."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        instance = Profile.objects.filter(name=request.POST.get("name", "")).first()
        fields = request.POST.copy()
        fields["name"] = fields.get("name") or "unnamed"  # a form that has just been opened is no mistake
        form = ProfileForm(fields, instance=instance)
        if not form.is_valid():
            errors = [
                f"{form.fields[name].label if name in form.fields else ''}: {text}".removeprefix(": ")
                for name, texts in form.errors.items()
                for text in texts
            ]
            return JsonResponse({"errors": errors, "warnings": [], "documents": {}, "levels": {}})
        shown = profile_preview(form.instance, public_root(request))
        return JsonResponse({"errors": [], **asdict(shown)})

    def get_fieldsets(self, request: HttpRequest, obj: Profile | None = None) -> Any:
        """Those who may only look are told what the boxes come to."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        told = tuple(f"answered_{name}" for name in _BOXES)
        return [(title, {**of, "fields": told} if of["fields"] == _BOXES else of) for title, of in fieldsets]

    @admin.display(description=_("features"))
    def answered_features(self, profile: Profile) -> str:
        offered = served_profile(profile).capabilities.features
        return ", ".join(sorted(str(each) for each in SWITCHABLE_FEATURES if each in offered)) or "—"

    @admin.display(description=_("qualities"))
    def answered_qualities(self, profile: Profile) -> str:
        return ", ".join(sorted(map(str, served_profile(profile).capabilities.qualities)))

    @admin.display(description=_("formats"))
    def answered_formats(self, profile: Profile) -> str:
        return ", ".join(sorted(map(str, served_profile(profile).capabilities.formats)))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        return (
            super()
            .get_queryset(request)
            .annotate(counted_images=count_images("profile"), counted_collections=Count("collections"))
        )

    @admin.display(description=_("compliance level"))
    def levels(self, profile: Profile) -> str:
        """Of version 3 and 2, as they result from the choices."""
        if not profile.name:
            return "—"
        capabilities = served_profile(profile).capabilities
        return f"{capabilities.level(ApiVersion.V3)} (3.0), {capabilities.level(ApiVersion.V2)} (2.1)"

    @admin.display(description=_("limits"))
    def limits(self, profile: Profile) -> str:
        own = {"maxWidth": profile.max_width, "maxHeight": profile.max_height, "maxArea": profile.max_area}
        return ", ".join(f"{name} {grouped(value)}" for name, value in own.items() if value) or "—"

    @admin.display(description=_("images"), ordering="counted_images")
    def image_count(self, profile: Any) -> int:
        return int(profile.counted_images)

    @admin.display(description=_("collections"), ordering="counted_collections")
    def collection_count(self, profile: Any) -> int:
        return int(profile.counted_collections)
