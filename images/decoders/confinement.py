"""What a decoder process may use: memory, file size, open files, processor time. Linux; missing parts are left out."""

import contextlib
import ctypes
import math
import os
import resource
from dataclasses import dataclass
from pathlib import Path

from images.decoders import sandbox

_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """`memory_bytes` is address space (RLIMIT_AS): 300 tiles leave a decoder with 340 to 475 MB of it.

    `file_bytes`: the longest file that may be written. `oom_score_adj`: the kernel ends decoders before web workers.
    """

    memory_bytes: int = 2 * 1024**3
    file_bytes: int = 512 * 1024**2
    open_files: int = 256
    oom_score_adj: int = 800


def confine(limits: ProcessLimits) -> None:
    """Put this process under `limits` for the rest of its life."""
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(limits.oom_score_adj), encoding="ascii")
    sandbox.enter()


def allow_cpu(seconds: float) -> None:
    """Let this process use `seconds` more of processor time; then SIGXCPU ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def give_back() -> None:
    """Give the kernel the memory that was freed and is kept for the next job, where the C library is glibc."""
    if _malloc_trim is not None:
        _malloc_trim(0)


def _limit(name: int, value: int) -> None:
    _, hard = resource.getrlimit(name)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(name, (value, value))


class ResidentMemory:
    """Reads the resident memory of this process, in bytes; 0 where there is no /proc."""

    def __init__(self) -> None:
        self._page_bytes = resource.getpagesize()
        self._fd: int | None = None
        with contextlib.suppress(OSError):
            self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> int:
        if self._fd is None:
            return 0
        return int(os.pread(self._fd, 128, 0).split()[1]) * self._page_bytes
