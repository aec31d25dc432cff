"""What curators are told where an upload cannot be kept."""

from django.utils.translation import gettext as _

from images.services.uploads import NO_ROOM


def keeping_problem(error: Exception) -> str:
    """In one sentence; OSErrors without what they say of the server's folders."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in NO_ROOM:
        return _("The server has no room left for this file.")
    return _("The file could not be kept.")
