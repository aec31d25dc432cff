"""A sheet for engraved strokes: vector marks by place, rendered to ink block by block."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyvips
from numpy.typing import NDArray

from images.samples.lettering import letter_paths, text_width

Ink = NDArray[np.uint8]
BLOCK = 2048
Point = tuple[float, float]


class Sheet:
    """Marks in pixels of the finished picture. Marks are kept by the blocks that they touch."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._marks: dict[tuple[int, int], list[str]] = defaultdict(list)

    def mark(self, element: str, left: float, top: float, right: float, bottom: float) -> None:
        """Adds an SVG element that stays within these bounds."""
        for row in range(max(0, int(top)) // BLOCK, min(self.height - 1, int(bottom)) // BLOCK + 1):
            for column in range(max(0, int(left)) // BLOCK, min(self.width - 1, int(right)) // BLOCK + 1):
                self._marks[column, row].append(element)

    def line(self, points: Sequence[Point], width: float, *, closed: bool = False, fill: bool = False) -> None:
        """A line through the points, or the area that they enclose."""
        across, down = [x for x, _ in points], [y for _, y in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed or fill else "")
        self.path(path, width, (min(across), min(down), max(across), max(down)), fill=fill)

    def path(
        self, path: str, width: float, bounds: tuple[float, float, float, float], *, fill: bool = False, place: str = ""
    ) -> None:
        """An SVG path; `place` is a transformation of its coordinates, `bounds` are in pixels of the picture."""
        left, top, right, bottom = bounds
        how = 'fill="#000"' if fill else f'stroke-width="{width:.2f}"'
        where = f' transform="{place}"' if place else ""
        reach = width + 1
        self.mark(f'<path d="{path}" {how}{where}/>', left - reach, top - reach, right + reach, bottom + reach)

    def strokes(self, points: NDArray[np.float32], widths: NDArray[np.float32]) -> None:
        """Many short curves at once.

        Args:
            points: start, control and end of each: an array of 3 by 2 by the number of curves.
            widths: of each curve; curves of about the same width are drawn together.
        """
        classes = np.round(np.log2(np.maximum(widths, 0.05)) * 3).astype(np.int32)
        blocks = np.clip(points[0] // BLOCK, 0, None).astype(np.int32)
        ends = np.clip(points[2] // BLOCK, 0, None).astype(np.int32)
        gathered: dict[tuple[int, int, int], list[str]] = defaultdict(list)
        (x0, x1, x2), (y0, y1, y2) = (points[:, axis].tolist() for axis in (0, 1))
        columns, rows, last_columns, last_rows = (part.tolist() for part in (*blocks, *ends))
        for number, width in enumerate(classes.tolist()):
            start = f"M{x0[number]:.1f} {y0[number]:.1f}"
            curve = f"{start}Q{x1[number]:.1f} {y1[number]:.1f} {x2[number]:.1f} {y2[number]:.1f}"
            gathered[columns[number], rows[number], width].append(curve)
            if (columns[number], rows[number]) != (last_columns[number], last_rows[number]):
                gathered[last_columns[number], last_rows[number], width].append(curve)
        for (column, row, width), curves in gathered.items():
            self._marks[column, row].append(f'<path d="{"".join(curves)}" stroke-width="{2 ** (width / 3):.2f}"/>')

    def circle(self, x: float, y: float, radius: float, width: float, *, fill: bool = False) -> None:
        how = 'fill="#000"' if fill else f'stroke-width="{width:.2f}"'
        reach = radius + width
        self.mark(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {how}/>', x - reach, y - reach, x + reach, y + reach
        )

    def text(
        self,
        text: str,
        x: float,
        y: float,
        height: float,
        *,
        weight: float = 0.1,
        spacing: float = 0.0,
        slant: float = 0.0,
        turn: float = 0.0,
    ) -> None:
        """Letters centred on x, y: thick downwards and thin across, as a broad nib draws them.

        Args:
            weight: The thickness of a stem by the height.
            slant: Degrees by which the letters lean.
            turn: Degrees by which the whole line is turned.
        """
        length = text_width(text, height, spacing)
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        scale = height / 100
        for position, path in letter_paths(text, height, spacing):
            offset = position - length / 2
            left, top = x + cos * offset + sin * height / 2, y + sin * offset - cos * height / 2
            place = f"translate({left:.1f} {top:.1f}) rotate({turn:.2f}) scale({scale:.4f}) skewX({-slant:.1f})"
            bounds = (left - height * 1.5, top - height * 1.5, left + height * 1.5, top + height * 1.5)
            nib = weight * 100
            copies = 3 if height < 60 else 5
            for copy in range(copies):
                aside = nib * (copy / (copies - 1) - 0.5)
                shifted = f"{place} translate({aside:.1f} {-aside * 0.2:.1f})"
                self.path(path, max(nib / (copies - 1), 4.0), bounds, place=shifted)

    def render(self, column: int, row: int) -> Ink:
        """The ink of one block, 0 for none to 255."""
        width = min(BLOCK, self.width - column * BLOCK)
        height = min(BLOCK, self.height - row * BLOCK)
        marks = self._marks.get((column, row))
        if not marks:
            return np.zeros((height, width), np.uint8)
        document = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="{column * BLOCK} {row * BLOCK} {width} {height}">'
            '<g fill="none" stroke="#000" stroke-linecap="round" stroke-linejoin="round">'
            f"{''.join(marks)}</g></svg>"
        )
        image = pyvips.Image.svgload_buffer(document.encode(), unlimited=True)
        return np.asarray(image.extract_band(3).numpy(), dtype=np.uint8)
