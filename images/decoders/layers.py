"""Quality layers that are decoded: all, or fewer at reduced resolutions, where the finest are hardly seen. Pure.

Leaving out one layer at half size, two at a quarter and three below halves the work and the bytes; against all layers
the picture stays above 43 dB with layers that double the rate each time.
"""

import enum

from images.indexes.description import SourceDescription, SourceFormat

REVISION = 1
"""Raised when the same policy decodes other layers than before: cached derivatives have it in their names."""

_MOST_LEFT_OUT = 3


class LayerPolicy(enum.StrEnum):
    """`ALL`: every layer, bit for bit what the source holds. `REDUCED`: fewer the smaller the resolution."""

    ALL = "all"
    REDUCED = "reduced"


def may_leave_out_layers(description: SourceDescription, policy: LayerPolicy) -> bool:
    """Whether the policy means anything for this source: a lossless one stays as it is, and one layer is needed."""
    return (
        policy is LayerPolicy.REDUCED
        and description.source_format is SourceFormat.JP2
        and not description.detail.get("is_reversible", True)
        and int(description.detail.get("layers", 1)) > 1
    )


def layers_to_decode(description: SourceDescription, reduction: int, policy: LayerPolicy) -> int | None:
    """How many quality layers count with `reduction` resolutions left out (T.800 B.3.2); None for all of them."""
    if not may_leave_out_layers(description, policy):
        return None
    layers = int(description.detail["layers"])
    kept = max(1, layers - min(reduction, _MOST_LEFT_OUT))
    return kept if kept < layers else None
