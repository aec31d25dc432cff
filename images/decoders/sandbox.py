"""What a decoder process may not ask of the kernel: no network, no programs, no processes, no files. Best effort.

Fences that need no privileges: a seccomp filter that answers EPERM to what no decoder has a use for, and a Landlock
domain, from inside which no file can be opened or made but libraries read, and no process outside be looked into
(`/proc/PID/environ`, `mem`). None of root's capabilities remain. Where the kernel or the machine lacks a fence, the
other limits stand.
"""

import contextlib
import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from images.decoders import landlock

# linux/prctl.h, linux/seccomp.h, linux/filter.h
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_GREATER_EQUAL = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16

# linux/capability.h
_CAPABILITY_VERSION_3 = 0x20080522

_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000

# The same on every architecture that Linux was brought to since 2019.
_COMMON = {"pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438}


@dataclass(frozen=True, slots=True)
class Architecture:
    """`audit` is the kernel's name of it; `denied` and `limited` give the numbers of system calls."""

    audit: int
    denied: Mapping[str, int]
    limited: Mapping[str, int]


ARCHITECTURES = {
    "x86_64": Architecture(
        0xC000003E,
        {
            "socket": 41,
            "connect": 42,
            "accept": 43,
            "bind": 49,
            "listen": 50,
            "accept4": 288,
            "fork": 57,
            "vfork": 58,
            "execve": 59,
            "execveat": 322,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "tkill": 200,
            "rt_sigqueueinfo": 129,
            "rt_tgsigqueueinfo": 297,
            "mount": 165,
            "umount2": 166,
            "pivot_root": 155,
            "chroot": 161,
            "unshare": 272,
            "setns": 308,
            "open_by_handle_at": 304,
            "bpf": 321,
            "userfaultfd": 323,
            "perf_event_open": 298,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "init_module": 175,
            "finit_module": 313,
            "kexec_load": 246,
        },
        {"clone": 56, "kill": 62, "tgkill": 234, "prlimit64": 302},
    ),
    "aarch64": Architecture(
        0xC00000B7,
        {
            "socket": 198,
            "connect": 203,
            "accept": 202,
            "bind": 200,
            "listen": 201,
            "accept4": 242,
            "execve": 221,
            "execveat": 281,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "tkill": 130,
            "rt_sigqueueinfo": 138,
            "rt_tgsigqueueinfo": 240,
            "mount": 40,
            "umount2": 39,
            "pivot_root": 41,
            "chroot": 51,
            "unshare": 97,
            "setns": 268,
            "open_by_handle_at": 265,
            "bpf": 280,
            "userfaultfd": 282,
            "perf_event_open": 241,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "init_module": 105,
            "finit_module": 273,
            "kexec_load": 104,
        },
        {"clone": 220, "kill": 129, "tgkill": 131, "prlimit64": 261},
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def enter() -> None:
    """Put this process, which must have one thread, behind both fences for the rest of its life."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _drop_capabilities(libc)
        with contextlib.suppress(OSError):
            landlock.enter(libc)
        architecture = ARCHITECTURES.get(platform.machine())
        if architecture is not None:
            instructions = filter_instructions(architecture, os.getpid())
            program = _Program(len(instructions) // 8, instructions)
            libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def filter_instructions(architecture: Architecture, pid: int) -> bytes:
    """The seccomp filter of process `pid`, in the machine's byte order: 8 bytes for each instruction."""
    limited = architecture.limited
    code = [
        _instruction(_LOAD_WORD, _ARCHITECTURE_OFFSET),
        *_unless(_JUMP_EQUAL, architecture.audit, _refuse(errno.EPERM)),
        _instruction(_LOAD_WORD, _NUMBER_OFFSET),
        # glibc falls back to clone, whose flags can be looked at.
        *_if_number(_COMMON["clone3"], _refuse(errno.ENOSYS)),
        *_if_number(limited["clone"], _only_if(_JUMP_ANY_BIT, _CLONE_THREAD)),
        *_if_number(limited["kill"], _only_if(_JUMP_EQUAL, pid)),
        *_if_number(limited["tgkill"], _only_if(_JUMP_EQUAL, pid)),
        *_if_number(limited["prlimit64"], _only_if(_JUMP_EQUAL, 0)),
    ]
    for number in {**_COMMON, **architecture.denied}.values():
        code += _if_number(number, _refuse(errno.EPERM))
    code += _unless(_JUMP_GREATER_EQUAL, _X32_BIT, [_instruction(_RETURN, _ALLOW)])
    return b"".join([*code, *_refuse(errno.EPERM)])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> list[bytes]:
    return [_instruction(_RETURN, _ERRNO | number)]


def _unless(jump: int, value: int, then: list[bytes]) -> list[bytes]:
    return [_instruction(jump, value, if_true=len(then)), *then]


def _if_number(number: int, then: list[bytes]) -> list[bytes]:
    return [_instruction(_JUMP_EQUAL, number, if_false=len(then)), *then]


def _only_if(jump: int, value: int) -> list[bytes]:
    """Allow the call if the low word of its first argument passes."""
    return [
        _instruction(_LOAD_WORD, _FIRST_ARGUMENT_OFFSET),
        *_unless(jump, value, _refuse(errno.EPERM)),
        _instruction(_RETURN, _ALLOW),
    ]


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """All of them: what root may open beyond others, it may not open here."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    libc.capset(header, bytes(24))
