from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from images.models.collection import Collection


class TokenScope(models.TextChoices):
    """What a token may be used for, within what its user may do. `write` includes `read`, `admin` everything."""

    READ = "read", _("Read records")
    WRITE = "write", _("Register and change images and collections")
    PURGE = "purge", _("Purge caches")
    ADMIN = "admin", _("Everything, stores included")


def validate_scopes(value: object) -> None:
    known = set(TokenScope.values)
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(scope, str) and scope in known for scope in value)
    ):
        raise ValidationError(_("Scopes are one or more of read, write, purge and admin."), code="invalid")


class ApiToken(models.Model):
    """A secret with which a program acts for a user, within some scopes.

    Only the SHA-256 of the secret is kept, as hexadecimal digits. `prefix` is the beginning of the secret, by which
    people and queries find the row. Without `collections` it reaches all images, else only those in them.
    """

    name = models.CharField(_("name"), max_length=100, help_text=_("What uses it, so that it is known whom to ask"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    prefix = models.CharField(_("prefix"), max_length=20, db_index=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list, validators=[validate_scopes])
    collections = models.ManyToManyField(
        Collection,
        blank=True,
        related_name="api_tokens",
        verbose_name=_("collections"),
        help_text=_("Only images in these; all images where none is chosen"),
    )
    limited = models.BooleanField(_("limited to collections"), default=False, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created"]
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_valid(self) -> bool:
        """Whether it is accepted now: neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or self.expires > timezone.now())
