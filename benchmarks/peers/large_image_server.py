"""Run by the Python of the tools: large-image behind tornado, two processes, `large_image_server.py PORT FOLDER`.

A request for exactly a tile of the image's own grid is answered with `getTile`, its quickest way; others with
`getRegion`.
"""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import large_image
import tornado.httpserver
import tornado.netutil
import tornado.process
import tornado.web

REQUEST = re.compile(r"^/([^/]+)/(full|\d+,\d+,\d+,\d+)/(max|!?\d+,\d*)/0/default\.jpg$")
QUALITY = {"encoding": "JPEG", "jpegQuality": 85, "jpegSubsampling": 2}  # 4:2:0, as the other servers


class Image(tornado.web.RequestHandler):  # type: ignore[misc] # tornado is not in the environment of the checks
    """Synchronous, as one process does one request at a time."""

    folder: Path

    def get(self) -> None:
        found = REQUEST.match(self.request.path)
        if not found:
            self.send_error(400)
            return
        source = large_image.open(str(self.folder / found[1]), **QUALITY)
        self.set_header("Content-Type", "image/jpeg")
        self.finish(answer(source, found[2], found[3]))


def answer(source: Any, region: str, size: str) -> bytes:
    full = (0, 0, source.sizeX, source.sizeY)
    x, y, width, height = full if region == "full" else tuple(map(int, region.split(",")))
    across, down = target(size, width, height)
    tile = find_tile(source, x, y, width, across)
    if tile and down <= source.tileHeight:
        return bytes(source.getTile(*tile, pilImageAllowed=False, numpyAllowed=False))
    data, _ = source.getRegion(
        region={"left": x, "top": y, "width": width, "height": height, "units": "base_pixels"},
        output={"maxWidth": across, "maxHeight": down},
        **QUALITY,
    )
    return bytes(data)


def target(size: str, width: int, height: int) -> tuple[int, int]:
    if size == "max":
        return width, height
    across, _, down = size.removeprefix("!").partition(",")
    if size.startswith("!"):
        scale = min(int(across) / width, int(down) / height)
        return round(width * scale), round(height * scale)
    return int(across), int(down) if down else round(int(across) * height / width)


def find_tile(source: Any, x: int, y: int, width: int, across: int) -> tuple[int, int, int] | None:
    """Column, row and level of its own grid."""
    for level in range(source.levels):
        factor = 2 ** (source.levels - 1 - level)
        side = source.tileWidth * factor
        if x % side == 0 and y % side == 0 and width == min(side, source.sizeX - x) and across == -(-width // factor):
            return x // side, y // side, level
    return None


def main(port: str, folder: str) -> None:
    Image.folder = Path(folder)
    sockets = tornado.netutil.bind_sockets(int(port), "127.0.0.1")
    tornado.process.fork_processes(2)

    async def serve() -> None:
        server = tornado.httpserver.HTTPServer(tornado.web.Application([(r"/.*", Image)]))
        server.add_sockets(sockets)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
