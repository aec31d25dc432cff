from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from images.iiif.queries import QueryTemplateError, parse_query_template


def validate_template(value: str) -> None:
    """A template that images.iiif.queries understands."""
    try:
        parse_query_template(value)
    except QueryTemplateError as error:
        raise ValidationError(str(error), code="template") from error


class NamedQuery(models.Model):
    """A set of images that is found anew with each request, as one manifest: its address names the query."""

    name = models.SlugField(_("name"), unique=True, max_length=100)
    label = models.CharField(
        _("label"), max_length=500, help_text=_("Of the manifest. {1}, {2} … stand for the arguments.")
    )
    template = models.CharField(
        _("template"),
        max_length=1000,
        validators=[validate_template],
        help_text=_("For example: collection=p1&metadata.Shelfmark=p2&order=metadata.Page;identifier"),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("named query")
        verbose_name_plural = _("named queries")

    def __str__(self) -> str:
        return self.name
