"""Public addresses, as the admin shows them."""

from django.http import HttpRequest

from images.conf import conf


def public_root(request: HttpRequest) -> str:
    """Scheme and host of the server as visitors know it, without a slash at the end."""
    return conf.base_url or f"{request.scheme}://{request.get_host()}"
