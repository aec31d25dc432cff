"""The largest sizes that are served: maxWidth, maxHeight and maxArea (Image API 3.0 §5.2, 2.1 §5.3)."""

from dataclasses import dataclass

from images.iiif.errors import LimitExceededError
from images.iiif.geometry import Size


@dataclass(frozen=True, slots=True)
class Limits:
    """Pixels of an answer before its rotation; None is no limit.

    `max_height` needs `max_width`; `max_width` alone limits the height too. `max_area` is independent of both.
    Raises ValueError for a combination that the specification doesn't allow.
    """

    max_width: int | None = None
    max_height: int | None = None
    max_area: int | None = None

    def __post_init__(self) -> None:
        if self.max_height is not None and self.max_width is None:
            raise ValueError("max_height needs max_width: the specification has no maxHeight alone")
        for value in (self.max_width, self.max_height, self.max_area):
            if value is not None and value < 1:
                raise ValueError("a limit is at least 1 pixel")

    @property
    def effective_max_height(self) -> int | None:
        return self.max_width if self.max_height is None else self.max_height

    @property
    def bounds_upscaling(self) -> bool:
        """Whether there is a limit to how large an image can be asked for: 3.0 §5.7 wants one published."""
        return self.max_width is not None or self.max_area is not None

    def allow(self, size: Size) -> bool:
        return self._exceeded(size) is None

    def check(self, size: Size) -> None:
        """Raise LimitExceededError, which names the limit, for a size over one of them."""
        exceeded = self._exceeded(size)
        if exceeded is not None:
            raise LimitExceededError(
                f"The size {size.width},{size.height} is over the limit {exceeded}; "
                "ask for the size max to get the largest there is."
            )

    def _exceeded(self, size: Size) -> str | None:
        max_height = self.effective_max_height
        if self.max_width is not None and size.width > self.max_width:
            return f"maxWidth ({self.max_width} pixels)"
        if max_height is not None and size.height > max_height:
            return f"maxHeight ({max_height} pixels)"
        if self.max_area is not None and size.area > self.max_area:
            return f"maxArea ({self.max_area} pixels)"
        return None
