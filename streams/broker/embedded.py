"""The embedded Apache Kafka: one real node on this machine, without Docker and without a system Java.

`start`, `stop` and `status` are about the user's own broker, which keeps its data. `private` gives a broker of its own
to a test or a demo: it shares the downloaded jars, and it ends with its owner, however that one ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streams.broker.artifacts import Runtime, Say, ensure, file_lock, home
from streams.broker.errors import BrokerError
from streams.broker.server import DEFAULT_PORT, Broker, Status
from streams.contract.settings import Settings

__all__ = [
    "Broker",
    "BrokerError",
    "Runtime",
    "Status",
    "embedded",
    "ensure",
    "file_lock",
    "home",
    "private",
    "resolve",
    "start",
    "status",
    "stop",
    "temporary",
]


def embedded(name: str = "default", data_dir: Path | str | None = None) -> Broker:
    """The broker called `name` under `home()`, or the one that lives in `data_dir`; it need not run."""
    folder = Path(data_dir) if data_dir is not None else home() / "brokers" / name
    return Broker(folder, preferred_port=DEFAULT_PORT if name == "default" and data_dir is None else None)


def start(
    name: str = "default",
    *,
    data_dir: Path | str | None = None,
    port: int | None = None,
    heap_mb: int = 512,
    owner_pid: int | None = None,
    extra: Mapping[str, str] | None = None,
    say: Say = lambda sentence: None,
) -> Status:
    """Start the embedded broker unless it runs, and wait until it answers. See `Broker.start` for the arguments.

    Raises BrokerError with what to do. The first start ever downloads 45 MB.
    """
    return embedded(name, data_dir).start(port=port, heap_mb=heap_mb, owner_pid=owner_pid, extra=extra, say=say)


def stop(name: str = "default", *, data_dir: Path | str | None = None) -> bool:
    """Stop the embedded broker; its data stays. Returns whether it was running."""
    return embedded(name, data_dir).stop()


def status(name: str = "default", *, data_dir: Path | str | None = None) -> Status:
    """Where the embedded broker is, and whether it runs."""
    return embedded(name, data_dir).status()


def temporary(prefix: str) -> Path:
    """A new folder for temporary files. Raises BrokerError where the system has no room for one."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix))
    except OSError as error:
        raise BrokerError(
            f"no temporary folder can be made: {error.strerror}. Set TMPDIR to a folder that can be written in"
        ) from error


@contextmanager
def private(
    data_dir: Path | str | None = None,
    *,
    heap_mb: int = 512,
    owner_pid: int | None = None,
    extra: Mapping[str, str] | None = None,
    say: Say = lambda sentence: None,
) -> Iterator[Broker]:
    """A running broker for the length of a `with` block, on a port of its own.

    Without `data_dir` it lives in a temporary folder that is removed at the end. It ends with the block, and with the
    process `owner_pid` (default: this one) should that be killed.
    """
    folder = Path(data_dir) if data_dir is not None else temporary("credence-broker-")
    broker = Broker(folder)
    try:
        broker.start(heap_mb=heap_mb, owner_pid=owner_pid or os.getpid(), extra=extra, say=say)
        yield broker
    finally:
        broker.stop(patience_s=5.0)
        if data_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


def resolve(settings: Settings) -> Settings:
    """The settings with the broker filled in: as given, else the embedded one. Raises BrokerError if there is none."""
    if settings.broker:
        return settings
    found = status()
    if not found.running:
        raise BrokerError(
            "no Kafka to talk to: run `credence broker start`, or name yours with --broker host:port or CREDENCE_BROKER"
        )
    return settings.replace(broker=found.bootstrap)
