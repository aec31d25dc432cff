"""The numbers of TIFF tags that have a meaning here, and the names that people know them by."""

COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT Group 3",
    4: "CCITT Group 4",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    8: "Deflate",
    32766: "NeXT",
    32771: "CCITT RLE, word aligned",
    32773: "PackBits",
    32809: "ThunderScan",
    32946: "Deflate",
    33003: "JPEG 2000 (YCbCr)",
    33005: "JPEG 2000 (RGB)",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv 24",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy DNG JPEG",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}

UNREADABLE_COMPRESSIONS = frozenset({33003, 33005, 34661, 34712, 34892, 34925, 50000, 50002, 52546})
"""The libtiff of libvips' wheel has no decoder for these."""

PHOTOMETRICS = {
    0: "gray",  # white is zero
    1: "gray",
    2: "rgb",
    3: "palette",
    4: "gray",  # a transparency mask
    5: "cmyk",
    6: "ycbcr",
    8: "lab",
    9: "lab",  # ICCLab
    10: "lab",  # ITULab
}
"""PhotometricInterpretation to the colour of a description; what isn't here is "other"."""

RAW_PHOTOMETRICS = frozenset({32803, 34892})
"""Colour filter array and linear raw (DNG): a camera's data, which are not pixels yet."""

SAMPLE_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "undefined", 5: "complex integer", 6: "complex float"}

ALPHA_SAMPLES = frozenset({1, 2})
"""Values of ExtraSamples: associated and unassociated alpha."""

SWAPPED_ORIENTATIONS = frozenset({5, 6, 7, 8})
"""Values of Orientation by which rows are shown as columns."""
