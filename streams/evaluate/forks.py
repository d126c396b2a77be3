"""Run work in a copy of this very process, so that it may change all it likes: exact, and cheap for a large state."""

from __future__ import annotations

import gc
import os
import pickle
import select
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import xxhash

T = TypeVar("T")


class ForkFailed(RuntimeError):
    """A fork raised; the message holds its traceback."""


class Forks(Generic[T]):
    """At most `jobs` forks beside each other; `results` come in the order of starting.

    Args:
        done: called with a fork's size, whatever that means to the caller, when it has ended.
    """

    def __init__(self, jobs: int = 2, done: Callable[[int], None] = lambda size: None) -> None:
        self._jobs = max(1, jobs)
        self._done = done
        self._running: dict[int, tuple[int, int, int]] = {}  # read end → (index, process id, size)
        self._parts: list[list[bytes]] = []

    def start(self, work: Callable[[], T], size: int = 0) -> None:
        """Begin the work on a copy of the present; waits for a free place."""
        while len(self._running) >= self._jobs:
            self._collect()
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # what lives now is not looked through in the child, which would copy every page of it
        child = os.fork()
        if child == 0:
            os.close(read_end)
            self._child(work, write_end)
        os.close(write_end)
        self._running[read_end] = (len(self._parts), child, size)
        self._parts.append([])

    @staticmethod
    def _child(work: Callable[[], T], write_end: int) -> None:
        status = 1
        try:
            try:
                outcome: tuple[bool, Any] = (True, work())
            except BaseException:
                outcome = (False, traceback.format_exc())
            with os.fdopen(write_end, "wb") as pipe:
                pickle.dump(outcome, pipe)
            status = 0
        finally:
            os._exit(status)  # no exit handlers, no flush of the parent's buffers

    def _collect(self) -> None:
        """Wait until some fork says something; forget those that ended."""
        ready, _, _ = select.select(list(self._running), [], [])
        for end in ready:
            index, child, size = self._running[end]
            part = os.read(end, 1 << 16)
            if part:
                self._parts[index].append(part)
                continue
            os.close(end)
            os.waitpid(child, 0)
            del self._running[end]
            self._done(size)

    def results(self) -> list[T]:
        """Wait for all; what each returned, in order. ForkFailed if one raised or died."""
        while self._running:
            self._collect()
        values: list[T] = []
        for parts in self._parts:
            if not parts:
                raise ForkFailed("a fork died without a word (out of memory?)")
            good, value = pickle.loads(b"".join(parts))
            if not good:
                raise ForkFailed(value)
            values.append(value)
        return values


class Shared(Generic[T]):
    """Answers that a process and its forks give each other, found by the numbers that they were made from.

    They lie in a folder, since a fork cannot write into the memory of another; it goes with the process that began it.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="credence-")

    def once(self, numbers: Sequence[npt.NDArray[Any]], make: Callable[[], T]) -> T:
        """What `make` returns, a function of the numbers alone; made by whoever asks first."""
        told = xxhash.xxh3_128()
        for column in numbers:
            told.update(f"{column.dtype} {column.shape} ")
            told.update(np.ascontiguousarray(column).data)
        path = Path(self._folder.name, told.hexdigest())
        if path.exists():
            known: T = pickle.loads(path.read_bytes())
            return known
        made = make()
        begun = path.with_suffix(f".{os.getpid()}")
        begun.write_bytes(pickle.dumps(made))
        begun.replace(path)  # at once: nobody reads half of it
        return made
