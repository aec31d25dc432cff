"""Batches as JSON, and their errors as a table."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.api.addresses import image_links, public_root
from images.api.image_serializers import MetadataSerializer, SourceSerializer, StrictSerializer
from images.models import Batch, BatchRow, BatchState, ImageState, RowState
from images.selectors.batches import BatchProgress, row_error

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class BatchOptionsSerializer(serializers.Serializer[Any]):
    """What holds for all rows; in the body beside `rows`, or in the address."""

    label = serializers.CharField(default="", allow_blank=True, max_length=200)  # type: ignore[assignment]
    store = serializers.CharField(
        default="", allow_blank=True, max_length=100, help_text="In which a source that is no URL is a key."
    )
    collection = serializers.CharField(
        default="", allow_blank=True, max_length=100, help_text="Of the rows that name none."
    )
    profile = serializers.CharField(
        default="", allow_blank=True, max_length=100, help_text="The compliance profile of all rows; empty: none."
    )
    replace = serializers.BooleanField(
        default=False, help_text="Another source of a known identifier takes its place, instead of being an error."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Check only.")


class RowInputSerializer(StrictSerializer):
    """A row, for the schema; rows are checked all together elsewhere."""

    identifier = serializers.CharField(max_length=500)
    source = SourceSerializer()  # type: ignore[assignment]
    label = serializers.CharField(required=False, allow_blank=True, max_length=500)  # type: ignore[assignment]
    rights = serializers.URLField(required=False, allow_blank=True, max_length=500)
    attribution = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    metadata = MetadataSerializer(many=True, required=False)
    collection = serializers.CharField(required=False, allow_blank=True, max_length=100)


class BatchInputSerializer(BatchOptionsSerializer):
    rows = RowInputSerializer(many=True)


class CheckedSerializer(serializers.Serializer[Any]):
    """What a dry run found."""

    dry_run = serializers.BooleanField()
    total = serializers.IntegerField()
    new = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    moved = serializers.IntegerField(help_text="With another source than the one that is registered.")


class ProgressSerializer(serializers.Serializer[BatchProgress]):
    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    ready = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    undone = serializers.IntegerField()
    gone = serializers.IntegerField(help_text="Images that were removed later.")
    rate = serializers.FloatField(allow_null=True, help_text="Images read a second.")
    seconds_left = serializers.IntegerField(allow_null=True)


class RowSerializer(serializers.Serializer[BatchRow]):
    row = serializers.IntegerField(source="number")
    identifier = serializers.CharField()
    state = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    image = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=["waiting", *ImageState.values, *RowState.values]))
    def get_state(self, row: BatchRow) -> str:
        """That of the image, once there is one."""
        if row.state == RowState.DONE:
            return "gone" if row.image is None else row.image.state
        return "failed" if row.state == RowState.REFUSED else row.state

    @extend_schema_field(serializers.DictField(child=serializers.CharField(), allow_null=True))
    def get_error(self, row: BatchRow) -> Mapping[str, str] | None:
        return row_error(row)

    def get_image(self, row: BatchRow) -> str | None:
        return None if row.image is None else image_links(self.context["request"], row.image.identifier)["self"]


class BatchSerializer(serializers.Serializer[Batch]):
    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=BatchState.choices)
    created = serializers.DateTimeField()
    created_by = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    def get_created_by(self, batch: Batch) -> str | None:
        return batch.created_by.get_username() if batch.created_by else None

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, batch: Batch) -> Mapping[str, Any]:
        return ProgressSerializer(self.context["progress"][batch.pk]).data

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_links(self, batch: Batch) -> Mapping[str, str]:
        root = f"{public_root(self.context['request'])}/api/v1/batches/{batch.pk}/"
        return {"self": root, "rows": f"{root}rows/", "errors": f"{root}errors/"}


class BatchDetailSerializer(BatchSerializer):
    failed_rows = serializers.SerializerMethodField()

    @extend_schema_field(RowSerializer(many=True))
    def get_failed_rows(self, _batch: Batch) -> Sequence[Any]:
        """The first of them; all are in `links.rows` and, as a table, in `links.errors`."""
        rows: Sequence[Any] = RowSerializer(self.context["failed_rows"], many=True, context=self.context).data  # type: ignore[assignment]
        return rows


def error_table(rows: Iterable[tuple[int, str, str, str, str]]) -> str:
    """Row, identifier, field, code, reason as CSV. No cell is a formula to a spreadsheet."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["row", "identifier", "field", "code", "detail"])
    for row in rows:
        writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row])
    return out.getvalue()
