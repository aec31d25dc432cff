"""What curators do with the images that they have ticked: each is a job, whose page shows how far it is."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from images.models import Collection, Image, Profile
from images.services.bulk_actions import bulk_action_create

Action = Callable[[admin.ModelAdmin[Image], HttpRequest, QuerySet[Image]], HttpResponse]


def _simple(action: str, description: Any) -> Action:
    @admin.action(description=description, permissions=["change"])
    def run(_model_admin: admin.ModelAdmin[Image], request: HttpRequest, queryset: QuerySet[Image]) -> HttpResponse:
        return _begin(request, action, queryset)

    run.__name__ = action
    return run


def _choosing(action: str, argument: str, description: Any, models: Callable[[], QuerySet[Any]]) -> Action:
    """An action that asks first which profile or collection is meant; none is an answer too."""

    class ChoiceForm(forms.Form):
        chosen = forms.ModelChoiceField(models(), required=False, label="", empty_label=_("None"))

    @admin.action(description=description, permissions=["change"])
    def run(model_admin: admin.ModelAdmin[Image], request: HttpRequest, queryset: QuerySet[Image]) -> HttpResponse:
        form = ChoiceForm(request.POST if "chosen" in request.POST else None)
        if form.is_valid():
            chosen = form.cleaned_data["chosen"]
            return _begin(request, action, queryset, {argument: chosen.pk if chosen else None})
        context = {
            **model_admin.admin_site.each_context(request),
            "title": description,
            "action": action,
            "form": form,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "selects_across": request.POST.get("select_across", "0"),
            "total": queryset.count(),
            "opts": Image._meta,  # noqa: SLF001 - what admin templates are given
        }
        return TemplateResponse(request, "admin/images/image/choose.html", context)

    run.__name__ = action
    return run


def _begin(
    request: HttpRequest, action: str, queryset: QuerySet[Image], arguments: dict[str, Any] | None = None
) -> HttpResponse:
    pks = list(queryset.order_by("pk").values_list("pk", flat=True))
    user = request.user if request.user.is_authenticated else None
    job = bulk_action_create(action, pks, arguments, user=user)
    text = ngettext("%d image is being worked on.", "%d images are being worked on.", len(pks)) % len(pks)
    messages.success(request, text)
    return HttpResponseRedirect(reverse("admin:images_job_change", args=[job.pk]))


IMAGE_ACTIONS = (
    _simple("reingest", _("Read the source again")),
    _simple("restore", _("Back to the earlier source")),
    _simple("refresh", _("Look whether the source has changed")),
    _simple("purge", _("Remove from the cache")),
    _simple("warm", _("Make all tiles now")),
    _simple("make_copy", _("Make service copy")),
    _simple("remove_copy", _("Remove service copy")),
    _choosing("set_profile", "profile", _("Set compliance profile"), Profile.objects.all),
    _choosing("move", "collection", _("Move to collection"), Collection.objects.all),
)
