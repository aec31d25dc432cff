"""What the engraver draws with a burin on the chart, in the order in which room is given away."""

from images.samples.chart_board import Board
from images.samples.chart_frame import cartouche, frame
from images.samples.chart_names import provinces, seas, towns
from images.samples.chart_relief import hachures, rivers, woods
from images.samples.chart_sea import roses, ships, soundings
from images.samples.terrain import Terrain


def draw_marks(terrain: Terrain, width: int, height: int, *, seed: int) -> Board:
    """A board with every mark of the chart."""
    board = Board(terrain, width, height, seed=seed)
    provinces(board)
    seas(board)
    towns(board, 230)
    rivers(board, 90)
    hachures(board)
    woods(board, 5200)
    roses(board)
    soundings(board, 900)
    ships(board)
    frame(board)
    cartouche(board)
    return board
