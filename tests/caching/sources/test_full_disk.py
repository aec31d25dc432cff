"""A file system below the copies that is really full."""

from pathlib import Path

import pytest

from tests.caching.test_unwritable import run_in_namespace

FULL = """
import subprocess, sys
from pathlib import Path
folder, options = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
import os
from caching.sources import blocks, objects
from caching.sources.filling import Origin
from tests.caching.sources.places import Store, block_cache, body_of, key_of, object_cache
blocks._BYPASS_SECONDS = objects._BYPASS_SECONDS = 0.0
ranges = block_cache(folder, memory_bytes=0, disk_bytes=1 << 30)
wholes = object_cache(folder)
kept = refused = 0
for number in range(300):
    store = Store(body_of(number, 60_000))
    assert ranges.read(key_of(number), 60_000, [(5, 50_000)], store.fetch) == [store.body[5:50_000]]
    fd = wholes.get(key_of(number), 60_000, Origin(store.fetch))
    if fd is None:
        refused += 1
        continue
    assert os.pread(fd, 60_001, 0) == store.body
    os.close(fd)
    kept += 1
assert refused > 0, (kept, refused)
assert not [path for path in folder.rglob("*.new")]
ranges.wait_for_sweep()
for name in ("objects", "blocks"):
    (wholes if name == "objects" else ranges)._folder.sweep()
store = Store(body_of(1000, 60_000))
fd = wholes.get(key_of(1000), 60_000, Origin(store.fetch))
assert fd is not None
print("served", kept, refused)
"""


@pytest.mark.parametrize("options", ["size=8m", "size=64m,nr_inodes=200"])
def test_bytes_and_inodes_run_out(tmp_path: Path, options: str) -> None:
    assert run_in_namespace(FULL, tmp_path / "mount", options).startswith("served")
