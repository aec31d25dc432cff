"""Shuts a process off from the file system, but for reading the libraries it may still load (Linux 5.13 and newer).

Files that are open already, and those that arrive through a socket, are not concerned.
"""

import ctypes
import os
import stat
import struct
import sysconfig
from collections.abc import Iterator

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

# linux/landlock.h
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many of the rights that files have (bits from 0 up) each version knows; TRUNCATE is the fifteenth."""

_RIGHTS_OF_LATER_VERSIONS = 16

_SYSTEM_PATHS = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"),
    *("/dev/null", "/dev/urandom", "/sys/devices/system/cpu"),
)


def enter(libc: ctypes.CDLL) -> None:
    """Refuse this thread, and those it will start, every right that the kernel can refuse. Raises OSError."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return
    rights = (1 << _RIGHTS_OF_VERSION.get(version, _RIGHTS_OF_LATER_VERSIONS)) - 1
    attributes = struct.pack("=Q", rights)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return
    try:
        for path in _readable_paths():
            _allow_reading(libc, ruleset, path)
        libc.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _readable_paths() -> Iterator[str]:
    paths = sysconfig.get_paths()
    yield from dict.fromkeys(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    yield from _SYSTEM_PATHS


def _allow_reading(libc: ctypes.CDLL, ruleset: int, path: str) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        rights = _READ_FILE | _READ_FOLDER if is_folder else _READ_FILE
        libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    finally:
        os.close(fd)
