"""Caches as JSON."""

from typing import Any

from rest_framework import serializers

from images.api.image_serializers import StrictSerializer
from images.models import Job, JobState


class FreedSerializer(serializers.Serializer[Any]):
    """What was, or with a dry run would be, freed."""

    bytes = serializers.IntegerField(help_text="As allocated on disk.")
    entries = serializers.IntegerField(help_text="Files and folders.")


class PurgeSerializer(StrictSerializer):
    """What is to go: one of the scopes, with the name that it asks for."""

    scope = serializers.ChoiceField(choices=["all", "expired", "identifier", "collection", "source"])
    identifier = serializers.CharField(required=False, max_length=500, trim_whitespace=False)
    collection = serializers.CharField(required=False, max_length=100)
    store = serializers.CharField(required=False, max_length=100, help_text="With the scope `source`.")
    prefix = serializers.CharField(
        required=False, allow_blank=True, max_length=1000, help_text="Of the keys in the store."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only say what would be freed.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {"source": "store"}.get(attrs["scope"], attrs["scope"])
        if named in {"identifier", "collection", "store"} and not attrs.get(named):
            raise serializers.ValidationError({named: "This scope needs it."}, code="required")
        others = {"identifier", "collection", "store", "prefix"} - {named, "prefix" if named == "store" else ""}
        extra = sorted(others & set(attrs))
        if extra:
            raise serializers.ValidationError({extra[0]: "This scope has no use for it."}, code="invalid")
        return attrs


class PurgedSerializer(FreedSerializer):
    images = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Images of which not all could be removed.")


class PurgeJobSerializer(serializers.Serializer[Job]):
    id = serializers.IntegerField(source="pk")
    state = serializers.ChoiceField(choices=JobState.choices)
    total = serializers.IntegerField(help_text="Images.")
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    detail = serializers.DictField(help_text="What was freed, once it is done.")
    error_detail = serializers.CharField()


class AmountSerializer(serializers.Serializer[Any]):
    bytes = serializers.IntegerField()
    entries = serializers.IntegerField()


class UsageSerializer(serializers.Serializer[Any]):
    held = AmountSerializer()
    budget = AmountSerializer()
    measured = serializers.BooleanField(help_text="False while it is known in part only.")


class AnswersSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    byte_size = serializers.IntegerField()
    p50_seconds = serializers.FloatField(allow_null=True)
    p95_seconds = serializers.FloatField(allow_null=True)


class TopSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    requests = serializers.IntegerField()
    byte_size = serializers.IntegerField()


class CacheSerializer(serializers.Serializer[Any]):
    """What the first tier holds, and what this host has counted since its statistics began."""

    usage = UsageSerializer()
    processes = serializers.IntegerField()
    hit_share = serializers.FloatField(allow_null=True, help_text="Of answers with pixels: those without a decoder.")
    answers = serializers.DictField(child=AnswersSerializer(), help_text="By outcome.")
    events = serializers.DictField(child=serializers.IntegerField(), source="cache")
    sources = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()), help_text="By store."
    )
    top = TopSerializer(many=True, help_text="The images that are asked for most.")
