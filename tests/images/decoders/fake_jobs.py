"""Jobs that behave well or badly at command, for the tests of the pool."""

import ctypes
import os
import resource
import signal
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from images.decoders.errors import DamagedSourceError, DecodeLimitError
from images.decoders.source import SourceData
from images.decoders.wire import encode_json

_held: list[bytes] = []

IsEnough = Callable[[], bool]


def perform(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None], *ends: IsEnough) -> None:
    if job["kind"] == "until_enough":
        _until_enough(job, write, *ends)
    else:
        _JOBS[job["kind"]](job, source, write)


def _until_enough(job: Mapping[str, Any], write: Callable[[bytes], None], is_enough: IsEnough) -> None:
    """Begin, and go on for as long as nobody says that it is enough. The processes `pids` die then."""
    write(b"begun")
    write(b"")
    end = time.monotonic() + job.get("seconds", 10)
    while not is_enough():
        if time.monotonic() > end:
            write(b", never ended")
            return
        time.sleep(0.001)
    if os.getpid() in job.get("pids", []):
        os.kill(os.getpid(), signal.SIGKILL)
    write(b", ended")


def _echo(_job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    write(source.read_at(0, source.length))


def _sleep(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    time.sleep(job["seconds"])
    _echo(job, source, write)


def _spin(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    end = time.monotonic() + job.get("seconds", 3600)
    while time.monotonic() < end:
        pass
    write(b"done")


def _allocate(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    write(str(len(bytearray(job["length"]))).encode())


def _allocate_as_glib(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    if not libc.malloc(ctypes.c_size_t(job["length"])):
        os.kill(os.getpid(), signal.SIGTRAP)
    write(b"allocated")


def _use(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    """Memory that is written to, and freed again."""
    write(str(sum(len(each) for each in [b"x" * job["length"] for _ in range(job["times"])])).encode())


def _hold(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    _held.append(b"x" * job["length"])
    write(b"held")


def _die(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    """Die by a signal; if `pids` are given, only as one of these processes."""
    if os.getpid() in job.get("pids", [os.getpid()]):
        write(b"x" * job.get("after", 0))
        os.kill(os.getpid(), job.get("signal", signal.SIGKILL))
        time.sleep(60)
    _echo(job, source, write)


def _fail(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    write(b"x" * job.get("after", 0))
    match job["error"]:
        case "damaged":
            raise DamagedSourceError("The second strip is cut off.", "cut")
        case "limit":
            raise DecodeLimitError("The image has too many scans.")
        case _:
            raise ZeroDivisionError("/a/secret/path")


def _stream(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    """Even pieces. The processes `pids` die after some of them; others than these may differ or end early."""
    is_first = os.getpid() in job.get("pids", [])
    for number in range(job["pieces"]):
        if is_first and number == job.get("die_after"):
            os.kill(os.getpid(), signal.SIGKILL)
        if not is_first and number == job.get("ends_at"):
            return
        differs = not is_first and number == job.get("differs_at")
        write(bytes([(number + differs) % 256]) * job["length"])
        time.sleep(job.get("pause", 0))


def _parts(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    """All parts, one after the other, in an order that `numbers` may give. The processes `pids` die after some."""
    assert source.parts is not None
    for number in job.get("numbers", range(len(source.parts.cuts))):
        part = source.parts.get(number)
        write(part.data + encode_json(part.facts()))
        if os.getpid() in job.get("pids", []) and number == job["die_after"]:
            os.kill(os.getpid(), signal.SIGKILL)


def _raw(job: Mapping[str, Any], _source: SourceData, _write: Callable[[bytes], None]) -> None:
    """Write what is no frame to the pool."""
    os.write(_channel(), bytes.fromhex(job["bytes"]))
    time.sleep(job.get("seconds", 60))


def _file_to_parent(_job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    """Push open files on the server together with a frame."""
    with socket.socket(fileno=os.dup(_channel())) as channel:
        socket.send_fds(channel, [struct.pack("!HBxI", 0x1F5A, 4, 1) + b"x"], [0, 0, 0])
    write(b"y")


def _channel() -> int:
    for fd in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
        except OSError:
            continue
    raise LookupError("no socket")


def _report(_job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    """What this process is and may do."""
    write(
        encode_json(
            {
                "pid": os.getpid(),
                "environment": sorted(os.environ),
                "modules": sorted(sys.modules),
                "limits": {
                    name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0]
                    for name in ("AS", "FSIZE", "NOFILE", "CORE", "CPU")
                },
            }
        )
    )


def _attempt(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    """Try what a decoder must not do; tell the errno, or None if it was possible."""
    import subprocess

    attempts: dict[str, Callable[[], object]] = {
        "connect": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        "socket": lambda: socket.socket(socket.AF_UNIX),
        "fork": os.fork,
        "spawn": lambda: subprocess.run(["/bin/true"], check=False),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "kill": lambda: os.kill(job["pid"], 0),
        "kill_self": lambda: os.kill(os.getpid(), 0),
        "limit": lambda: resource.prlimit(job["pid"], resource.RLIMIT_CORE),
        "environ": lambda: Path(f"/proc/{job['pid']}/environ").read_bytes(),
        "memory": lambda: os.close(os.open(f"/proc/{job['pid']}/mem", os.O_RDONLY)),
        "thread": _run_thread,
    }
    write(encode_json(_outcomes(attempts)))


def _touch_files(job: Mapping[str, Any], _source: SourceData, write: Callable[[bytes], None]) -> None:
    """Try what a decoder must not do to the files of others: `canary` is one, with secrets, in a folder of its own."""
    canary = Path(job["canary"])
    attempts: dict[str, Callable[[], object]] = {
        "read": canary.read_bytes,
        "write": lambda: canary.open("r+b").close(),
        "create": lambda: canary.with_name("made").write_bytes(b"made"),
        "list": lambda: list(canary.parent.iterdir()),
        "remove": canary.unlink,
        "rename": lambda: canary.rename(canary.with_name("renamed")),
        "link": lambda: canary.with_name("linked").hardlink_to(canary),
        "symlink": lambda: canary.with_name("symlinked").symlink_to(canary),
        "make_folder": canary.with_name("folder").mkdir,
        "truncate": lambda: os.truncate(canary, 0),
        "write_in_libraries": lambda: Path(os.__file__).with_name("made").write_bytes(b"made"),
        "libraries": Path(os.__file__).read_bytes,
    }
    write(encode_json(_outcomes(attempts)))


def _write_to_source(_job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    attempts = {"write": lambda: os.write(source.fd or 0, b"changed")}
    write(encode_json(_outcomes(attempts)))


def _outcomes(attempts: Mapping[str, Callable[[], object]]) -> dict[str, int | None]:
    outcomes: dict[str, int | None] = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            outcomes[name] = error.errno
        else:
            outcomes[name] = None
    return outcomes


def _run_thread() -> None:
    thread = threading.Thread(target=time.time)
    thread.start()
    thread.join()


_JOBS: dict[str, Callable[[Mapping[str, Any], SourceData, Callable[[bytes], None]], None]] = {
    "echo": _echo,
    "sleep": _sleep,
    "spin": _spin,
    "allocate": _allocate,
    "allocate_as_glib": _allocate_as_glib,
    "use": _use,
    "hold": _hold,
    "die": _die,
    "fail": _fail,
    "stream": _stream,
    "parts": _parts,
    "raw": _raw,
    "file_to_parent": _file_to_parent,
    "report": _report,
    "attempt": _attempt,
    "touch_files": _touch_files,
    "write_to_source": _write_to_source,
}
