from collections.abc import Callable, Iterator
from typing import Any

import pytest

from images.decoders.pool import DecoderPool

PoolMaker = Callable[..., DecoderPool]


@pytest.fixture
def new_pool() -> Iterator[PoolMaker]:
    """Makes pools of processes that know the jobs of `fake_jobs`, and closes them."""
    pools: list[DecoderPool] = []

    def make(*arguments: Any, **options: Any) -> DecoderPool:
        options.setdefault("job_module", "tests.images.decoders.fake_jobs")
        pools.append(DecoderPool(*arguments, **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def pool(new_pool: PoolMaker) -> DecoderPool:
    return new_pool()
