"""What the first visitors of a process would wait for: lengths of the longest lists, questions not yet in SQL."""

from images.selectors.activities import count_activities
from images.selectors.counting import later
from images.selectors.gallery import count_gallery
from images.selectors.presentation import count_shown_ahead
from images.selectors.record import read_record


def count_ahead() -> None:
    """In the background: the gallery, the first collections, the feed of changes."""
    later(_count, _count)


def prepare_questions() -> None:
    """In the background: the one that tiles hang on. Putting it into SQL the first time takes 20 ms."""
    later(_prepare, _prepare)


def _count() -> None:
    count_gallery()
    count_shown_ahead()
    count_activities(1)


def _prepare() -> None:
    read_record("")  # there is no such image
