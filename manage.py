#!/usr/bin/env python
import os
import select
import signal
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

from iiifserver import env


def main() -> None:
    env.select_settings()
    try:
        execute_from_command_line(sys.argv)
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
    except BrokenPipeError:
        if not _output_is_closed():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)  # as a shell counts it
    except (OperationalError, ProgrammingError) as error:
        if not {"--traceback", "migrate", "bootstrap"}.isdisjoint(sys.argv):
            raise
        sys.exit(f"The database answered with an error: {str(error).strip()}\nIs it there, and has `migrate` been run?")


def _output_is_closed() -> bool:
    """Whether who reads the output has seen enough, like `head`."""
    if sys.stdout is None:
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & select.POLLERR for _file, events in poll.poll(0))


if __name__ == "__main__":
    main()
