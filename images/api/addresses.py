"""Public addresses of what a record is about."""

from rest_framework.request import Request

from images.conf import conf
from images.iiif.identifiers import encode_identifier

_THUMBNAIL = "full/!200,200/0/default.jpg"  # images.services.thumbnails makes it ahead


def public_root(request: Request) -> str:
    """Scheme and host under which the server is known, without a slash at the end."""
    return conf.base_url or f"{request.scheme}://{request.get_host()}"


def image_links(request: Request, identifier: str) -> dict[str, str]:
    root, name = public_root(request), encode_identifier(identifier)
    return {
        "self": f"{root}/api/v1/images/{name}/",
        "info": f"{root}/iiif/3/{name}/info.json",
        "view": f"{root}/view/{name}",
        "manifest": f"{root}/iiif/presentation/3/{name}/manifest",
    }


def thumbnail_uri(request: Request, identifier: str) -> str:
    return f"{public_root(request)}/iiif/3/{encode_identifier(identifier)}/{_THUMBNAIL}"
