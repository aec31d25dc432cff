"""Running the programs that a benchmark needs."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Missing(Exception):  # noqa: N818 - it is no error: a report says what could not be measured, and why
    """Something that this machine cannot do; the text says what and why."""


def find_program(*names: str, package: str) -> Path:
    """The first of these programs that is there.

    Raises:
        Missing: None is; the text names the package of Debian that brings it.
    """
    for name in names:
        found = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") or shutil.which(
            name
        )
        if found:
            return Path(found)
    raise Missing(f"{names[0]} is not on this machine (Debian's package {package})")


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 1800,
) -> str:
    """What the program says on standard output.

    Raises:
        Missing: It cannot be started, takes too long or fails.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{Path(words[0]).name} did not run: {error}") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Missing(f"{Path(words[0]).name} failed ({done.returncode}): {' / '.join(last)}")
    return done.stdout
