import uuid

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from images.iiif.errors import IIIFError
from images.iiif.identifiers import validate_identifier
from images.models.collection import Collection
from images.models.store import Store

_RESERVED_STARTS = frozenset({"2", "3", "presentation"})


class ImageState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    PROCESSING = "processing", _("Being read")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


_no_null = ProhibitNullCharactersValidator()
_at_least_one = MinValueValidator(1)


def validate_identifier_field(value: str) -> None:
    """An identifier that every address of the server can name (images.iiif.path, iiifserver.urls)."""
    try:
        validate_identifier(value)
    except IIIFError as error:
        raise ValidationError(str(error), code=error.code) from error
    if value.split("/", maxsplit=1)[0] in _RESERVED_STARTS or value.rsplit("/", maxsplit=1)[-1] == "info.json":
        detail = _("An identifier cannot begin with 2/, 3/ or presentation/ and not end in info.json.")
        raise ValidationError(detail, code="reserved")


def validate_metadata(value: object) -> None:
    """Rows of a label and a value, as manifests and pages show them."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ValidationError(_("Metadata is a list of rows with a label and a value."))
    for row in value:
        if set(row) != {"label", "value"} or not all(isinstance(text, str) for text in row.values()):
            raise ValidationError(_("Each row of the metadata has a label and a value, both texts."))
        for text in row.values():
            _no_null(text)


class Image(models.Model):
    """The record of one image: how it is called, where its source lies, and what is known of it.

    `version` counts the versions of the source that were indexed, from 1; 0 means that none was yet. The facts of the
    current version (size, format) are repeated here from its `Tiling` so that lists need no join.
    """

    uuid = models.UUIDField(_("UUID"), unique=True, default=uuid.uuid4, editable=False)
    identifier = models.CharField(_("identifier"), max_length=500, unique=True, validators=[validate_identifier_field])
    label = models.CharField(_("label"), max_length=500, blank=True, validators=[_no_null])
    collection = models.ForeignKey(
        Collection, models.SET_NULL, null=True, blank=True, related_name="images", verbose_name=_("collection")
    )
    rights = models.URLField(
        _("rights"), max_length=500, blank=True, help_text=_("Creative Commons or RightsStatements.org URI")
    )
    attribution = models.CharField(_("attribution"), max_length=1000, blank=True, validators=[_no_null])
    metadata = models.JSONField(
        _("metadata"),
        default=list,
        blank=True,
        validators=[validate_metadata],
        help_text=_('Rows that viewers show, as JSON: [{"label": "Date", "value": "1877"}]'),
    )
    max_width = models.PositiveIntegerField(_("maximum width"), null=True, blank=True, validators=[_at_least_one])
    max_height = models.PositiveIntegerField(_("maximum height"), null=True, blank=True, validators=[_at_least_one])
    max_area = models.PositiveBigIntegerField(_("maximum area"), null=True, blank=True, validators=[_at_least_one])

    store = models.ForeignKey(
        Store, models.PROTECT, null=True, blank=True, related_name="images", verbose_name=_("store")
    )
    key = models.CharField(_("key"), max_length=1000, blank=True)
    url = models.URLField(_("URL"), max_length=2000, blank=True)

    state = models.CharField(_("state"), max_length=20, choices=ImageState, default=ImageState.PENDING, db_index=True)
    state_changed = models.DateTimeField(_("state changed"), auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error_detail = models.TextField(_("reason"), blank=True)
    error_technical = models.TextField(_("technical detail"), blank=True)
    decoder_deaths = models.PositiveSmallIntegerField(_("decoder deaths"), default=0)

    version = models.PositiveIntegerField(_("version"), default=0)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    source_format = models.CharField(_("source format"), max_length=10, blank=True)
    source_byte_size = models.PositiveBigIntegerField(_("source bytes"), null=True, blank=True)

    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        ordering = ["-created", "-pk"]
        verbose_name = _("image")
        verbose_name_plural = _("images")
        indexes = [models.Index(fields=["state", "state_changed"]), models.Index(fields=["-created", "-id"])]
        constraints = [
            models.CheckConstraint(
                name="image_has_one_source",
                condition=(Q(store__isnull=False) & ~Q(key="") & Q(url=""))
                | (Q(store__isnull=True) & Q(key="") & ~Q(url="")),
                violation_error_message=_("Upload a file, or name either a store and a key, or a URL."),
            ),
            models.CheckConstraint(
                name="image_max_height_needs_max_width",
                condition=Q(max_height__isnull=True) | Q(max_width__isnull=False),
                violation_error_message=_("A maximum height needs a maximum width (Image API 3.0, section 5.3)."),
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.identifier
