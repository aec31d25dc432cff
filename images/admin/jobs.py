"""Jobs as curators watch them: how far they are, what failed, and how long it will take."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from images.admin.purging import purge_label
from images.models import Job, JobState
from images.services.jobs import job_cancel
from images.services.purging import KIND as PURGE
from images.templatetags.iiif_urls import grouped

ACTION_LABELS = {
    "reingest": _("Read the source again"),
    "restore": _("Back to the earlier source"),
    "refresh": _("Look whether the source has changed"),
    "purge": _("Remove from the cache"),
    "warm": _("Make all tiles"),
    "make_copy": _("Make service copies"),
    "remove_copy": _("Remove service copies"),
    "set_profile": _("Set compliance profile"),
    "move": _("Move to collection"),
}


def job_facts(job: Job) -> dict[str, Any]:
    """What the page of a job asks for while it runs; `seconds_left` is None where that cannot be told."""
    left = None
    if job.state == JobState.RUNNING and job.started and job.done and job.total:
        passed = (timezone.now() - job.started).total_seconds()
        left = round(passed / job.done * (job.total - job.done))
    return {
        "summary": job_summary(job),
        "state": job.state,
        "label": job.get_state_display(),
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "seconds_left": left,
        "reason": job.error_detail,
        "failures": job.detail.get("failures", []),
        "is_finished": job.is_finished,
    }


def job_label(job: Job) -> str:
    """What it does, in words."""
    parameters = job.parameters
    if job.kind == PURGE:
        label = purge_label(parameters["scope"], parameters["name"], parameters["prefix"])
        return str(_("%(what)s: count only") % {"what": label}) if parameters.get("dry_run") else label
    return str(ACTION_LABELS.get(parameters.get("action", ""), job.kind))


def job_summary(job: Job) -> str:
    """What came of it as a whole, if its kind says that."""
    if job.kind != PURGE or "bytes" not in job.detail:
        return ""
    would = _("%(bytes)s would be freed, in %(entries)s files and folders.")
    text = would if job.parameters.get("dry_run") else _("%(bytes)s were freed, in %(entries)s files and folders.")
    return text % {"bytes": filesizeformat(job.detail["bytes"]), "entries": grouped(job.detail["entries"])}


def running_jobs(most: int = 20) -> list[dict[str, Any]]:
    """Those that are not finished, newest first; one query."""
    jobs = Job.objects.filter(state__in=(JobState.PENDING, JobState.RUNNING)).order_by("-pk")[:most]
    return [
        {"pk": job.pk, "label": job_label(job), "state": job.get_state_display(), "done": job.done, "total": job.total}
        for job in jobs
    ]


@admin.register(Job)
class JobAdmin(admin.ModelAdmin[Job]):
    list_display = ("name", "badge", "progress", "failed", "created_by", "created", "finished")
    list_filter = ("state", "kind")
    list_select_related = ("created_by",)
    date_hierarchy = "created"
    list_per_page = 50

    class Media:
        css = {"all": ("images/css/admin.css",)}

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Job | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/state.json", wrap(self.state_view), name="images_job_state"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="images_job_cancel"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        _form_url: str = "",
        _extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self._job(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": self.name(job),
            "job": job,
            "facts": job_facts(job),
            "may_cancel": self._may_cancel(request, job),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/images/job/change.html", context)

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        response = JsonResponse(job_facts(self._job(request, str(pk))))
        response["Cache-Control"] = "no-store"
        return response

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self._job(request, str(pk))
        if request.method != "POST" or not self._may_cancel(request, job):
            raise PermissionDenied
        text = _("The job ends; what was done stays done.") if job_cancel(pk) else _("The job had ended already.")
        messages.info(request, text)
        return HttpResponseRedirect(reverse("admin:images_job_change", args=[pk]))

    def _job(self, request: HttpRequest, pk: str) -> Job:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = Job.objects.filter(pk=pk).first() if pk.isdecimal() else None
        if job is None:
            raise Http404
        return job

    @staticmethod
    def _may_cancel(request: HttpRequest, job: Job) -> bool:
        """Whoever began it, and whoever may change images."""
        return job.created_by_id == request.user.pk or request.user.has_perm("images.change_image")

    @admin.display(description=_("job"))
    def name(self, job: Job) -> str:
        return job_label(job)

    @admin.display(description=_("state"), ordering="state")
    def badge(self, job: Job) -> str:
        return format_html('<span class="image-state job-state-{}">{}</span>', job.state, job.get_state_display())

    @admin.display(description=_("progress"))
    def progress(self, job: Job) -> str:
        if not job.total:
            return "—"
        return format_html(
            '<progress max="{}" value="{}" aria-label="{}"></progress> {} / {}',
            job.total,
            job.done,
            _("progress"),
            job.done,
            job.total,
        )
