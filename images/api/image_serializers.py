"""Images as JSON, in and out."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from images.api.access import limited_to, may_see_sources, visible_collections
from images.api.addresses import image_links, thumbnail_uri
from images.models import Collection, Image, ImageCopyPolicy, ImageState, Profile, Store
from images.models.image import validate_identifier_field
from images.services.registration import SourceReference
from images.sources.errors import SourceNotAllowedError
from images.sources.location import key_segments

_MOST_METADATA = 500
_LARGEST = 2_147_483_647  # of a 32 bit column


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know: a misspelt field must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = sorted(str(name) for name in data if name not in known)
            if unknown:
                raise ValidationError(dict.fromkeys(unknown, "There is no such field."), code="unknown")
        return super().to_internal_value(data)


class SourceSerializer(StrictSerializer):
    """Where a source lies: `store` and `key`, or `url`."""

    store = serializers.CharField(required=False, max_length=100)
    key = serializers.CharField(required=False, max_length=1000, trim_whitespace=False)
    url = serializers.URLField(required=False, max_length=2000)

    def validate_url(self, url: str) -> str:
        if not url.lower().startswith(("http://", "https://")):
            raise ValidationError("Only http:// and https:// can be fetched.")
        return url

    def validate_key(self, key: str) -> str:
        try:
            key_segments(key)
        except SourceNotAllowedError as error:
            raise ValidationError(error.detail) from error
        return key

    def validate_store(self, name: str) -> Store:
        store = Store.objects.filter(name=name).first()
        if store is None:
            raise ValidationError(f"There is no store {name!r}.", code="unknown")
        return store

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if set(attrs) not in ({"store", "key"}, {"url"}):
            raise ValidationError("Name either a store and a key, or a URL.")
        return attrs


class MetadataSerializer(StrictSerializer):
    label = serializers.CharField(allow_blank=True, max_length=1000)  # type: ignore[assignment]
    value = serializers.CharField(allow_blank=True, max_length=10_000)


class ImageFieldsSerializer(StrictSerializer):
    """What a curator says of an image. What is left out of POST and PUT is empty, of PATCH as it was."""

    identifier = serializers.CharField(
        required=False, max_length=500, trim_whitespace=False, validators=[validate_identifier_field]
    )
    label = serializers.CharField(required=False, allow_blank=True, max_length=500)  # type: ignore[assignment]
    rights = serializers.URLField(required=False, allow_blank=True, max_length=500)
    attribution = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    metadata = serializers.ListField(child=MetadataSerializer(), required=False, max_length=_MOST_METADATA)
    collection = serializers.CharField(required=False, allow_null=True, max_length=100)
    profile = serializers.SlugRelatedField(
        slug_field="name", queryset=Profile.objects.all(), required=False, allow_null=True
    )
    max_width = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=_LARGEST)
    max_height = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=_LARGEST)
    max_area = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=_LARGEST**2)
    service_copy_policy = serializers.ChoiceField(required=False, choices=ImageCopyPolicy.choices)

    def validate_collection(self, name: str | None) -> Collection | None:
        if name is None:
            return None
        collection = visible_collections(self.context["request"]).filter(name=name).first()
        if collection is None:
            raise ValidationError(f"There is no collection {name!r}, or you may not use it.", code="unknown")
        return collection

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needs_one = limited_to(self.context["request"]) is not None
        if needs_one and attrs.get("collection") is None and ("collection" in attrs or not self.partial):
            raise ValidationError({"collection": "Your token needs one of its collections here."}, code="required")
        return attrs


class ImageInputSerializer(ImageFieldsSerializer):
    """A new image. Without `identifier` it is called after its source, so that the same source gives the same image."""

    source = SourceSerializer()  # type: ignore[assignment]


class ImageUploadSerializer(ImageFieldsSerializer):
    """The same with a file. In a form, `metadata` is JSON."""

    file = serializers.FileField(help_text="The image itself; its name is not kept.")


class ImagePutSerializer(ImageFieldsSerializer):
    source = SourceSerializer()  # type: ignore[assignment]


class ImagePatchSerializer(ImageFieldsSerializer):
    source = SourceSerializer(required=False)  # type: ignore[assignment]


class ImagePutUploadSerializer(ImageFieldsSerializer):
    file = serializers.FileField()


class ImagePatchUploadSerializer(ImageFieldsSerializer):
    file = serializers.FileField(required=False)


class SourceOutSerializer(serializers.Serializer[Any]):
    store = serializers.CharField(required=False)
    key = serializers.CharField(required=False)
    url = serializers.CharField(required=False)


class ErrorOutSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    technical = serializers.CharField(required=False, help_text="For those who may change the image.")


class TilingOutSerializer(serializers.Serializer[Any]):
    tile_width = serializers.IntegerField()
    tile_height = serializers.IntegerField()
    levels = serializers.IntegerField(help_text="Resolutions that are stored in the source.")
    bands = serializers.IntegerField()
    bits_per_sample = serializers.IntegerField()
    colour = serializers.CharField()


class LinksOutSerializer(serializers.Serializer[Any]):
    self = serializers.CharField()
    info = serializers.CharField()
    view = serializers.CharField()
    manifest = serializers.CharField()


class ImageSerializer(serializers.Serializer[Image]):
    """An image as it is now; the size, format and tiling are those of the version that is served."""

    identifier = serializers.CharField()
    uuid = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    collection = serializers.SerializerMethodField()
    profile = serializers.SerializerMethodField(help_text="Its own; that of its collection counts where it has none.")
    rights = serializers.CharField()
    attribution = serializers.CharField()
    metadata = MetadataSerializer(many=True)
    max_width = serializers.IntegerField(allow_null=True)
    max_height = serializers.IntegerField(allow_null=True)
    max_area = serializers.IntegerField(allow_null=True)
    service_copy_policy = serializers.ChoiceField(choices=ImageCopyPolicy.choices)
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=ImageState.choices)
    error = serializers.SerializerMethodField()
    shows_earlier_source = serializers.BooleanField(
        help_text="What is served is of the source before, since the new one is not read yet or cannot be."
    )
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    source_format = serializers.CharField()
    source_version = serializers.IntegerField(source="version")
    source_byte_size = serializers.IntegerField(allow_null=True)
    tiling = serializers.SerializerMethodField()
    thumbnail = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()
    created = serializers.DateTimeField()
    modified = serializers.DateTimeField()
    state_changed = serializers.DateTimeField()

    @property
    def _request(self) -> Request:
        request: Request = self.context["request"]
        return request

    @property
    def _sees_sources(self) -> bool:
        return may_see_sources(self._request)

    def get_profile(self, image: Image) -> str | None:
        return image.profile.name if image.profile else None

    def get_collection(self, image: Image) -> str | None:
        return image.collection.name if image.collection else None

    @extend_schema_field(SourceOutSerializer(allow_null=True))
    def get_source(self, image: Image) -> dict[str, str] | None:
        """Only for those who may change the image."""
        if not self._sees_sources:
            return None
        return {"url": image.url} if image.store is None else {"store": image.store.name, "key": image.key}

    @extend_schema_field(ErrorOutSerializer(allow_null=True))
    def get_error(self, image: Image) -> dict[str, str] | None:
        if not image.error_code:
            return None
        error = {"code": image.error_code, "detail": image.error_detail}
        return {**error, "technical": image.error_technical} if self._sees_sources else error

    @extend_schema_field(TilingOutSerializer(allow_null=True))
    def get_tiling(self, image: Image) -> dict[str, Any] | None:
        tiling = getattr(image, "tiling", None)
        if tiling is None or tiling.version != image.version:
            return None
        facts = {name: tiling.description.get(name) for name in ("bands", "bits_per_sample", "colour")}
        levels = len(tiling.description.get("levels", ()))
        return {"tile_width": tiling.tile_width, "tile_height": tiling.tile_height, "levels": levels, **facts}

    def get_thumbnail(self, image: Image) -> str | None:
        return thumbnail_uri(self._request, image.identifier) if self.get_tiling(image) else None

    @extend_schema_field(LinksOutSerializer)
    def get_links(self, image: Image) -> dict[str, str]:
        return image_links(self._request, image.identifier)


def source_reference(value: Mapping[str, Any]) -> SourceReference:
    """From what `SourceSerializer` has validated."""
    return SourceReference(store=value.get("store"), key=value.get("key", ""), url=value.get("url", ""))
