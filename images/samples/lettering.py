"""An engraver's alphabet of strokes, since no font can be counted on. Capitals are 100 units high."""

GLYPHS: dict[str, tuple[float, str]] = {
    "A": (70, "M0 100L35 0L70 100M13 64L57 64M-9 100H10M60 100H80"),
    "B": (56, "M0 0V100M-9 0H26C58 0 58 47 26 47H0M26 47C66 47 66 100 26 100H-9"),
    "C": (62, "M60 24C50 -10 0 -14 0 50C0 114 50 110 62 78M60 24V4"),
    "D": (66, "M0 0V100M-9 0H22C82 0 82 100 22 100H-9"),
    "E": (52, "M50 16V0H-9M0 0V100M-9 100H54V82M0 48H36M36 40V56"),
    "F": (48, "M50 16V0H-9M0 0V100M-9 100H9M0 48H36M36 40V56"),
    "G": (68, "M62 24C52 -10 0 -14 0 50C0 114 54 108 66 88V58M54 58H76M62 24V4"),
    "H": (62, "M0 0V100M62 0V100M0 48H62M-9 0H9M-9 100H9M53 0H71M53 100H71"),
    "I": (4, "M2 0V100M-8 0H12M-8 100H12"),
    "J": (30, "M26 0V74C26 108 -4 108 -8 86M16 0H36"),
    "K": (58, "M0 0V100M54 0L0 60M18 42L58 100M-9 0H9M-9 100H9M44 0H62M50 100H68"),
    "L": (50, "M0 0V100M-9 0H9M-9 100H52V80"),
    "M": (84, "M2 100L8 0L42 88L76 0L82 100M-8 100H12M72 100H92"),
    "N": (64, "M2 100V0L62 100V0M-10 0H4M-7 100H11M53 0H71"),
    "O": (72, "M36 -1C-12 -1 -12 101 36 101C84 101 84 -1 36 -1"),
    "P": (50, "M0 0V100M-9 0H26C62 0 62 54 26 54H0M-9 100H9"),
    "Q": (74, "M36 -1C-12 -1 -12 101 36 101C84 101 84 -1 36 -1M34 82C54 80 58 120 84 112"),
    "R": (60, "M0 0V100M-9 0H26C60 0 60 50 26 50H0M26 50C40 52 44 98 66 100M-9 100H9"),
    "S": (52, "M48 24C44 -10 2 -10 2 24C2 56 54 44 54 76C54 112 4 110 0 76M48 24V4M0 76V98"),
    "T": (64, "M0 16V0H64V16M32 0V100M22 100H42"),
    "U": (62, "M0 0V64C0 114 62 114 62 64V0M-9 0H9M53 0H71"),
    "V": (68, "M0 0L34 100L68 0M-9 0H9M59 0H77"),
    "W": (96, "M0 0L26 100L48 12L70 100L96 0M-9 0H9M87 0H105"),
    "X": (60, "M2 0L58 100M58 0L2 100M-7 0H11M49 0H67M-7 100H11M49 100H67"),
    "Y": (64, "M0 0L32 52L64 0M32 52V100M-9 0H9M55 0H73M23 100H41"),
    "Z": (58, "M4 16V0H56L0 100H58V84"),
    "Æ": (100, "M0 100L46 0H96V16M56 0V100H100V84M56 48H84M18 64H56M-9 100H10"),
    "0": (52, "M26 0C-9 0 -9 100 26 100C61 100 61 0 26 0"),
    "1": (24, "M2 16L14 0V100M2 100H26"),
    "2": (50, "M3 26C3 -10 50 -10 48 28C46 56 12 66 2 100H50V84"),
    "3": (48, "M3 20C6 -8 46 -8 45 24C44 46 28 47 18 47C32 47 50 52 49 76C48 110 4 108 0 82"),
    "4": (54, "M42 100V0L0 70H56"),
    "5": (48, "M46 0H8L4 44C20 34 50 40 49 70C48 110 4 108 0 84"),
    "6": (50, "M46 12C24 -14 0 24 1 66C2 112 50 110 50 68C50 34 8 34 2 64"),
    "7": (48, "M2 16V0H50C34 30 22 60 18 100"),
    "8": (50, "M25 47C-4 44 -4 0 25 0C54 0 54 44 25 47C-8 50 -8 100 25 100C58 100 58 50 25 47"),
    "9": (50, "M4 88C26 114 50 76 49 34C48 -12 0 -10 0 32C0 66 42 66 48 36"),
    "°": (20, "M10 0C-2 0 -2 22 10 22C22 22 22 0 10 0"),
    ".": (6, "M2 96L4 100"),
    "&": (66, "M64 48C58 84 42 102 24 102C-6 102 -6 66 18 52C40 40 40 0 22 0C2 0 8 30 20 50C34 74 46 94 70 100"),
    "'": (6, "M4 0L2 22"),
}
SPACE = 44.0
GAP = 20.0


def text_width(text: str, height: float, spacing: float = 0.0) -> float:
    """How long the text is at this height of the capitals; `spacing` is added after each letter."""
    units = sum(GLYPHS[letter][0] + GAP if letter in GLYPHS else SPACE for letter in text) - GAP
    return units * height / 100 + spacing * (len(text) - 1)


def letter_paths(text: str, height: float, spacing: float = 0.0) -> list[tuple[float, str]]:
    """The left edge of each letter, and its path in units of a hundredth of the height."""
    paths = []
    position = 0.0
    for letter in text:
        width, path = GLYPHS.get(letter, (SPACE - GAP, ""))
        if path:
            paths.append((position, path))
        position += (width + GAP) * height / 100 + spacing
    return paths
