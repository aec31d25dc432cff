import uuid

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from images.iiif.errors import IIIFError
from images.iiif.identifiers import validate_identifier
from images.models.collection import Collection, CopyPolicy
from images.models.profile import Profile, validate_extras
from images.models.store import Store

_RESERVED_STARTS = frozenset({"2", "3", "activity", "presentation"})


class ImageState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    PROCESSING = "processing", _("Being read")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


class ImageCopyPolicy(models.TextChoices):
    """When a service copy is made of this image."""

    INHERIT = "inherit", _("As its collection says")
    NEVER = CopyPolicy.NEVER.value, CopyPolicy.NEVER.label
    ON_INGEST = CopyPolicy.ON_INGEST.value, CopyPolicy.ON_INGEST.label
    ON_FIRST_VIEW = CopyPolicy.ON_FIRST_VIEW.value, CopyPolicy.ON_FIRST_VIEW.label


_no_null = ProhibitNullCharactersValidator()
_at_least_one = MinValueValidator(1)


def validate_identifier_field(value: str) -> None:
    """An identifier that every address of the server can name (images.iiif.path, iiifserver.urls)."""
    try:
        validate_identifier(value)
    except IIIFError as error:
        raise ValidationError(str(error), code=error.code) from error
    if value.split("/", maxsplit=1)[0] in _RESERVED_STARTS or value.rsplit("/", maxsplit=1)[-1] == "info.json":
        detail = _("An identifier cannot begin with 2/, 3/, activity/ or presentation/ and not end in info.json.")
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


HAS_ONE_SOURCE = (Q(store__isnull=False) & ~Q(key="") & Q(url="")) | (Q(store__isnull=True) & Q(key="") & ~Q(url=""))

HAS_PICTURE = Q(version__gt=0, width__isnull=False) & ~Q(error_code="quarantined")
"""Of an image that is shown: without a tiling it has no width."""


class Image(models.Model):
    """The record of one image: how it is called, where its source lies, and what is known of it.

    `version` counts the versions of the source that were indexed, from 1; 0 means that none was yet. The facts of the
    current version (size, format) are repeated here from its `Tiling`, and empty where it has none, so that lists need
    no join. `checked` is when the source was last looked at. `quarantined_etag` names the bytes for which the image is
    in quarantine (error_code "quarantined"), where they are known: other bytes lift it; or those of a new source that
    could not be read while an earlier one is shown.
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

    profile = models.ForeignKey(
        Profile,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="images",
        verbose_name=_("compliance profile"),
        help_text=_("Empty: that of the collection, else the default."),
    )
    information = models.JSONField(
        _("additions to info.json"),
        default=dict,
        blank=True,
        validators=[validate_extras],
        help_text=_("Services and further properties of this image, as JSON; they replace those of its profile."),
    )
    service_copy_policy = models.CharField(
        _("service copy"),
        max_length=20,
        choices=ImageCopyPolicy,
        default=ImageCopyPolicy.INHERIT,
        help_text=_("A copy that is quick to serve. An image without a collection has none unless it says so here."),
    )

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

    quarantined_etag = models.CharField(_("quarantined ETag"), max_length=200, blank=True, editable=False)
    checked = models.DateTimeField(_("source looked at"), null=True, blank=True, db_index=True, editable=False)

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
        permissions = [("purge_cache", _("Can purge caches"))]
        indexes = [
            models.Index(fields=["state", "state_changed"]),
            models.Index(fields=["-created", "-id"]),
            # What lists are filtered and sorted by: a page is read from one of these, however many images there are.
            models.Index(fields=["state", "-created", "-id"], name="image_by_state"),
            models.Index(fields=["store", "-created", "-id"], name="image_by_store"),
            models.Index(fields=["source_format", "-created", "-id"], name="image_by_format"),
            models.Index(  # with all that says which of them are shown, so that far pages read nothing else
                fields=["collection", "identifier", "state", "version", "width", "error_code", "id"],
                name="image_in_collection",
            ),
            models.Index(  # PostgreSQL counts in it what a collection shows (images.selectors.presentation)
                fields=["collection"],
                condition=HAS_PICTURE,
                name="image_shown_in_collection",
            ),
            models.Index(fields=["modified", "id"], name="image_by_modified"),
            models.Index(fields=["label", "id"], name="image_by_label"),
            models.Index(fields=["width", "id"], name="image_by_width"),
            models.Index(fields=["rights"], name="image_by_rights"),
        ]
        constraints = [
            models.CheckConstraint(
                name="image_has_one_source",
                condition=HAS_ONE_SOURCE,
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

    @property
    def has_picture(self) -> bool:
        """HAS_PICTURE, of this one."""
        return self.version > 0 and self.width is not None and self.error_code != "quarantined"

    @property
    def shows_earlier_source(self) -> bool:
        """Whether what is served was read of another source than the record names by now."""
        tiling = getattr(self, "tiling", None)
        if tiling is None or tiling.version != self.version or not self.has_picture:
            return False
        return (tiling.store_id, tiling.key, tiling.url) != (self.store_id, self.key, self.url)

    @property
    def effective_copy_policy(self) -> CopyPolicy:
        """Its own, or that of its collection."""
        if self.service_copy_policy != ImageCopyPolicy.INHERIT:
            return CopyPolicy(self.service_copy_policy)
        return CopyPolicy.NEVER if self.collection is None else CopyPolicy(self.collection.service_copy_policy)
