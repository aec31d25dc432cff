"""What is looked at before a web process takes its first request."""

from django.core.checks import Error, run_checks
from django.core.exceptions import ImproperlyConfigured

OURS = ("images", "caching")
"""The tags of the checks of our own settings; Django's own import every view and are `manage.py check`'s."""


def refuse_wrong_settings() -> None:
    """Raises ImproperlyConfigured, naming every setting that makes no sense, instead of answering 500 with it."""
    problems = [message for message in run_checks(tags=OURS) if isinstance(message, Error)]
    if problems:
        lines = "".join(f"\n  {problem.id}: {problem.msg}" for problem in problems)
        raise ImproperlyConfigured(f"The server does not start with these settings:{lines}")
