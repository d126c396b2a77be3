"""Processes of a demo: started with their output in a file, ended with it, whatever becomes of it.

Three nets, one under the other: `stop` in an orderly end; a guard process that notices when this one is gone, even by
kill -9; and on Linux the kernel's own signal to the child, which works at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from streams.broker import guard
from streams.contract.settings import PREFIX, Settings

_PR_SET_PDEATHSIG = 1
PATIENCE_S = 10.0


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """A signal to end waits until a process has been started.

    Python runs hooks around a fork and drops what is raised in them: an end asked for in that moment would be lost.
    """
    if threading.current_thread() is not threading.main_thread():  # handlers run in the main thread alone
        yield
        return
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        signal.raise_signal(asked[0])


class Child:
    """A process of ours.

    Args:
        name: for messages.
        arguments: of `credence`, such as ["worker"].
        settings: it gets them as its environment.
        log: file for its output.
    """

    def __init__(self, name: str, arguments: Sequence[str], settings: Settings, log: Path) -> None:
        self.name = name
        self.log = log
        with open(log, "wb") as file, _signals_held():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(settings),
                # Ctrl-C in the terminal is ours to pass on, in the right order.
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guard.__file__)), str(os.getpid()), str(self._process.pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ended(self) -> int | None:
        """Exit status if it has ended, else None."""
        return self._process.poll()

    def tail(self, lines: int = 12) -> str:
        """The end of its output."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def last_words(self) -> str:
        """The last line of its output without time stamp and such."""
        return (self.tail(1) or "no reason given").rsplit("] ", 1)[-1].removeprefix("worker ends itself: ").strip()

    def terminate(self) -> None:
        """Ask it to end; `stop` waits for it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it: politely, then by force; its guard too."""
        self.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            self._guard.kill()
        self._guard.wait()


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with every setting in it."""
    import dataclasses

    ours = {PREFIX + f.name.upper(): _written(f.name, getattr(settings, f.name)) for f in dataclasses.fields(settings)}
    return {**os.environ, **ours, "PYTHONUNBUFFERED": "1"}


def _written(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    return f"{value}ms" if name.endswith("_ms") and value != -1 else str(value)


def dies_with_parent() -> Callable[[], None] | None:
    """What the child runs before it becomes itself, on Linux: ask the kernel for a signal when the parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return arrange


def settings_line(settings: Settings) -> Mapping[str, str]:
    """The environment variables with which a person's own commands reach this demo's Kafka."""
    wanted = {PREFIX + "BROKER": settings.broker}
    if settings.namespace:
        wanted[PREFIX + "NAMESPACE"] = settings.namespace
    return wanted
