from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from images.iiif.extras import ExtraPropertyError, parse_extras
from images.iiif.features import Feature
from images.iiif.output import OutputFormat, Quality
from images.iiif.thumbnails import MAX_BOX

_HTTP_FEATURES = frozenset({Feature.CORS, Feature.JSONLD_MEDIA_TYPE, Feature.PROFILE_LINK_HEADER})
_ALWAYS_FEATURES = _HTTP_FEATURES | {Feature.BASE_URI_REDIRECT, Feature.CANONICAL_LINK_HEADER}

SWITCHABLE_FEATURES = tuple(sorted(frozenset(Feature) - _ALWAYS_FEATURES))
"""Those that belong to a parameter of the URL; the others belong to the way in which the server speaks HTTP."""

_at_least_one = MinValueValidator(1)
_percent = [MinValueValidator(1), MaxValueValidator(100)]


class ProfileLayerPolicy(models.TextChoices):
    """Which quality layers of JPEG 2000 are decoded at reduced sizes."""

    AS_SETTINGS = "", _("As the server is configured")
    ALL = "all", _("All of them")
    REDUCED = "reduced", _("Fewer where the difference is hard to see")


def validate_features(value: object) -> None:
    """A list of features that can be switched off."""
    _validate_names(value, SWITCHABLE_FEATURES, _("features"))


def validate_qualities(value: object) -> None:
    """A list of qualities; `default` is always there."""
    _validate_names(value, tuple(Quality), _("qualities"))


def validate_formats(value: object) -> None:
    """A list of output formats; `jpg` is always there."""
    _validate_names(value, tuple(OutputFormat), _("formats"))


def validate_thumbnail_sizes(value: object) -> None:
    """A list of sides in pixels."""
    sides = value if isinstance(value, list) else [None]
    if any(type(side) is not int or not 1 <= side <= MAX_BOX for side in sides):
        message = _("This is a list of whole numbers from 1 to %(most)d.")
        raise ValidationError(message, code="sizes", params={"most": MAX_BOX})


def validate_extras(value: object) -> None:
    """Additions to info.json that say nothing that the server says itself."""
    try:
        parse_extras(value)
    except ExtraPropertyError as error:
        raise ValidationError(str(error), code="extras") from error


def _validate_names(value: object, known: Iterable[str], what: Any) -> None:
    names = [str(name) for name in known]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValidationError(_("This is a list of names."), code="list")
    unknown = sorted(set(value) - set(names))
    if unknown:
        message = _("%(unknown)s: there are no such %(what)s. There are %(known)s.")
        facts = {"unknown": ", ".join(unknown), "what": what, "known": ", ".join(sorted(names))}
        raise ValidationError(message, code="unknown", params=facts)


class Profile(models.Model):
    """Compliance settings: what of the Image API is answered, how large, and how it is encoded.

    A profile narrows what the server is configured for and never widens it. An empty `qualities` or `formats` means all
    that are configured. An image has its own profile, else that of its collection, else the default one, else what the
    settings say.
    """

    name = models.SlugField(_("name"), unique=True, max_length=100)
    label = models.CharField(_("label"), max_length=500, blank=True)
    is_default = models.BooleanField(
        _("default"), default=False, help_text=_("Holds for every image that has no other, nor has its collection.")
    )
    disabled_features = models.JSONField(
        _("features that are switched off"),
        default=list,
        blank=True,
        validators=[validate_features],
        help_text=_("Answered with 501, and not in info.json."),
    )
    qualities = models.JSONField(_("qualities"), default=list, blank=True, validators=[validate_qualities])
    formats = models.JSONField(_("formats"), default=list, blank=True, validators=[validate_formats])
    max_width = models.PositiveIntegerField(_("maximum width"), null=True, blank=True, validators=[_at_least_one])
    max_height = models.PositiveIntegerField(_("maximum height"), null=True, blank=True, validators=[_at_least_one])
    max_area = models.PositiveBigIntegerField(_("maximum area"), null=True, blank=True, validators=[_at_least_one])
    tile_size = models.PositiveIntegerField(
        _("tile size"),
        null=True,
        blank=True,
        validators=[MinValueValidator(128), MaxValueValidator(2048)],
        help_text=_("Pixels a side, 128 to 2048. Empty: the source's own tiles, or as configured."),
    )
    thumbnail_sizes = models.JSONField(
        _("thumbnail sizes"),
        null=True,
        blank=True,
        validators=[validate_thumbnail_sizes],
        help_text=_("Sides of boxes in pixels, up to 2048. Null: as configured; an empty list: none are made."),
    )
    jpeg_quality = models.PositiveSmallIntegerField(_("JPEG quality"), null=True, blank=True, validators=_percent)
    webp_quality = models.PositiveSmallIntegerField(_("WebP quality"), null=True, blank=True, validators=_percent)
    layer_policy = models.CharField(
        _("quality layers"),
        max_length=10,
        blank=True,
        choices=ProfileLayerPolicy,
        default=ProfileLayerPolicy.AS_SETTINGS,
    )
    rights = models.URLField(
        _("rights"), max_length=500, blank=True, help_text=_("For images that name none themselves.")
    )
    attribution = models.CharField(_("attribution"), max_length=1000, blank=True)
    information = models.JSONField(
        _("additions to info.json"),
        default=dict,
        blank=True,
        validators=[validate_extras],
        help_text=_("Services and further properties, as JSON."),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("compliance profile")
        verbose_name_plural = _("compliance profiles")
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="one_default_profile",
                violation_error_message=_("Another profile is the default already."),
            ),
            models.CheckConstraint(
                name="profile_max_height_needs_max_width",
                condition=Q(max_height__isnull=True) | Q(max_width__isnull=False),
                violation_error_message=_("A maximum height needs a maximum width (Image API 3.0, section 5.3)."),
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.name
