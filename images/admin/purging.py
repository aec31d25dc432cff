"""Purges from the admin: first what would go, then, confirmed, a job that removes it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from caching.errors import CacheError
from images.models import Collection, Store
from images.services.purging import Purge, PurgeReport, PurgeScopeError, Scope, purge_run, purge_start

_AT_ONCE = 200
"""Images whose derivatives are counted while somebody waits for the page; more are counted by a job."""

_OFFERED = 200
"""Names that a field suggests."""

WORD = "all"
"""To be typed before everything goes."""


class PurgeForm(forms.Form):
    """What is to go; `name` is of an image, a collection or a store."""

    scope = forms.ChoiceField(choices=[(scope.value, scope.value) for scope in Scope])
    name = forms.CharField(required=False, max_length=500)
    key_start = forms.CharField(required=False, max_length=1000)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        needs_name = values.get("scope") in (Scope.IMAGE, Scope.COLLECTION, Scope.STORE)
        if needs_name and not values.get("name") and "name" not in self.errors:
            self.add_error("name", gettext_lazy("Say of which."))
        return values

    def purge(self) -> Purge:
        values = self.cleaned_data
        is_store = values["scope"] == Scope.STORE
        return Purge(Scope(values["scope"]), values["name"], values["key_start"] if is_store else "")


def may_purge(request: HttpRequest) -> bool:
    return request.user.has_perm("images.purge_cache")


def purge_choices() -> dict[str, list[str]]:
    """Names that are suggested; any other can be typed. Two queries."""
    return {
        "collections": list(Collection.objects.order_by("name").values_list("name", flat=True)[:_OFFERED]),
        "stores": list(Store.objects.order_by("name").values_list("name", flat=True)[:_OFFERED]),
    }


def purge_view(request: HttpRequest) -> HttpResponse:
    """GET tells what would be freed, by a dry run; POST begins a job: the purge, or with `count` the dry run."""
    if not may_purge(request):
        raise PermissionDenied
    form = PurgeForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        return _refused(request, next(str(text) for texts in form.errors.values() for text in texts))
    purge = form.purge()
    try:
        if request.method != "POST":
            return _ask(request, purge)
        only_counts = "count" in request.POST
        if purge.scope is Scope.ALL and not only_counts and request.POST.get("word", "").strip().lower() != WORD:
            return _ask(request, purge, wrong=_("Type the word %(word)s to remove everything.") % {"word": WORD})
        job = purge_start(purge, dry_run=only_counts, user=request.user if request.user.is_authenticated else None)
    except PurgeScopeError:
        return _refused(request, _("There is none that is called “%(name)s”.") % {"name": purge.name})
    return HttpResponseRedirect(reverse("admin:images_job_change", args=[job.pk]))


def _refused(request: HttpRequest, reason: str) -> HttpResponse:
    messages.error(request, reason)
    return HttpResponseRedirect(f"{reverse('cache')}#purge")


def _ask(request: HttpRequest, purge: Purge, *, wrong: str = "") -> HttpResponse:
    total = purge.images().count()
    report, problem = _dry_run(purge) if total <= _AT_ONCE or purge.scope is Scope.ALL else (None, "")
    context = {
        **admin.site.each_context(request),
        "title": purge_label(purge.scope, purge.name, purge.prefix),
        "purge": purge,
        "total": total,
        "report": report,
        "problem": problem,
        "wrong": wrong,
        "word": WORD if purge.scope is Scope.ALL else "",
    }
    response = TemplateResponse(request, "admin/cache_purge.html", context, status=400 if wrong else 200)
    response["Cache-Control"] = "no-store"
    return response


def _dry_run(purge: Purge) -> tuple[PurgeReport | None, str]:
    try:
        return purge_run(purge, dry_run=True), ""
    except CacheError as error:
        return None, error.detail


def purge_label(scope: str, name: str, prefix: str) -> str:
    labels = {
        Scope.ALL: _("Remove everything from the caches"),
        Scope.EXPIRED: _("Remove what has expired from the caches"),
        Scope.IMAGE: _("Remove the image “%(name)s” from the caches"),
        Scope.COLLECTION: _("Remove the collection “%(name)s” from the caches"),
        Scope.STORE: _("Remove the store “%(name)s” from the caches"),
    }
    label = labels[Scope(scope)] % {"name": name}
    return f"{label} ({prefix}…)" if prefix else label
