"""Batches as curators work with them: checked as a whole, begun, watched, tried again, cancelled and undone."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from images.admin.batch_facts import (
    batch_facts,
    column_of,
    ended_rows,
    right_rows,
    row_as_written,
    row_facts,
    table_response,
    wrong_rows_response,
)
from images.admin.batch_forms import BatchForm
from images.models import Batch, BatchState, Collection, Image, RowState, Store
from images.selectors.batches import list_progress, list_rows, row_error
from images.selectors.paging import KeysFirstPaginator
from images.services.batch_rows import Checked, rows_check
from images.services.batch_tables import wrong_rows_table
from images.services.batches import batch_cancel, batch_create, batch_retry, batch_undo

_SHOWN_ERRORS = 200
_SHOWN_ROWS = 100
_KEPT_TEXT = 2_000_000
"""Characters that come back in the form: it must be smaller than DATA_UPLOAD_MAX_MEMORY_SIZE when it is sent again."""

_STATES = {
    "": _("All"),
    "pending": _("Waiting"),
    "ready": _("Ready"),
    "failed": _("Failed"),
    "cancelled": _("Cancelled"),
    "undone": _("Undone"),
}


class BatchList(ChangeList):
    """Counts the rows of a page's batches together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        batches = list(self.result_list)
        progress = list_progress(batches)
        for batch in batches:
            batch.progress = progress[batch.pk]
        self.result_list = batches


