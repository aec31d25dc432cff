"""/api/v1/images/{identifier}/refresh/ and the like: what can be asked to happen to an image. POST only."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from images.api.access import Need, visible_images
from images.api.cache_serializers import FreedSerializer
from images.api.image_serializers import ImageSerializer, StrictSerializer
from images.api.image_views import CHANGE, IDENTIFIER, UploadingView
from images.api.parsers import JSONParser
from images.models import Image, TokenScope
from images.queue import enqueue
from images.selectors.images import ImageNotFoundError
from images.services.audit import image_note_action
from images.services.invalidation import image_invalidate
from images.services.registration import image_reingest, image_restore_source
from images.services.seed_options import parse_options
from images.services.seed_sinks import SeedError

_QUEUED = {202: OpenApiResponse(ImageSerializer, "It is queued.")}
_MOST_FACTORS = 32


class ActionView(UploadingView):
    """Something that is done to one image."""

    parser_classes = (JSONParser,)
    name: ClassVar[str]

    def image(self, request: Request, identifier: str) -> Image:
        image = visible_images(request, Image.objects.all()).filter(identifier=identifier).first()
        if image is None:
            raise ImageNotFoundError(identifier)
        return image


class RefreshView(ActionView):
    """Has the source changed?"""

    name = "refresh"
    needs: ClassVar[Mapping[str, Need]] = {"POST": CHANGE}

    @extend_schema(operation_id="images_refresh", parameters=[IDENTIFIER], request=None, responses=_QUEUED)
    def post(self, request: Request, identifier: str) -> Response:
        """Look whether the source has changed, and read it anew if so."""
        image = self.image(request, identifier)
        enqueue("images.refresh", image.pk)
        image_note_action(request.user, image, self.name)
        return self.answer(request, image, 202)


class ReingestView(ActionView):
    """Read it again, whatever its state."""

    name = "reingest"
    needs: ClassVar[Mapping[str, Need]] = {"POST": CHANGE}

    @extend_schema(operation_id="images_reingest", parameters=[IDENTIFIER], request=None, responses=_QUEUED)
    def post(self, request: Request, identifier: str) -> Response:
        """Read the source again, whatever the state: this is the retry of an image that failed."""
        image = self.image(request, identifier)
        image_reingest(image.pk)
        image_note_action(request.user, image, self.name)
        return self.answer(request, image, 202)


class RestoreView(ActionView):
    """Back to the source that is still shown."""

    name = "restore"
    needs: ClassVar[Mapping[str, Need]] = {"POST": CHANGE}

    @extend_schema(operation_id="images_restore", parameters=[IDENTIFIER], request=None, responses=ImageSerializer)
    def post(self, request: Request, identifier: str) -> Response:
        """Take back a replacement: the record names again the source that is still shown. 409 where none is."""
        image = self.image(request, identifier)
        image = image_restore_source(image.pk)
        image_note_action(request.user, image, self.name)
        return self.answer(request, image, 200)


class SeedSerializer(StrictSerializer):
    scale_factors = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=1 << 20),
        required=False,
        max_length=_MOST_FACTORS,
        help_text="Powers of two; those of info.json where there are none.",
    )
    format = serializers.CharField(default="jpg", max_length=10)
    quality = serializers.CharField(default="default", max_length=20)
    refresh = serializers.BooleanField(default=False, help_text="Make again what is there.")


class SeedView(ActionView):
    """Make its tiles ahead."""

    name = "seed"
    needs: ClassVar[Mapping[str, Need]] = {"POST": CHANGE}

    @extend_schema(operation_id="images_seed", parameters=[IDENTIFIER], request=SeedSerializer, responses=_QUEUED)
    def post(self, request: Request, identifier: str) -> Response:
        """Make the tiles ahead and keep them in the cache."""
        image = self.image(request, identifier)
        serializer = SeedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked: dict[str, Any] = serializer.validated_data
        factors = ",".join(str(factor) for factor in asked.get("scale_factors", ()))
        try:
            parse_options(factors, asked["format"], asked["quality"], refresh=asked["refresh"])
        except SeedError as error:
            raise ValidationError(str(error)) from error
        enqueue("images.seed", image.pk, factors, asked["format"], asked["quality"], "yes" if asked["refresh"] else "")
        image_note_action(request.user, image, "warm")
        return self.answer(request, image, 202)


class InvalidateView(ActionView):
    """Forget what was made of it."""

    name = "invalidate"
    needs: ClassVar[Mapping[str, Need]] = {"POST": Need(TokenScope.PURGE, "images.purge_cache")}

    @extend_schema(
        operation_id="images_invalidate", parameters=[IDENTIFIER], request=None, responses={200: FreedSerializer}
    )
    def post(self, request: Request, identifier: str) -> Response:
        """Remove what the caches hold of the image; it is made again when it is asked for."""
        image = self.image(request, identifier)
        freed = image_invalidate(image)
        image_note_action(request.user, image, "purge")
        return Response(FreedSerializer(freed).data)
