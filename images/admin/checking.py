"""The page of an image's check: what a viewer would be answered.

It connects to IIIF_BASE_URL, else to this server's own address, never to the host that a request names.
"""

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from images.admin.addresses import public_root
from images.conf import conf
from images.iiif.identifiers import encode_identifier
from images.iiif.version import ApiVersion
from images.models import Image
from images.selectors.images import ImageNotReadyError, get_served_image
from images.services.checking import image_check


def check_response(site: AdminSite, request: HttpRequest, image: Image) -> HttpResponse:
    """By POST both versions of the API, each request with its result; back to the image where it is not ready."""
    try:
        served = get_served_image(image.identifier)
    except ImageNotReadyError:
        messages.warning(request, _("Only images that are ready can be checked."))
        return HttpResponseRedirect(reverse("admin:images_image_change", args=[image.pk]))
    checks = []
    address = conf.base_url or conf.own_address
    for version in reversed(ApiVersion) if request.method == "POST" else ():
        uri = f"{public_root(request)}/iiif/{int(version)}/{encode_identifier(image.identifier)}"
        # What IIIF_BASE_URL says may have a path of its own, which stands in the URI already.
        results = image_check(served, uri, version, address=None if conf.base_url else address)
        checks.append((str(int(version)), results, sum(not result.is_right for result in results)))
    context = {
        **site.each_context(request),
        "title": _("Check of %s") % image,
        "image": image,
        "address": address,
        "checks": checks,
    }
    return TemplateResponse(request, "admin/images/image/check.html", context)
