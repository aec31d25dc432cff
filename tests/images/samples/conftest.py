"""Samples are drawn in a process of their own; here they share one with the server's limits on libvips."""

from collections.abc import Iterator

import pytest
import pyvips

SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"


@pytest.fixture(autouse=True)
def _svg_can_be_read() -> Iterator[None]:
    try:
        pyvips.Image.svgload_buffer(SVG)
    except pyvips.Error:
        pyvips.operation_block_set("VipsForeignLoadSvg", state=False)
        yield
        pyvips.operation_block_set("VipsForeignLoadSvg", state=True)
    else:
        yield
