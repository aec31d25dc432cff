"""/api/v1/batches/: thousands of images at once."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need, limited_to, may, visible_images
from images.api.addresses import public_root
from images.api.batch_serializers import (
    BatchDetailSerializer,
    BatchInputSerializer,
    BatchOptionsSerializer,
    BatchSerializer,
    CheckedSerializer,
    RowSerializer,
    error_table,
)
from images.api.image_views import CHANGE, DELETE
from images.api.paging import Pages
from images.api.parsers import CSVParser, JSONParser
from images.api.problems import ApiError, problem
from images.api.views import RecordView
from images.conf import conf
from images.models import ApiToken, Batch, BatchRow, Image, TokenScope
from images.selectors.batches import list_progress, list_rows, row_error
from images.services.batch_rows import Checked, Defaults, defaults_problems, rows_check
from images.services.batch_tables import RawRow, TableError, rows_from_csv, rows_from_json
from images.services.batches import batch_cancel, batch_create, batch_retry, batch_undo

READ = Need(TokenScope.READ, "images.view_batch")
ADD = Need(TokenScope.WRITE, "images.add_batch")
ADD_IMAGES = Need(TokenScope.WRITE, "images.add_image")

_SHOWN = 100
"""Failed rows in a batch itself."""

_STATES = ("pending", "ready", "failed", "cancelled", "undone")


class BatchPages(Pages):
    """Fewer: the rows of each are counted."""

    def get_page_size(self, request: Request) -> int | None:
        return min(super().get_page_size(request) or 1, 20)


def visible_batches(request: Request) -> QuerySet[Batch]:
    """All; to a token that is limited to collections, those that were sent with it."""
    batches = Batch.objects.select_related("created_by")
    token = request.auth
    return batches if limited_to(request) is None else batches.filter(token__pk=getattr(token, "pk", 0))


def find_batch(request: Request, pk: UUID) -> Batch:
    batch = visible_batches(request).filter(pk=pk).first()
    if batch is None:
        raise Http404
    return batch


def batch_body(request: Request, batch: Batch) -> Mapping[str, Any]:
    context = {
        "request": request,
        "progress": list_progress([batch]),
        "failed_rows": list_rows(batch, "failed")[:_SHOWN],
    }
    return BatchDetailSerializer(batch, context=context).data


class BatchListView(GenericAPIView[Batch], RecordView):
    """All batches, and the way to send one."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ, "POST": ADD}
    parser_classes = (JSONParser, CSVParser)
    pagination_class = BatchPages
    serializer_class = BatchSerializer
    queryset = Batch.objects.none()

    @extend_schema(operation_id="batches_list", responses=BatchSerializer(many=True))
    def get(self, request: Request) -> Response:
        """A page of batches, the newest first."""
        page = self.paginate_queryset(visible_batches(request)) or []
        context = {"request": request, "progress": list_progress(page)}
        serialized: Any = BatchSerializer(page, many=True, context=context)  # type: ignore[arg-type]
        return self.get_paginated_response(serialized.data)

    @extend_schema(
        operation_id="batches_create",
        parameters=[BatchOptionsSerializer],
        request={"application/json": BatchInputSerializer, "text/csv": OpenApiTypes.STR},
        responses={
            200: OpenApiResponse(CheckedSerializer, "A dry run: what would be done."),
            202: OpenApiResponse(BatchDetailSerializer, "All rows are right; a worker registers them."),
        },
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Send a list of images, as JSON or as a table. Either all rows are right, or nothing is done."""
        if not may(request, ADD_IMAGES):
            raise PermissionDenied
        options, raw = self._read(request)
        if options["replace"] and not may(request, CHANGE):
            raise PermissionDenied
        defaults = Defaults(options["store"], options["collection"], limited_to(request), profile=options["profile"])
        wrong = defaults_problems(defaults)
        if wrong:
            raise ValidationError(dict(wrong), code="unknown")
        seen = visible_images(request, Image.objects.all())
        checked = rows_check(raw, defaults, seen, replaces=options["replace"])
        if checked.errors:
            return _refusal(request, checked, len(raw))
        if options["dry_run"]:
            counts = {"new": checked.new, "unchanged": checked.unchanged, "moved": checked.moved}
            return Response({"dry_run": True, "total": len(raw), **counts})
        user: Any = request.user
        token = request.auth if isinstance(request.auth, ApiToken) else None
        batch = batch_create(checked.rows, label=options["label"], replaces=options["replace"], user=user, token=token)
        location = f"{public_root(request)}/api/v1/batches/{batch.pk}/"
        batch = find_batch(request, batch.pk)
        return Response(batch_body(request, batch), status=202, headers={"Location": location})

    def _read(self, request: Request) -> tuple[dict[str, Any], list[RawRow]]:
        """The options and the rows. Raises ValidationError, ApiError."""
        data: Any = request.data
        given: dict[str, Any] = {name: request.query_params[name] for name in request.query_params}
        rows: Any = data
        if isinstance(data, Mapping):
            given |= {name: value for name, value in data.items() if name != "rows"}
            rows = data.get("rows")
        options = BatchOptionsSerializer(data=given)
        options.is_valid(raise_exception=True)
        try:
            raw = rows_from_csv(rows) if isinstance(rows, str) else rows_from_json(rows)
        except TableError as error:
            raise ValidationError({"rows": str(error)}, code="invalid") from error
        if not raw:
            raise ValidationError({"rows": "There are none."}, code="required")
        if len(raw) > conf.batch_max_rows:
            detail = f"A batch has at most {conf.batch_max_rows:,} rows, and these are {len(raw):,}."
            raise ApiError(413, "too_many_rows", detail)
        return options.validated_data, raw


class BatchView(RecordView):
    """One batch."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ}

    @extend_schema(operation_id="batches_retrieve", responses=BatchDetailSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """How far it is, and what has failed."""
        return Response(batch_body(request, find_batch(request, pk)))


class BatchRowsView(GenericAPIView[BatchRow], RecordView):
    """The rows of a batch."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ}
    pagination_class = Pages
    serializer_class = RowSerializer
    queryset = BatchRow.objects.none()

    @extend_schema(
        operation_id="batches_rows",
        parameters=[OpenApiParameter("state", str, enum=_STATES)],
        responses=RowSerializer(many=True),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """A page of the rows."""
        state = request.query_params.get("state", "")
        if state and state not in _STATES:
            raise ValidationError({"state": f"It is one of {', '.join(_STATES)}."}, code="invalid")
        page = self.paginate_queryset(list_rows(find_batch(request, pk), state)) or []
        serialized: Any = RowSerializer(page, many=True, context={"request": request})  # type: ignore[arg-type]
        return self.get_paginated_response(serialized.data)


class BatchErrorsView(RecordView):
    """What has failed, for a spreadsheet."""

    needs: ClassVar[Mapping[str, Need]] = {"GET": READ}

    @extend_schema(operation_id="batches_errors", responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        """The rows that failed, with reasons, as CSV."""
        rows = list_rows(find_batch(request, pk), "failed")
        errors = [(row, row_error(row) or {}) for row in rows]
        return _table(
            error_table((r.number, r.identifier, "", e.get("code", ""), e.get("detail", "")) for r, e in errors)
        )


class BatchActionView(RecordView):
    """Something that is done to a batch."""

    def answer(self, request: Request, pk: UUID) -> Response:
        return Response(batch_body(request, find_batch(request, pk)), status=202)


class BatchRetryView(BatchActionView):
    needs: ClassVar[Mapping[str, Need]] = {"POST": ADD}

    @extend_schema(operation_id="batches_retry", request=None, responses={202: BatchDetailSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Try the failed rows once more."""
        batch_retry(find_batch(request, pk))
        return self.answer(request, pk)


class BatchCancelView(BatchActionView):
    needs: ClassVar[Mapping[str, Need]] = {"POST": ADD}

    @extend_schema(operation_id="batches_cancel", request=None, responses={202: BatchDetailSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Register no more of its rows. Images that are registered already stay."""
        batch_cancel(find_batch(request, pk))
        return self.answer(request, pk)


class BatchUndoView(BatchActionView):
    needs: ClassVar[Mapping[str, Need]] = {"POST": DELETE}

    @extend_schema(operation_id="batches_undo", request=None, responses={202: BatchDetailSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Remove the images that it has made and that still have the source it gave them."""
        batch_undo(find_batch(request, pk))
        return self.answer(request, pk)


def _refusal(request: Request, checked: Checked, total: int) -> HttpResponse:
    """All that is wrong, at once; as a table where one is asked for."""
    if "text/csv" in request.META.get("HTTP_ACCEPT", ""):
        table = error_table((e.row, e.identifier, e.field, e.code, e.detail) for e in checked.errors)
        return _table(table, status=400)
    errors = [
        {"row": e.row, "identifier": e.identifier, "field": e.field, "code": e.code, "detail": e.detail}
        for e in checked.errors
    ]
    wrong = len({error.row for error in checked.errors})
    detail = f"{wrong:,} of {total:,} rows are not valid; nothing was registered."
    return problem(400, "invalid_rows", detail, errors=errors)


def _table(text: str, status: int = 200) -> HttpResponse:
    response = HttpResponse(text, status=status, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="errors.csv"'
    return response
