"""Opening a regular file below a folder, and never one outside it, whatever the key and whoever renames meanwhile.

On Linux 5.6 and later the kernel does it in one step: openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS.
Symbolic links are followed as long as they are relative and stay below the root. Elsewhere, and where a sandbox
refuses the call, the key is walked folder by folder with O_NOFOLLOW: there, a key with any symbolic link in it is
refused.
"""

import ctypes
import errno
import os
import stat
import struct
import sys

from images.sources.errors import (
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceUnreachableError,
)
from images.sources.location import key_segments

_SYS_OPENAT2 = 437  # the same on every architecture but alpha
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_OPEN_HOW = struct.Struct("=QQQ")  # flags, mode, resolve
_RETRIES = 16  # openat2 answers EAGAIN where a rename raced with it

# O_NONBLOCK: opening a FIFO must not wait for a writer. O_NOCTTY: nor may a terminal become ours.
_FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER_FLAGS = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)

_ERRORS: dict[int, tuple[type[SourceError], str]] = {
    errno.ENOENT: (SourceNotFoundError, "The source file does not exist."),
    errno.ENOTDIR: (SourceNotFoundError, "The source file does not exist."),
    errno.ENAMETOOLONG: (SourceNotFoundError, "The source file does not exist."),
    errno.EACCES: (SourceForbiddenError, "The server is not permitted to read the source file."),
    errno.EPERM: (SourceForbiddenError, "The server is not permitted to read the source file."),
    errno.EXDEV: (SourceNotAllowedError, "The source file lies outside the folder of its store."),
    errno.ELOOP: (SourceNotAllowedError, "The source file is reached through a symbolic link."),
    errno.ENXIO: (SourceNotAllowedError, "The source is not a regular file."),
    errno.ENODEV: (SourceNotAllowedError, "The source is not a regular file."),
    errno.EISDIR: (SourceNotAllowedError, "The source is a folder, not a file."),
}


def open_beneath(root: str, key: str) -> int:
    """An open descriptor of the regular file `key` below the folder `root` (absolute). The caller closes it.

    Raises SourceError: not found, forbidden, not allowed (leads outside, or is no regular file), unreachable (the
    folder itself cannot be opened, or the storage fails).
    """
    segments = key_segments(key)
    root_fd = _open_root(root)
    try:
        fd = _openat2(root_fd, key)
        if fd is None:
            fd = _walk(root_fd, segments)
    except OSError as error:
        raise _translated(error, root, key) from error
    finally:
        os.close(root_fd)
    try:
        _require_regular(fd, root, key)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_root(root: str) -> int:
    if not os.path.isabs(root):  # noqa: PTH117 - a Path would cost more than the system call
        raise SourceNotAllowedError("The folder of this store must be absolute.", f"root {root!r}")
    try:
        return os.open(root, _FOLDER_FLAGS)
    except (OSError, ValueError) as error:
        raise SourceUnreachableError("The folder of this store cannot be opened.", str(error)) from error


def _load_syscall() -> "ctypes._NamedFuncPointer | None":
    if sys.platform != "linux" or os.uname().machine == "alpha":
        return None
    try:
        return ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return None


_syscall = _load_syscall()


def _openat2(root_fd: int, key: str) -> int | None:
    """None where the kernel or a sandbox does not offer the call. Raises OSError."""
    if _syscall is None:
        return None
    how = _OPEN_HOW.pack(_FILE_FLAGS, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    path = ctypes.c_char_p(os.fsencode(key))
    code = errno.EAGAIN
    for _attempt in range(_RETRIES):
        fd = _syscall(ctypes.c_long(_SYS_OPENAT2), ctypes.c_int(root_fd), path, how, ctypes.c_size_t(len(how)))
        if fd >= 0:
            return int(fd)
        code = ctypes.get_errno()
        if code not in {errno.EAGAIN, errno.EINTR}:
            break
    if code in {errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.EAGAIN}:
        return None
    raise OSError(code, os.strerror(code))


def _walk(root_fd: int, segments: tuple[str, ...]) -> int:
    """Open folder after folder, following no symbolic link. Raises OSError; ELOOP for a link."""
    folder = os.dup(root_fd)
    try:
        for segment in segments[:-1]:
            try:
                inner = os.open(segment, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
            except NotADirectoryError as error:
                if stat.S_ISLNK(os.lstat(segment, dir_fd=folder).st_mode):
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
                raise
            os.close(folder)
            folder = inner
        return os.open(segments[-1], _FILE_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def _require_regular(fd: int, root: str, key: str) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return
    what = "is a folder, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
    raise SourceNotAllowedError(f"The source {what}.", f"{root}/{key} has mode {stat.filemode(mode)}")


def _translated(error: OSError, root: str, key: str) -> SourceError:
    kind, detail = _ERRORS.get(error.errno or 0, (SourceUnreachableError, "The storage of the source file fails."))
    return kind(detail, f"{root}/{key}: {error.strerror}")