@admin.register(Batch)
class BatchAdmin(admin.ModelAdmin[Batch]):
    list_display = ("name", "badge", "bar", "failed", "created_by", "begun")
    list_filter = ("state", ("created", admin.DateFieldListFilter))
    search_fields = ("label", "created_by__username")
    list_select_related = ("created_by",)
    list_per_page = 20
    show_full_result_count = False
    actions = None

    class Media:
        css = {"all": ("images/css/admin.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return BatchList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and request.user.has_perm("images.add_image")

    def has_change_permission(self, _request: HttpRequest, _obj: Batch | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Batch | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/state.json", wrap(self.state_view), name="images_batch_state"),
            path("<uuid:pk>/errors.csv", wrap(self.errors_view), name="images_batch_errors"),
            path("<uuid:pk>/cancel/", wrap(self.cancel_view), name="images_batch_cancel"),
            path("<uuid:pk>/retry/", wrap(self.retry_view), name="images_batch_retry"),
            path("<uuid:pk>/undo/", wrap(self.undo_view), name="images_batch_undo"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, _form_url: str = "", _extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Checks what was sent; begins it where that was asked for and all is right, or what is wrong is left out."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        may_replace = request.user.has_perm("images.change_image")
        if request.method != "POST":
            return self._form(request, BatchForm(may_replace=may_replace))
        form = BatchForm(request.POST, request.FILES, may_replace=may_replace)
        if not form.is_valid():
            return self._form(request, form, status=400)
        chosen = form.cleaned_data
        replaces = bool(chosen.get("replaces"))
        checked = rows_check(form.raw, form.defaults, Image.objects.all(), replaces=replaces)
        if "download" in request.POST:
            return wrong_rows_response(form, checked)
        rows = checked.rows if not checked.errors else right_rows(checked)
        begins = "begin" in request.POST
        if begins and checked.errors and not chosen["leaves_out"]:
            messages.error(request, _("Nothing was begun: correct the wrong rows, or choose to leave them out."))
            begins = False
        if not begins or not rows:
            return self._form(request, form, checked)
        user: Any = request.user
        batch = batch_create(rows, label=form.name, replaces=replaces, user=user)
        text = ngettext("%d row is being worked on.", "%d rows are being worked on.", len(rows)) % len(rows)
        messages.success(request, text)
        return _to(batch)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        _form_url: str = "",
        _extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        batch = self._batch(request, object_id)
        state = request.GET.get("state", "")
        state = state if state in _STATES else ""
        page = KeysFirstPaginator(list_rows(batch, state), _SHOWN_ROWS).get_page(request.GET.get("p"))
        context = {
            "title": str(batch),
            "batch": batch,
            "facts": batch_facts(batch),
            "may_act": self._may_act(request),
            "may_undo": request.user.has_perm("images.delete_image")
            and batch.state not in (BatchState.UNDOING, BatchState.UNDONE),
            "page": page,
            "rows": [row_facts(row) for row in page.object_list],
            "state": state,
            "states": _STATES.items(),
        }
        return self._page(request, "change.html", context)

    def state_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        response = JsonResponse(batch_facts(self._batch(request, pk)))
        response["Cache-Control"] = "no-store"
        return response

    def errors_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """What has failed, to be corrected and sent again."""
        rows = list_rows(self._batch(request, pk), "failed")
        stores = dict(Store.objects.values_list("pk", "name"))
        collections = dict(Collection.objects.values_list("pk", "name"))
        return table_response(
            wrong_rows_table(
                (row.number, row_as_written(row, stores, collections), (row_error(row) or {}).get("detail", ""))
                for row in rows.iterator(chunk_size=500)
            )
        )

    def cancel_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        batch = self._act_on(request, pk, may=self._may_act(request))
        count = batch_cancel(batch)
        text = ngettext("%d row is left out.", "%d rows are left out.", count) % count
        messages.info(request, text)
        return _to(batch)

    def retry_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        batch = self._act_on(request, pk, may=self._may_act(request))
        count = batch_retry(batch)
        text = ngettext("%d row is tried once more.", "%d rows are tried once more.", count) % count
        messages.info(request, text)
        return _to(batch)

    def undo_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """GET asks, POST removes."""
        batch = self._batch(request, pk)
        if not request.user.has_perm("images.delete_image"):
            raise PermissionDenied
        if request.method == "POST":
            batch_undo(batch)
            messages.info(request, _("The batch is being undone."))
            return _to(batch)
        total = batch.rows.filter(state=RowState.DONE, made=True, image__isnull=False).count()
        return self._page(request, "undo.html", {"title": _("Undo the batch"), "batch": batch, "total": total})

    def _form(
        self, request: HttpRequest, form: BatchForm, checked: Checked | None = None, status: int = 200
    ) -> HttpResponse:
        context: dict[str, Any] = {"title": _("New batch"), "form": form, "checked": checked}
        if checked is not None:
            wrong = {error.row for error in checked.errors}
            is_kept = len(form.text) <= _KEPT_TEXT
            sent = request.POST.copy()
            sent["rows"] = form.text if is_kept else ""
            sent["label"] = form.name
            form.data = sent
            context |= {
                "is_kept": is_kept,
                "total": len(form.raw),
                "wrong": len(wrong),
                "right": len(form.raw) - len(wrong),
                "errors": [(error, column_of(error)) for error in checked.errors[:_SHOWN_ERRORS]],
                "more_errors": max(0, len(checked.errors) - _SHOWN_ERRORS),
            }
        return self._page(request, "add.html", context, status)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/images/batch/{name}", whole, status=status)

    def _batch(self, request: HttpRequest, pk: Any) -> Batch:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            batch = Batch.objects.select_related("created_by").filter(pk=pk).first()
        except ValidationError as error:  # no UUID
            raise Http404 from error
        if batch is None:
            raise Http404
        return batch

    def _act_on(self, request: HttpRequest, pk: Any, *, may: bool) -> Batch:
        batch = self._batch(request, pk)
        if request.method != "POST" or not may:
            raise PermissionDenied
        return batch

    @staticmethod
    def _may_act(request: HttpRequest) -> bool:
        return request.user.has_perm("images.add_batch")

    @admin.display(description=_("batch"))
    def name(self, batch: Batch) -> str:
        return str(batch)

    @admin.display(description=_("state"), ordering="state")
    def badge(self, batch: Batch) -> str:
        return format_html('<span class="image-state">{}</span>', batch.get_state_display())

    @admin.display(description=_("progress"))
    def bar(self, batch: Any) -> str:
        ended = ended_rows(batch.progress)
        bar = '<progress max="{}" value="{}" aria-label="{}"></progress> {} / {}'
        return format_html(bar, batch.total or 1, ended, _("progress"), ended, batch.total)

    @admin.display(description=_("created"), ordering="created")
    def begun(self, batch: Batch) -> str:
        return date_format(timezone.localtime(batch.created), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("failed"))
    def failed(self, batch: Any) -> int:
        return int(batch.progress.failed)


def _to(batch: Batch) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:images_batch_change", args=[batch.pk]))
