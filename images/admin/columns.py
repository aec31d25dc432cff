"""What lists and forms of the admin show of an image, narrow enough for a screen of 1280 pixels."""

from urllib.parse import urlsplit

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from images.iiif.identifiers import encode_identifier
from images.models import Image, ImageState, ServiceCopy, ServiceCopyState
from images.services.service_copies import copy_rough_byte_size
from images.templatetags.iiif_urls import format_name, grouped

_SIGNS = {
    ImageState.READY: "✓",
    ImageState.FAILED: "✗",
    ImageState.PENDING: "…",
    ImageState.PROCESSING: "⟳",
}
_REASON = 160
"""Characters of it; all of them are on the page of the image."""


class ImageColumns:
    """Methods of a ModelAdmin of images; none asks the database where the list has joined what they show."""

    @admin.display(description=_("image"))
    def thumbnail(self, image: Image) -> str:
        return self._picture(image, 96, "image-thumbnail")

    @admin.display(description=_("image"))
    def preview(self, image: Image) -> str:
        return self._picture(image, 400, "image-preview")

    @staticmethod
    def _picture(image: Image, pixels: int, css_class: str) -> str:
        if not image.has_picture:
            return "—"
        return format_html(
            '<img src="/iiif/3/{}/full/!{},{}/0/default.jpg?v={}" alt="" loading="lazy" class="{}">',
            encode_identifier(image.identifier),
            pixels,
            pixels,
            image.version,
            css_class,
        )

    @admin.display(description=_("identifier and label"), ordering="identifier")
    def name(self, image: Image) -> str:
        return format_html('{} <span class="image-label">{}</span>', image.identifier, image.label)

    @admin.display(description=_("state"), ordering="state")
    def badge(self, image: Image) -> str:
        """With the reason of what failed, and what is shown then."""
        shown = format_html(
            '<span class="image-state image-state-{}">{} {}</span>',
            image.state,
            _SIGNS[ImageState(image.state)],
            image.get_state_display(),
        )
        reason = Truncator(image.error_detail).chars(_REASON)
        earlier = _("The earlier source is still shown.") if image.shows_earlier_source else ""
        lines = ((line,) for line in (reason, earlier) if line)
        return shown + format_html_join("", '<span class="image-error">{}</span>', lines)

    @admin.display(description=_("what is shown"))
    def earlier_source(self, image: Image) -> str:
        """Of a record whose new source has not been read: which one its picture is of."""
        tiling = image.tiling
        place = tiling.url if tiling.store is None else f"{tiling.store.name}: {tiling.key}"
        return str(_("the earlier source, %s") % place)

    @admin.display(description=_("source"), ordering="width")
    def facts(self, image: Image) -> str:
        """Size, format and bytes of the source, where it lies, its service copy and what is kept, one below the other.

        The page fills in what is kept, see `images.admin.cached`.
        """
        byte_size = filesizeformat(image.source_byte_size) if image.source_byte_size else ""
        copy = self.copy_facts(image)
        lines = [
            self.dimensions(image),
            " · ".join(filter(None, (format_name(image.source_format), byte_size))),
            " · ".join(filter(None, (_place(image), str(image.collection or "")))),
            "" if copy == "—" else format_html("{}: {}", _("copy"), copy),
            format_html('{}: <span class="image-fact" data-cached="{}">—</span>', _("in the cache"), image.pk),
        ]
        return format_html_join("", '<span class="image-line">{}</span>', ((line,) for line in lines if line))

    @admin.display(description=_("modified"), ordering="modified")
    def modified_short(self, image: Image) -> str:
        local = timezone.localtime(image.modified)
        written = pgettext("short date, as Django writes formats", "j M Y")
        lines = (
            ("image-fact", date_format(local, written)),
            ("image-label", date_format(local, "H:i")),
        )
        return format_html_join("", '<span class="{}">{}</span>', lines)

    @admin.display(description=_("dimensions"), ordering="width")
    def dimensions(self, image: Image) -> str:
        if not image.width or not image.height:
            return "—"
        return format_html('<span class="image-fact">{} × {}</span>', grouped(image.width), grouped(image.height))

    @admin.display(description=_("source format"), ordering="source_format")
    def format_name(self, image: Image) -> str:
        return format_name(image.source_format) or "—"

    @admin.display(description=_("service copy"))
    def copy_facts(self, image: Image) -> str:
        """Its state and bytes; before there is one, what it would take."""
        copy: ServiceCopy | None = getattr(image, "service_copy", None)
        if copy is not None and copy.state == ServiceCopyState.READY and copy.version == image.version:
            return format_html('<span class="image-fact">{}</span>', filesizeformat(copy.byte_size or 0))
        tiling = getattr(image, "tiling", None)
        estimated = copy.estimated_byte_size if copy is not None else None
        if estimated is None and tiling is not None:
            estimated = copy_rough_byte_size(tiling)
        if estimated is None:
            return "—"
        state = _("none") if copy is None else copy.get_state_display()
        reason = "" if copy is None else copy.error_detail
        return format_html('<span title="{}">{}, ~\u202f{}</span>', reason, state, filesizeformat(estimated))


def _place(image: Image) -> str:
    """The store, or the host of a web address."""
    try:
        return image.store.name if image.store is not None else urlsplit(image.url).hostname or ""
    except ValueError:
        return ""
