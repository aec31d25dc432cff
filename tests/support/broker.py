"""The Celery application on another broker, and a worker of one step for tests in which every step counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iiifserver.celery import app
from images.queue import Queue


@contextmanager
def broker(url: str, options: dict[str, Any]) -> Iterator[None]:
    """Send tasks there for a while, instead of running them at once."""
    was = {name: app.conf[name] for name in ("broker_url", "broker_transport_options", "task_always_eager")}
    app.conf.update(broker_url=url, broker_transport_options=options, task_always_eager=False)
    _forget_connections()
    try:
        yield
    finally:
        _forget_connections()
        app.conf.update(was)


def folder_broker(folder: Path) -> tuple[str, dict[str, Any]]:
    """URL and options of the embedded broker in a folder."""
    queue = folder / "queue"
    for path in (queue, folder / "control"):
        path.mkdir(parents=True, exist_ok=True)
    options = {"data_folder_in": str(queue), "data_folder_out": str(queue), "control_folder": str(folder / "control")}
    return "filesystem://localhost", options


def take(queue: str) -> tuple[str, list[Any]] | None:
    """The next task of a queue, which the broker forgets: its name and arguments."""
    with app.connection_for_read() as connection:
        message = app.amqp.queues[queue](connection.default_channel).get(no_ack=True)
        if message is None:
            return None
        return str(message.headers["task"]), list(message.decode()[0])


def drain() -> list[tuple[str, list[Any]]]:
    """Run what is in the queues, and what that queues in turn, until nothing is left. Returns what was run."""
    done = []
    while found := next((task for queue in Queue if (task := take(queue))), None):
        name, arguments = found
        app.tasks[name].run(*arguments)
        done.append(found)
    return done


def _forget_connections() -> None:
    app.set_current()
    app._after_fork()  # type: ignore[attr-defined]  # as a forked worker does: pools and connections are those of the configuration then
