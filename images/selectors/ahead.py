"""What the first visitor of a process would wait for: the lengths of the longest lists."""

from images.selectors.activities import count_activities
from images.selectors.counting import later
from images.selectors.gallery import count_gallery
from images.selectors.presentation import count_shown_ahead


def count_ahead() -> None:
    """In the background: the gallery, the first collections, the feed of changes."""
    later(_count, _count)


def _count() -> None:
    count_gallery()
    count_shown_ahead()
    count_activities(1)
