"""What a process has one of, made when it is first asked for."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """A decorator like `functools.lru_cache(maxsize=1)` for functions without arguments, but of threads that ask at the
    same time only one makes it: two of what has locks of the process would not exclude each other.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self.__doc__ = make.__doc__
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        made = self._made
        if made:
            return made[0]
        with self._lock:
            if not self._made:
                self._made = [self._make()]
            return self._made[0]

    @property
    def is_made(self) -> bool:
        return bool(self._made)

    def cache_clear(self) -> None:
        """Forget it; in a forked child too, where the lock may be held by a thread that there is no more."""
        self._lock = threading.Lock()
        self._made = []
