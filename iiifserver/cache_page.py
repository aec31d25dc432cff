"""The cache page of the admin: what the caches spare, hold and cost, and the way to empty them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from caching.report import CacheReport, cache_report, report_of
from caching.totals import Totals
from iiifserver import cache_figures as figures
from iiifserver.cache_charts import SPANS, draw_charts
from images.admin.jobs import running_jobs
from images.admin.purging import may_purge, purge_choices


def cache_view(request: HttpRequest) -> HttpResponse:
    """For those who may see stores, whose names it tells. `span` is one of SPANS."""
    if not request.user.has_perm("images.view_store"):
        raise PermissionDenied
    span = request.GET.get("span", "24h")
    span = span if span in SPANS else "24h"
    report, problem = _report()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("Caches"),
        "problem": problem,
        "summary": figures.list_summary(report),
        "places": figures.list_places(report),
        "answers": figures.list_answers(report),
        "decodes": figures.list_decodes(report),
        "stores": figures.list_stores(report),
        "top": list(figures.list_top(report)),
        "span": span,
        "spans": {"24h": _("24 hours"), "30d": _("30 days")},
        "charts": draw_charts(span),
        "jobs": running_jobs(),
        "choices": purge_choices() if may_purge(request) else None,
    }
    response = TemplateResponse(request, "admin/cache.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _report() -> tuple[CacheReport, str]:
    """With what is wrong, if the statistics cannot be read: the rest of the page is of use all the same."""
    try:
        return cache_report(), ""
    except OSError as error:
        return report_of(Totals()), _("The statistics cannot be read: %(reason)s") % {"reason": error.strerror or error}
