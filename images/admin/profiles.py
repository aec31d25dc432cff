"""Compliance profiles as curators set them: boxes instead of JSON."""

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
from images.selectors.profiles import served_profile
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


class ProfileForm(forms.ModelForm[Profile]):
    """Lists of names as boxes to tick; only what the server is configured for can be chosen."""

    disabled_features = forms.MultipleChoiceField(
        label=_("Features that are switched off"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Answered with 501, and not in info.json."),
    )
    qualities = forms.MultipleChoiceField(
        label=_("Qualities"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all of them."),
    )
    formats = forms.MultipleChoiceField(
        label=_("Formats"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all of them."),
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
        exclude: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, known in (
            ("disabled_features", SWITCHABLE_FEATURES),
            ("qualities", conf.capabilities.qualities),
            ("formats", conf.capabilities.formats),
        ):
            field = self.fields[name]
            if isinstance(field, forms.MultipleChoiceField):
                kept = getattr(self.instance, name) or []
                field.choices = [(str(each), str(each)) for each in sorted({*map(str, known), *kept})]

    def clean_information(self) -> Any:
        """An empty field adds nothing."""
        return self.cleaned_data["information"] or {}


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin[Profile]):
    form = ProfileForm
    list_display = ("name", "label", "is_default", "levels", "limits", "image_count", "collection_count")
    search_fields = ("name", "label")
    readonly_fields = ("levels",)
    fieldsets = (
        (None, {"fields": ("name", "label", "is_default", "levels")}),
        (_("What is answered"), {"fields": ("disabled_features", "qualities", "formats")}),
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
